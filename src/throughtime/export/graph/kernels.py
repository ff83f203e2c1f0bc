"""Cells that ONNX has: ``RNN``, ``GRU`` and ``LSTM``, which a runtime runs with a kernel of its own.

Gate orders: ONNX has i, o, f, c and z, r, h. Its z keeps the old state, and its coupled gates are f = 1 - i; where a
cell has the gate 1 - z, or the input gate 1 - f, the weights change their sign, for 1 - σ(a) = σ(-a).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.cells import (
    Cell,
    CoupledLSTMCell,
    FullGRUCell,
    GRUCell,
    HeadedCell,
    LSTMCell,
    PeepholeLSTMCell,
    RNNCell,
)
from throughtime.export.graph.builder import Graph, Value
from throughtime.export.graph.step import stored
from throughtime.layers import Directed

Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class Kernel:
    """An operator of ONNX with a cell's parameters, gates in its order.

    Attributes:
        op: ``"RNN"``, ``"GRU"`` or ``"LSTM"``.
        W_x: The matrix on the input, ``[gates * n, k]``.
        W_h: The matrix on the past, ``[gates * n, n]``.
        b: What is added to both products, ``[2 * gates * n]``.
        p: Peepholes, ``[3 * n]``.
        attributes: Beside the size and the direction.
    """

    op: str
    W_x: Tensor
    W_h: Tensor
    b: Tensor
    p: Tensor | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


def _gates(value: Tensor, count: int, *order: int | tuple[int, float]) -> Tensor:
    """The gates of a stacked parameter in another order, each times its sign where one is given."""
    parts = value.chunk(count)
    signed = [place if isinstance(place, tuple) else (place, 1.0) for place in order]
    return torch.cat([sign * parts[place] for place, sign in signed])


def _beside(first: Tensor) -> Tensor:
    return torch.cat([first, torch.zeros_like(first)])


def _rnn(cell: Cell, p: Parameters) -> Kernel:
    assert isinstance(cell, RNNCell)
    activation = {"tanh": "Tanh", "relu": "Relu"}[cell.nonlinearity]
    return Kernel("RNN", p["W_x"], p["W_h"], _beside(p["b"]), attributes={"activations": [activation]})


def _gru(_: Cell, p: Parameters) -> Kernel:
    order = (1, 0, 2)
    past = torch.cat([torch.zeros_like(p["b"][: -len(p["b_hc"])]), p["b_hc"]])
    b = torch.cat([_gates(p["b"], 3, *order), past])
    return Kernel("GRU", _gates(p["W_x"], 3, *order), _gates(p["W_h"], 3, *order), b, attributes={RESET_AFTER: 1})


def _gru_full(_: Cell, p: Parameters) -> Kernel:
    order = ((0, -1.0), 1, 2)
    W_h = torch.cat([p["W_h"], p["W_hc"]])
    b = _beside(_gates(p["b"], 3, *order))
    return Kernel("GRU", _gates(p["W_x"], 3, *order), _gates(W_h, 3, *order), b, attributes={RESET_AFTER: 0})


def _lstm(_: Cell, p: Parameters) -> Kernel:
    order = (0, 3, 1, 2)
    b = _beside(_gates(p["b"], 4, *order))
    return Kernel("LSTM", _gates(p["W_x"], 4, *order), _gates(p["W_h"], 4, *order), b)


def _lstm_peephole(cell: Cell, p: Parameters) -> Kernel:
    plain = _lstm(cell, p)
    return Kernel("LSTM", plain.W_x, plain.W_h, plain.b, torch.cat([p["p_i"], p["p_o"], p["p_f"]]))


def _lstm_coupled(_: Cell, p: Parameters) -> Kernel:
    # the forget gate's own weights stand in its place: a runtime that does not know the coupling computes the same
    order = ((0, -1.0), 2, 0, 1)
    b = _beside(_gates(p["b"], 3, *order))
    W_x, W_h = _gates(p["W_x"], 3, *order), _gates(p["W_h"], 3, *order)
    return Kernel("LSTM", W_x, W_h, b, attributes={"input_forget": 1})


RESET_AFTER = "linear_before_reset"

OPERATORS = ("RNN", "GRU", "LSTM")
"""What ONNX has."""

KERNELS: dict[type[Cell], Callable[[Cell, Parameters], Kernel]] = {
    RNNCell: _rnn,
    GRUCell: _gru,
    FullGRUCell: _gru_full,
    LSTMCell: _lstm,
    PeepholeLSTMCell: _lstm_peephole,
    CoupledLSTMCell: _lstm_coupled,
}
"""By the exact class of a cell: a subclass may have other equations."""


def find_kernel(directed: Directed, dtype: Any, operators: Collection[str]) -> Kernel | None:
    """The operator that computes a cell with its parameters; None where ONNX has none, or none of ``operators``.

    It has none for heads and for zoneout, and ONNX Runtime has kernels for numbers of 32 bits alone.
    """
    cell = directed.cell
    make = KERNELS.get(type(cell))
    headed = isinstance(cell, HeadedCell) and cell.heads > 1
    if make is None or headed or directed.keep or np.dtype(dtype) != np.float32:
        return None
    kernel = make(cell, stored(directed))
    return kernel if kernel.op in operators else None


def run_kernel(
    graph: Graph,
    kernel: Kernel,
    prefix: str,
    x: Value,
    lengths: Value | None,
    state: Sequence[Value],
    *,
    reverse: bool,
) -> tuple[Value, list[Value]]:
    """A cell over ``x [T, B, k]`` in one direction by its operator.

    Args:
        graph: The graph.
        kernel: What :func:`find_kernel` gave.
        prefix: Of the parameters' names.
        x: The input.
        lengths: Real steps of every row, ``[B]``; None where all are T.
        state: The initial states in the cell's order, ``[1, B, n]`` each.
        reverse: From each row's last real step to its first.

    Returns:
        Outputs ``[T, B, n]``, zero past a row's length, and the final states, shaped as the initial.
    """
    weights = [graph.weight(f"{prefix}{name}", getattr(kernel, name).unsqueeze(0)) for name in ("W_x", "W_h", "b")]
    peepholes = () if kernel.p is None else (graph.weight(f"{prefix}p", kernel.p.unsqueeze(0)),)
    outputs, *final = graph.add_many(
        kernel.op,
        1 + len(state),
        x,
        *weights,
        None if lengths is None else graph.cast(lengths, np.int32),
        *state,
        *peepholes,
        hidden_size=kernel.W_h.shape[1],
        direction="reverse" if reverse else "forward",
        **kernel.attributes,
    )
    if lengths is not None:  # ONNX Runtime gives zeros as the final states of an empty row
        empty = graph.add("Reshape", graph.add("Equal", lengths, graph.constant(0)), graph.shape(1, -1, 1))
        final = [graph.add("Where", empty, old, new) for old, new in zip(state, final, strict=True)]
    return graph.squeeze(outputs, 1), final
