"""PyTorch's own kernels: oneDNN or native on the CPU, cuDNN on a GPU. They know three cells and their like."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

import torch
from torch import Tensor

from throughtime.cells import Cell, GRUCell, HeadedCell, LSTMCell, ProjectedLSTMCell, RNNCell
from throughtime.engine.call import Call, Result, watched
from throughtime.engine.pieces import cut, is_cut, padded, split
from throughtime.engine.ragged import Arranged, arrange, restore

FILLING = 4
"""Times the steps of a call that its pieces between resets may take as a padded batch."""


class TorchEngine:
    """Hands a layer to ``torch.rnn_tanh``, ``rnn_relu``, ``gru`` or ``lstm``, the functions under ``torch.nn``."""

    name = "torch"

    def refuses(self, call: Call) -> str | None:
        """Cells that PyTorch has no kernel for, noise inside the loop, and steps that are looked at."""
        if call.look is not None:
            return "PyTorch's kernels do not show their steps"
        # The exact type: a subclass may have other equations.
        if type(call.cell) not in (RNNCell, GRUCell, LSTMCell):
            return f"PyTorch's kernels serve RNNCell, GRUCell and LSTMCell, not {type(call.cell).__name__}"
        if isinstance(call.cell, HeadedCell) and call.cell.heads > 1:
            return f"PyTorch's kernels have whole matrices, and this {type(call.cell).__name__} has heads"
        if call.noise:
            return "PyTorch's kernels have no recurrent dropout and no zoneout"
        if is_cut(call):
            if watched():
                return "a row is cut at its resets by their values, which are not there where operations are traced"
            pieces = call.notes[self.name] = cut(call)
            if padded(pieces) > FILLING * call.inputs.shape[0] * call.inputs.shape[1]:
                return f"a row's pieces between resets are of lengths that, padded, fill {FILLING} times the memory"
        return None

    def run(self, call: Call) -> Result:
        """Runs the rows as a staircase: one kernel call for each run of steps with the same rows active.

        PyTorch's own way, a PackedSequence, slices the whole packed batch at every step, which on the CPU costs
        time quadratic in T (pytorch#149194); the staircase reads every real step once.
        """
        if is_cut(call):
            apart, join = split(call, call.notes[self.name] if self.name in call.notes else cut(call))
            return join(self.run(apart))
        arranged = arrange(call)
        weights = to_torch(call.cell, call.parameters)
        state = dict(arranged.state)
        if call.lengths is None:
            return restore(arranged, *_kernel(call.cell, arranged.inputs, state, weights))
        finished: list[dict[str, Tensor]] = []
        stairs: list[Tensor] = []
        runs = [(active, len(list(steps))) for active, steps in groupby(arranged.active)]
        # split, not slices: the gradient of a slice fills a tensor of the whole size with zeros
        pieces = torch.split(arranged.inputs, [steps for _, steps in runs], dim=1) if runs else ()
        for (active, _), piece in zip(runs, pieces, strict=True):
            finished.append({name: value[active:] for name, value in state.items()})
            state = {name: value[:active] for name, value in state.items()}
            outputs, state = _kernel(call.cell, piece[:active], state, weights)
            stairs.append(outputs)
        finals = {name: torch.cat([state[name], *(part[name] for part in reversed(finished))]) for name in state}
        return restore(arranged, _join(stairs, arranged, call.cell.output_size), finals)


def _join(stairs: list[Tensor], arranged: Arranged, width: int) -> Tensor:
    if len(stairs) == 1 and len(stairs[0]) == len(arranged.inputs):
        return stairs[0]
    batch = len(arranged.inputs)
    padded = [torch.nn.functional.pad(stair, (0, 0, 0, 0, 0, batch - len(stair))) for stair in stairs]
    return torch.cat(padded, 1) if padded else arranged.inputs.new_zeros(batch, 0, width)


def _kernel(
    cell: Cell, x: Tensor, state: Mapping[str, Tensor], weights: list[Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """One call of a kernel: x ``[rows, steps, k]``, state ``[rows, width]``; its arguments after the weights are
    has_biases, num_layers, dropout, train, bidirectional, batch_first.
    """
    trains = torch.is_grad_enabled() or torch._C._is_tracing()  # a trace may be trained
    settings = (True, 1, 0.0, trains, False, True)
    h = state["h"].unsqueeze(0).contiguous()
    if isinstance(cell, LSTMCell):
        y, h, c = torch.lstm(x, [h, state["c"].unsqueeze(0).contiguous()], weights, *settings)
        return y, {"h": h[0], "c": c[0]}
    if isinstance(cell, GRUCell):
        y, h = torch.gru(x, h, weights, *settings)
    elif isinstance(cell, RNNCell) and cell.nonlinearity == "relu":
        y, h = torch.rnn_relu(x, h, weights, *settings)
    else:
        y, h = torch.rnn_tanh(x, h, weights, *settings)
    return y, {"h": h[0]}


def to_torch(cell: Cell, parameters: Mapping[str, Tensor]) -> list[Tensor]:
    """The parameters in PyTorch's form: weight_ih, weight_hh, bias_ih, bias_hh and, if projected, weight_hr.

    PyTorch's second bias is only ever added to the first, so it is zero here, but for the GRU's candidate.
    """
    b = parameters["b"]
    second = torch.zeros_like(b)
    if isinstance(cell, GRUCell):
        second = torch.cat([second[: 2 * cell.hidden_size], parameters["b_hc"]])
    projection = [parameters["W_p"]] if isinstance(cell, ProjectedLSTMCell) else []
    return [parameters["W_x"], parameters["W_h"], b, second, *projection]


def from_torch(cell: Cell, weights: list[Tensor]) -> dict[str, Tensor]:
    """The inverse of :func:`to_torch`; the two biases become their sum."""
    W_x, W_h, first, second = weights[:4]
    if isinstance(cell, GRUCell):
        gates = 2 * cell.hidden_size
        b = torch.cat([first[:gates] + second[:gates], first[gates:]])
        return {"W_x": W_x, "W_h": W_h, "b": b, "b_hc": second[gates:]}
    projection = {"W_p": weights[4]} if isinstance(cell, ProjectedLSTMCell) else {}
    return {"W_x": W_x, "W_h": W_h, "b": first + second, **projection}
