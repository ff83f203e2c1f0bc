"""The layers that are measured, and what each is measured against, with the same weights."""

from __future__ import annotations

from torch import nn

from throughtime.cells import CELLS, Cell, find_cell
from throughtime.errors import UserError, listed, nearest
from throughtime.layers import GRU, LSTM, RNN, Recurrent

OURS = "throughtime"
TORCH = "torch.nn"
LOOP = "eager loop"
ONNX = "onnxruntime"
OWN_LSTM = "our lstm"


_TORCH_LIKE: dict[str, type[LSTM | GRU | RNN]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}


def check_cell(name: str) -> None:
    """Refuses a cell that there is none of.

    Raises:
        UserError: With the nearest name.
    """
    if ":" in name:
        find_cell(name)
    elif name not in CELLS:
        raise UserError(f"unknown cell {name!r}{nearest(name, CELLS)}; cells: {listed(CELLS)}, or module:Class")


def make_layer(cell: str, input_size: int, hidden_size: int, engine: str = "auto") -> Recurrent:
    """A layer of one cell: a built-in one, or ``module:Class``."""
    if cell in _TORCH_LIKE:
        return _TORCH_LIKE[cell](input_size, hidden_size, batch_first=True, engine=engine)
    return Recurrent(cell, input_size, hidden_size, engine=engine)


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
