"""Many-to-one: numbers for a whole sequence.

Shapes::

    B  sequences        T  steps        F  features of a step        K  numbers sought
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from throughtime.layers import Pooling, PoolingName, Recurrent
from throughtime.models.base import Model, State


@dataclass(frozen=True)
class NumberBatch:
    """Sequences of features with the numbers that are sought.

    Attributes:
        features: ``[B, T, F]``.
        lengths: ``[B]``.
        targets: ``[B, K]``.
    """

    features: Tensor
    lengths: Tensor
    targets: Tensor

    @property
    def tokens(self) -> int:
        """Steps in all."""
        return int(self.lengths.sum())


class Regressor(Model):
    """Reads a sequence step by step, pools what it has read: ``y = W pool(a<1>, …, a<T>) + b``.

    Args:
        stack: Reads the features.
        numbers: K.
        pooling: What stands for the whole sequence.

    Raises:
        ValueError: If there is no such pooling.
    """

    def __init__(self, stack: Recurrent, numbers: int = 1, *, pooling: PoolingName = "last") -> None:
        super().__init__()
        self.stack = stack
        self.pool = Pooling(pooling, stack.output_size, bidirectional=stack.bidirectional)
        self.linear = nn.Linear(stack.output_size, numbers)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """The numbers, ``[B, K]``."""
        outputs, _ = self.stack(features.to(self.linear.weight.device), lengths=lengths)
        found: Tensor = self.linear(self.pool(outputs, lengths))
        return found

    @property
    def reads_last(self) -> bool:
        """With that pooling."""
        return self.pool.name == "last"

    def losses(self, batch: NumberBatch) -> Tensor:
        """The squared error of every sequence, ``[B, 1]``, a mean over its numbers."""
        found = self(batch.features, batch.lengths)
        errors: Tensor = found - batch.targets.to(found.device)
        return errors.square().mean(1, keepdim=True)

    def loss(self, batch: NumberBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """The mean squared error."""
        losses = self.losses(batch)
        return losses.mean() if len(losses) else torch.zeros((), requires_grad=True), None

    def divisor(self, batch: NumberBatch) -> float:
        """Its sequences."""
        return len(batch.targets)
