"""Cells by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial

from throughtime.cells.base import Cell
from throughtime.cells.elementwise.brc import BistableCell
from throughtime.cells.elementwise.indrnn import IndRNNCell
from throughtime.cells.elementwise.lru import LRUCell
from throughtime.cells.elementwise.mingru import MinGRUCell
from throughtime.cells.elementwise.minlstm import MinLSTMCell
from throughtime.cells.elementwise.rg_lru import RGLRUCell
from throughtime.cells.elementwise.sru import SRUCell
from throughtime.cells.elementwise.unicornn import UnICORNNCell
from throughtime.cells.euler.antisymmetric import AntisymmetricRNNCell
from throughtime.cells.euler.cornn import CoRNNCell
from throughtime.cells.euler.fastgrnn import FastGRNNCell
from throughtime.cells.euler.fastrnn import FastRNNCell
from throughtime.cells.euler.lem import LEMCell
from throughtime.cells.gated.cfn import ChaosFreeCell
from throughtime.cells.gated.janet import JANETCell
from throughtime.cells.gated.ligru import LightGRUCell
from throughtime.cells.gated.mgu import MGUCell
from throughtime.cells.gated.mut1 import MUT1Cell
from throughtime.cells.gated.mut2 import MUT2Cell
from throughtime.cells.gated.mut3 import MUT3Cell
from throughtime.cells.gated.nbrc import NeuromodulatedBistableCell
from throughtime.cells.gated.rhn import RHNCell
from throughtime.cells.gated.star import STARCell
from throughtime.cells.gated.ugrnn import UGRNNCell
from throughtime.cells.gru import GRUCell
from throughtime.cells.gru_full import FullGRUCell
from throughtime.cells.gru_layernorm import LayerNormGRUCell
from throughtime.cells.gru_simplified import SimplifiedGRUCell
from throughtime.cells.lstm import LSTMCell
from throughtime.cells.lstm_coupled import CoupledLSTMCell
from throughtime.cells.lstm_layernorm import LayerNormLSTMCell
from throughtime.cells.lstm_peephole import PeepholeLSTMCell
from throughtime.cells.lstm_projected import ProjectedLSTMCell
from throughtime.cells.lstms.multiplicative import MultiplicativeLSTMCell
from throughtime.cells.lstms.ran import RANCell
from throughtime.cells.lstms.scalar import SLSTMCell
from throughtime.cells.rnn import RNNCell
from throughtime.cells.rnn_layernorm import LayerNormRNNCell
from throughtime.errors import spelled
from throughtime.own import find_class

CellFactory = Callable[..., Cell]
"""Makes a cell from ``(input_size, hidden_size, **options)``: a cell's class, as a rule."""

CELLS: dict[str, CellFactory] = {
    "rnn": RNNCell,
    "rnn-relu": partial(RNNCell, nonlinearity="relu"),
    "rnn-layernorm": LayerNormRNNCell,
    "gru-simplified": SimplifiedGRUCell,
    "gru-full": FullGRUCell,
    "gru": GRUCell,
    "gru-layernorm": LayerNormGRUCell,
    "lstm": LSTMCell,
    "lstm-peephole": PeepholeLSTMCell,
    "lstm-coupled": CoupledLSTMCell,
    "lstm-projected": ProjectedLSTMCell,
    "lstm-layernorm": LayerNormLSTMCell,
    "indrnn": IndRNNCell,
    "mingru": MinGRUCell,
    "minlstm": MinLSTMCell,
    "lru": LRUCell,
    "rg-lru": RGLRUCell,
    "sru": SRUCell,
    "brc": BistableCell,
    "unicornn": UnICORNNCell,
    "fastrnn": FastRNNCell,
    "fastgrnn": FastGRNNCell,
    "antisymmetric": AntisymmetricRNNCell,
    "cornn": CoRNNCell,
    "lem": LEMCell,
    "mgu": MGUCell,
    "ugrnn": UGRNNCell,
    "ligru": LightGRUCell,
    "janet": JANETCell,
    "star": STARCell,
    "cfn": ChaosFreeCell,
    "nbrc": NeuromodulatedBistableCell,
    "mut1": MUT1Cell,
    "mut2": MUT2Cell,
    "mut3": MUT3Cell,
    "rhn": RHNCell,
    "lstm-multiplicative": MultiplicativeLSTMCell,
    "ran": RANCell,
    "slstm": SLSTMCell,
}
"""The built-in cells by the name that the command line takes."""


def cell_options(factory: CellFactory) -> list[str]:
    """The options that a cell takes beside its sizes.

    Example:
        >>> cell_options(find_cell("rnn")), cell_options(find_cell("lstm"))
        (['heads', 'nonlinearity', 'gain'], ['memory', 'heads'])
    """
    made = factory.func if isinstance(factory, partial) else factory
    return [f.name for f in fields(made) if f.name not in ("input_size", "hidden_size")] if is_dataclass(made) else []


def cell_states(factory: CellFactory) -> tuple[str, ...]:
    """The names of a cell's states.

    Example:
        >>> cell_states(find_cell("rnn-relu")), cell_states(find_cell("lstm"))
        (('h',), ('h', 'c'))
    """
    made = factory.func if isinstance(factory, partial) else factory
    return tuple(getattr(made, "state", ()))


@spelled
def find_cell(name: str) -> CellFactory:
    """The cell of that name: a built-in one, or ``module:Class``, which imports the module.

    Args:
        name: A key of :data:`CELLS`, or a dotted module and a class in it, separated by a colon.

    Raises:
        UserError: If there is no such cell; names the nearest one.

    Example:
        >>> find_cell("gru")(3, 5)
        GRUCell(input_size=3, hidden_size=5)
    """
    return find_class("cell", name, CELLS, Cell)
