"""Many-to-one: numbers for a whole sequence.

Shapes::

    B  sequences        T  steps        F  features of a step        K  numbers sought
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.data.ragged import RaggedBatch
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
        inputs: Makes features of what a batch holds; None: it holds them.
        dropout: Share of the pooled features dropped.

    Raises:
        ValueError: If there is no such pooling.
    """

    def __init__(
        self,
        stack: Recurrent,
        numbers: int = 1,
        *,
        pooling: PoolingName = "last",
        inputs: Callable[[RaggedBatch], Tensor] | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.dropout = dropout
        self.stack = stack
        self.pool = Pooling(pooling, stack.output_size, bidirectional=stack.bidirectional)
        self.linear = nn.Linear(stack.output_size, numbers)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """The numbers, ``[B, K]``."""
        return self._numbers(self._read(features, lengths), lengths)

    def attend(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and how much of each step the pooling takes, ``[B, T]``; it must be ``attention``."""
        outputs = self._read(features, lengths)
        return self._numbers(outputs, lengths), self.pool.weights(outputs, lengths)

    def _read(self, features: Tensor, lengths: Tensor) -> Tensor:
        features = onto(features, self.linear.weight.device)
        features = features if self.inputs is None else self.inputs(RaggedBatch(features, lengths))
        outputs: Tensor = self.stack(features, lengths=lengths)[0]
        return outputs

    def _numbers(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        found: Tensor = self.linear(F.dropout(self.pool(outputs, lengths), self.dropout, self.training))
        return found

    @property
    def reads_last(self) -> bool:
        """With that pooling."""
        return self.pool.name == "last"

    def losses(self, batch: NumberBatch) -> Tensor:
        """The squared error of every sequence, ``[B, 1]``, a mean over its numbers."""
        found = self(batch.features, batch.lengths)
        errors: Tensor = found - onto(batch.targets, found.device)
        return errors.square().mean(1, keepdim=True)

    def loss(self, batch: NumberBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """The mean squared error."""
        losses = self.losses(batch)
        return losses.mean() if len(losses) else torch.zeros((), requires_grad=True), None

    def divisor(self, batch: NumberBatch) -> float:
        """Its sequences."""
        return len(batch.targets)
