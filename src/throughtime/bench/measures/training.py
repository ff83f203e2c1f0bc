"""One training step, on padded and on ragged batches, and its share of the machine's peak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from throughtime.bench.peers import OURS, OWN_LSTM, TORCH, make_layer, make_peer, multiply_adds, peer_of
from throughtime.bench.plan import Case, Plan, Shape
from throughtime.bench.rows import Row, make_row
from throughtime.bench.timing import interleave, quantile, ratios, rounded, timed
from throughtime.layers import Recurrent

PASSES = 3
"""Matrix products of a training step for one of the forward pass: outputs, gradients of inputs, of weights."""


class Step:
    """Forward and backward, with gradients for the inputs and all weights.

    Args:
        forward: Gives the outputs ``[B, T, n]``.
        leaves: What receives gradients.
        gradient: Of the outputs, ``[B, T, n]``; the loss is ``(outputs * gradient).sum()``.
    """

    def __init__(self, forward: Callable[[], Tensor], leaves: list[Tensor], gradient: Tensor) -> None:
        self.forward = forward
        self.leaves = leaves
        self.gradient = gradient

    def reset(self) -> None:
        """Takes the gradients away, so that the next step makes them instead of adding to them."""
        for leaf in self.leaves:
            leaf.grad = None

    def __call__(self) -> None:
        """One step."""
        torch.autograd.backward(self.forward(), self.gradient)

    def measured(self) -> Callable[[], float]:
        """The seconds of a step."""
        return timed(self, self.reset)


def draw_lengths(shape: Shape) -> Tensor:
    """Lengths from a tenth of T to T, each as likely as the next; one row has all T steps."""
    lengths = torch.randint(max(1, shape.time // 10), shape.time + 1, (shape.batch,))
    lengths[0] = shape.time
    return lengths


def make_step(module: nn.Module, x: Tensor, gradient: Tensor, lengths: Tensor | None = None) -> Step:
    """A step of one of our layers, or of ``torch.nn``, which takes ragged batches as a PackedSequence."""
    leaves = [x, *module.parameters()]
    if lengths is None:
        return Step(lambda: cast(Tensor, module(x)[0]), leaves, gradient)
    if isinstance(module, Recurrent):
        return Step(lambda: cast(Tensor, module(x, lengths=lengths)[0]), leaves, gradient)

    def packed() -> Tensor:
        sequence = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs: Tensor = pad_packed_sequence(module(sequence)[0], batch_first=True)[0]
        return outputs

    return Step(packed, leaves, gradient)


def measure_training(case: Case, plan: Plan) -> Row:
    """A training step of ours, of the peer and, for a cell that ``torch.nn`` has not, of our LSTM."""
    shape = case.shape
    ragged = case.what == "ragged"
    layer = make_layer(case.cell, shape.input, shape.hidden, plan.engine)
    x = torch.randn(shape.batch, shape.time, shape.input, requires_grad=True)
    gradient = torch.randn(shape.batch, shape.time, layer.output_size)
    lengths = draw_lengths(shape) if ragged else None
    steps = {OURS: make_step(layer, x, gradient, lengths)}
    steps[peer_of(case.cell)] = make_step(make_peer(layer), x, gradient, lengths)
    costs = {OURS: multiply_adds(layer.cell)}
    if peer_of(case.cell) != TORCH and not ragged:
        lstm = make_layer("lstm", shape.input, shape.hidden, plan.engine)
        steps[OWN_LSTM] = make_step(lstm, x, torch.randn(shape.batch, shape.time, shape.hidden))
        costs[OWN_LSTM] = multiply_adds(lstm.cell)
    figures = interleave({name: step.measured() for name, step in steps.items()}, plan.seconds)
    lstm_times = figures.pop(OWN_LSTM, None)
    work = costs[OURS] * PASSES * (shape.batch * shape.time if lengths is None else int(lengths.sum()))
    extra: dict[str, Any] = {
        "multiply_adds": work,
        "gflops": rounded(2 * work / quantile(figures[OURS], 0.5) / 1e9),
    }
    if lengths is not None:
        extra["real_share"] = rounded(float(lengths.sum()) / (shape.batch * shape.time))
    if lstm_times is not None:
        # Ours over the LSTM's, so that 1.2 is a cell that pays a fifth more for a multiply-add.
        dearer = quantile(ratios(lstm_times, figures[OURS]), 0.5)
        extra["per_multiply_add_vs_lstm"] = rounded(dearer * costs[OWN_LSTM] / costs[OURS])
    return make_row(case, figures, "ms", extra)
