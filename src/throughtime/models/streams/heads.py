"""What stands over a stack in a stream, as cells, so that the engines run it as they run a cell.

Shapes::

    k  features of the stack's output        K  classes, labels or keys
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from throughtime.cells import Cell, Parameter
from throughtime.cells.base import bias, input_matrix
from throughtime.layers import Pooling
from throughtime.models.tokens import SoftmaxCell


class Head(NamedTuple):
    """A cell over a stack, with its parameters; what the cell keeps of steps before is a part of a stream's state."""

    cell: Cell
    parameters: dict[str, Tensor]


def softmax_head(linear: nn.Linear) -> Head:
    """The log-probabilities of a step."""
    return _head(SoftmaxCell, linear)


def score_head(linear: nn.Linear) -> Head:
    """The scores of a step."""
    return _head(ScoreCell, linear)


def pooled_head(pool: Pooling, linear: nn.Linear) -> Head:
    """The log-probabilities of all steps so far, pooled as :class:`throughtime.layers.Pooling` does it at the end."""
    head = _head(POOLED[pool.name], linear)
    if pool.name != "attention":
        return head
    attention = {"W_a": pool.project.weight, "b_a": pool.project.bias, "v": pool.score.weight}
    return Head(head.cell, head.parameters | {name: value.detach() for name, value in attention.items()})


def _head(cell: type[Cell], linear: nn.Linear) -> Head:
    return Head(cell(linear.in_features, linear.out_features), {"W": linear.weight.detach(), "b": linear.bias.detach()})


@dataclass(frozen=True)
class ScoreCell(Cell):
    """A linear layer as a step without a past.

    ::

        h<t> = W x<t> + b

    Shapes: ``W [K, k]``, ``b [K]``; state ``h [B, K]``.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        """The matrix and the bias."""
        return {"W": input_matrix(self.hidden_size, self.input_size), "b": bias(self.hidden_size)}

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        """The equation."""
        return {"h": p.W @ x + p.b}


@dataclass(frozen=True)
class MeanCell(SoftmaxCell):
    """The softmax of the mean so far.

    ::

        sum<t> = sum<t-1> + x<t>
        n<t> = n<t-1> + 1
        h<t> = log softmax(W (sum<t> / n<t>) + b)

    Shapes: ``W [K, k]``, ``b [K]``; state ``h [B, K]``, in nats, ``sum [B, k]``, ``n [B, 1]``.
    """

    state = ("h", "sum", "n")

    def widths(self) -> dict[str, int]:
        """Classes, features, a count."""
        return {"h": self.hidden_size, "sum": self.input_size, "n": 1}

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        """The equations."""
        total, n = s.sum + x, s.n + 1.0
        return {"h": torch.log_softmax(p.W @ (total / n) + p.b, -1), "sum": total, "n": n}


@dataclass(frozen=True)
class MaxCell(SoftmaxCell):
    """The softmax of the largest so far.

    ::

        n<t> = 1
        top<t> = max(top<t-1>, x<t>), of the first step x<t>
        h<t> = log softmax(W top<t> + b)

    Shapes: ``W [K, k]``, ``b [K]``; state ``h [B, K]``, in nats, ``top [B, k]``, ``n [B, 1]``, whether a step was read.
    """

    state = ("h", "top", "n")

    def widths(self) -> dict[str, int]:
        """Classes, features, a flag."""
        return {"h": self.hidden_size, "top": self.input_size, "n": 1}

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        """The equations."""
        top = torch.where(s.n > 0, torch.maximum(s.top, x), x)
        return {"h": torch.log_softmax(p.W @ top + p.b, -1), "top": top, "n": torch.ones_like(s.n)}


@dataclass(frozen=True)
class AttentionCell(SoftmaxCell):
    """The softmax of the mean so far, weighted by attention; exponentials are of differences from the largest score.

    ::

        e<t> = v · tanh(W_a x<t> + b_a)
        peak<t> = max(peak<t-1>, e<t>), of the first step e<t>
        weight<t> = exp(peak<t-1> - peak<t>) weight<t-1> + exp(e<t> - peak<t>)
        sum<t> = exp(peak<t-1> - peak<t>) sum<t-1> + exp(e<t> - peak<t>) x<t>
        h<t> = log softmax(W (sum<t> / weight<t>) + b)

    Shapes: ``W [K, k]``, ``b [K]``, ``W_a [k, k]``, ``b_a [k]``, ``v [1, k]``; state ``h [B, K]``, in nats,
    ``sum [B, k]``, ``weight [B, 1]``, ``peak [B, 1]``.
    """

    state = ("h", "sum", "weight", "peak")

    def widths(self) -> dict[str, int]:
        """Classes, features, and two numbers."""
        return {"h": self.hidden_size, "sum": self.input_size, "weight": 1, "peak": 1}

    def parameters(self) -> Mapping[str, Parameter]:
        """Those of the softmax, and of the attention."""
        k = self.input_size
        attention = {"W_a": input_matrix(k, k), "b_a": bias(k), "v": input_matrix(1, k)}
        return {**super().parameters(), **attention}

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        """The equations."""
        e = p.v @ torch.tanh(p.W_a @ x + p.b_a)
        begun = s.weight > 0  # the step of the peak weighs 1
        peak = torch.where(begun, torch.maximum(s.peak, e), e)
        fading, taken = torch.where(begun, torch.exp(s.peak - peak), 0.0), torch.exp(e - peak)
        weight, total = fading * s.weight + taken, fading * s.sum + taken * x
        return {
            "h": torch.log_softmax(p.W @ (total / weight) + p.b, -1),
            "sum": total,
            "weight": weight,
            "peak": peak,
        }


POOLED: dict[str, type[Cell]] = {
    "last": SoftmaxCell,
    "mean": MeanCell,
    "max": MaxCell,
    "attention": AttentionCell,
}
