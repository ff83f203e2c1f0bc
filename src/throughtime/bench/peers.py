"""The layers that are measured, and what each is measured against, with the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from throughtime.cells import CELLS, Cell, Parameter, bias, find_cell, input_matrix, recurrent_matrix
from throughtime.errors import UserError, listed, nearest
from throughtime.layers import GRU, LSTM, RNN, Recurrent

OURS = "throughtime"
TORCH = "torch.nn"
LOOP = "eager loop"
ONNX = "onnxruntime"
OWN_LSTM = "our lstm"


class MinimalGatedUnit(Cell):
    """The minimal gated unit (Zhou et al. 2016), as a user would write it.

    Equations::

        f    = σ(W_f x<t> + U_f h<t-1> + b_f)
        c    = tanh(W_c x<t> + U_c (f h<t-1>) + b_c)
        h<t> = (1 - f) h<t-1> + f c
    """

    def parameters(self) -> Mapping[str, Parameter]:
        """A matrix on the input, one on the past, and a bias, for the gate and for the candidate."""
        n, k = self.hidden_size, self.input_size
        return {
            "W_f": input_matrix(n, k),
            "U_f": recurrent_matrix(n, n),
            "b_f": bias(n),
            "W_c": input_matrix(n, k),
            "U_c": recurrent_matrix(n, n),
            "b_c": bias(n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        """One step."""
        f = torch.sigmoid(p.W_f @ x + p.U_f @ s.h + p.b_f)
        c = torch.tanh(p.W_c @ x + p.U_c @ (f * s.h) + p.b_c)
        return {"h": (1 - f) * s.h + f * c, "f": f}


OWN_CELLS: dict[str, type[Cell]] = {"mgu": MinimalGatedUnit}
"""Cells that stand for a user's own: no engine knows them by name."""

_TORCH_LIKE: dict[str, type[LSTM | GRU | RNN]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}


def check_cell(name: str) -> None:
    """Refuses a cell that there is none of.

    Raises:
        UserError: With the nearest name.
    """
    known = [*CELLS, *OWN_CELLS]
    if ":" in name:
        find_cell(name)
    elif name not in known:
        raise UserError(f"unknown cell {name!r}{nearest(name, known)}; cells: {listed(known)}, or module:Class")


def make_layer(cell: str, input_size: int, hidden_size: int, engine: str = "auto") -> Recurrent:
    """A layer of one cell: a built-in one, one of :data:`OWN_CELLS`, or ``module:Class``."""
    if cell in _TORCH_LIKE:
        return _TORCH_LIKE[cell](input_size, hidden_size, batch_first=True, engine=engine)
    return Recurrent(OWN_CELLS.get(cell, cell), input_size, hidden_size, engine=engine)


def peer_of(cell: str) -> str:
    """What a user would take instead: ``torch.nn`` where it has the cell, else a loop of PyTorch operations."""
    return TORCH if cell in _TORCH_LIKE else LOOP


def make_peer(layer: Recurrent) -> nn.Module:
    """The peer of a layer made by :func:`make_layer`, with the same weights; called as the layer is.

    A cell that ``torch.nn`` has not is run by the reference engine, which is such a loop under autograd.
    """
    if isinstance(layer, (LSTM, GRU, RNN)):
        return layer.to_torch()
    loop = Recurrent(type(layer.cell), layer.input_size, layer.hidden_size, engine="reference", **layer.cell.options())
    loop.load_state_dict(layer.state_dict())
    return loop


def multiply_adds(cell: Cell) -> int:
    """Multiply-adds of the cell's matrix products for one row and one step, forward.

    Example:
        >>> from throughtime.cells import LSTMCell
        >>> multiply_adds(LSTMCell(3, 5))  # 4 · 5 · 3 + 4 · 5 · 5
        160
    """
    matrices = [p.shape for p in cell.parameters().values() if p.role in ("input", "recurrent")]
    return sum(rows * columns for rows, columns in matrices)
