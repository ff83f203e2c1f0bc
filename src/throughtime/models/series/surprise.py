"""How surprising each step of a series is to a network that foretells it from what came before.

Shapes::

    B  series        S  steps        C  channels        P  raw numbers of a density
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.data.ragged import RaggedBatch
from throughtime.engine import real_steps
from throughtime.layers import Recurrent
from throughtime.models.base import Model, State
from throughtime.models.series.densities import DensityKind
from throughtime.models.series.inputs import SeriesInput

NEVER = 1e30
"""A surprise that none reaches."""

TAIL = 0.1
"""Share of the surprises, the largest, that the tail is fitted to by which rates are told."""


@dataclass(frozen=True)
class NextBatch:
    """Series and what comes next in them.

    Attributes:
        steps: Frames, each of what came up to a step.
        nexts: By how much the channels change to the next step, ``[B, S, C]``; not a number where that is not known.
    """

    steps: RaggedBatch
    nexts: Tensor

    @property
    def tokens(self) -> int:
        """Steps in all."""
        return self.steps.tokens


class SurpriseModel(Model):
    """A one-way stack that tells a density of every channel's next change; its negative logarithm is the surprise.

    Args:
        inputs: Makes features of frames, one-way.
        stack: Reads them, one-way.
        channels: C.
        density: A kind of :class:`~throughtime.models.series.densities.DensityKind`.
        dropout: Share of its outputs dropped.

    Attributes:
        begin: The surprise above which the tail lies, from validation data; one that none reaches where nothing is
            known of it.
        excess: By how much surprises of the tail lie above that, in the mean.
    """

    aligned = "stack"

    def __init__(
        self, inputs: SeriesInput, stack: Recurrent, channels: int, density: str = "student-t", *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.inputs, self.stack, self.channels, self.dropout = inputs, stack, channels, dropout
        self.kind = DensityKind(density)
        self.linear = nn.Linear(stack.output_size, channels * self.kind.size)
        self.begin: Tensor
        self.excess: Tensor
        self.register_buffer("begin", torch.tensor(NEVER))
        self.register_buffer("excess", torch.tensor(1.0))

    def surprises(self, batch: NextBatch, state: State | None = None, skip: int = 0) -> tuple[Tensor, State]:
        """The surprise at what comes after each step in nats, ``[B, S - skip]``, and the state behind the last.

        Args:
            batch: The series.
            state: That the stack begins with.
            skip: First frames that are there for those behind them alone: the state has seen them.
        """
        features, lengths = self.inputs(batch.steps)[:, skip:], batch.steps.lengths - skip
        outputs, state = self.stack(features, state, lengths=lengths)
        raw = self.linear(F.dropout(outputs, self.dropout, self.training)).unflatten(2, (self.channels, self.kind.size))
        nats = self.kind(raw).losses(onto(batch.nexts[:, skip:], raw.device)).sum(2)
        return nats * onto(real_steps(lengths, nats.shape[1]), nats.device), state

    def loss(self, batch: NextBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """The surprise in nats, averaged over all numbers that came."""
        return self.losses(batch).sum() / self.divisor(batch), None

    def divisor(self, batch: NextBatch) -> float:
        """Numbers that came."""
        return max(1, int((~batch.nexts.isnan()).sum()))

    def losses(self, batch: NextBatch) -> Tensor:
        """The surprise at what comes after each step, ``[B, S]``."""
        return self.surprises(batch)[0]

    def learn_tail(self, surprises: Tensor) -> None:
        """Fits the tail of usual surprises, ``[N]``: exponential above its beginning (Pickands 1975, with shape 0)."""
        if len(surprises):
            begin = torch.quantile(surprises.double(), 1 - TAIL)
            above = surprises.double()[surprises > begin] - begin
            self.begin.fill_(float(begin))
            self.excess.fill_(max(1e-6, float(above.mean()) if len(above) else 0.0))

    def threshold(self, rate: float) -> float:
        """The surprise that a share ``rate`` of usual steps is above.

        Example:
            >>> from throughtime.models import StackConfig
            >>> model = SurpriseModel(SeriesInput(2, 4, one_way=True), StackConfig(hidden=4).build(4), 1)
            >>> model.learn_tail(torch.linspace(0, 1, 1001))
            >>> round(model.threshold(0.1), 2), round(model.threshold(0.01), 2)
            (0.9, 1.02)
        """
        return float(self.begin) + float(self.excess) * max(0.0, math.log(TAIL / rate))
