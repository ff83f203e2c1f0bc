"""Cells by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial

from throughtime.cells.base import Cell
from throughtime.cells.gru import GRUCell
from throughtime.cells.gru_full import FullGRUCell
from throughtime.cells.gru_layernorm import LayerNormGRUCell
from throughtime.cells.gru_simplified import SimplifiedGRUCell
from throughtime.cells.lstm import LSTMCell
from throughtime.cells.lstm_coupled import CoupledLSTMCell
from throughtime.cells.lstm_layernorm import LayerNormLSTMCell
from throughtime.cells.lstm_peephole import PeepholeLSTMCell
from throughtime.cells.lstm_projected import ProjectedLSTMCell
from throughtime.cells.rnn import RNNCell
from throughtime.errors import spelled
from throughtime.own import find_class

CellFactory = Callable[..., Cell]
"""Makes a cell from ``(input_size, hidden_size, **options)``: a cell's class, as a rule."""

CELLS: dict[str, CellFactory] = {
    "rnn": RNNCell,
    "rnn-relu": partial(RNNCell, nonlinearity="relu"),
    "gru-simplified": SimplifiedGRUCell,
    "gru-full": FullGRUCell,
    "gru": GRUCell,
    "gru-layernorm": LayerNormGRUCell,
    "lstm": LSTMCell,
    "lstm-peephole": PeepholeLSTMCell,
    "lstm-coupled": CoupledLSTMCell,
    "lstm-projected": ProjectedLSTMCell,
    "lstm-layernorm": LayerNormLSTMCell,
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
