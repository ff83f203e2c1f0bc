"""Many-to-one: a class for a whole sequence.

Shapes::

    B  sequences        T  steps        F  features of a step        K  classes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.layers import Pooling, PoolingName, Recurrent
from throughtime.models.base import Model, State
from throughtime.models.cross_entropy import each_nats, mean_nats, weights_of


class Steps(Protocol):
    """A ragged batch of whatever the steps are."""

    @property
    def lengths(self) -> Tensor:
        """``[B]``."""
        ...

    @property
    def tokens(self) -> int:
        """Steps in all."""
        ...


@dataclass(frozen=True)
class ClassBatch:
    """Sequences with their classes.

    Attributes:
        steps: The sequences.
        classes: ``[B]``.
    """

    steps: Steps
    classes: Tensor

    @property
    def tokens(self) -> int:
        """Steps in all."""
        return self.steps.tokens


class Classifier(Model):
    """Reads a sequence step by step, pools what it has read, and gives every class a probability.

    ``P(class) = softmax(W pool(a<1>, …, a<T>) + b)``.

    Args:
        inputs: Makes features ``[B, T, F]`` of the steps of a batch.
        stack: Reads the features.
        pooling: What stands for the whole sequence.
        classes: K.
        dropout: Share of the pooled features dropped.
        weights: What a sequence of each class counts in the mean loss of training, K; None: one.

    Raises:
        ValueError: If there is no such pooling.
    """

    def __init__(
        self,
        inputs: Callable[[Any], Tensor],
        stack: Recurrent,
        classes: int,
        *,
        pooling: PoolingName = "max",
        dropout: float = 0.0,
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.stack = stack
        self.pool = Pooling(pooling, stack.output_size, bidirectional=stack.bidirectional)
        self.dropout = dropout
        self.softmax = nn.Linear(stack.output_size, classes)
        self.weights: Tensor | None
        self.register_buffer("weights", None if weights is None else torch.tensor(weights), persistent=False)

    def log_probs(self, steps: Steps) -> Tensor:
        """The log-probability of every class at the model's temperature, ``[B, K]``."""
        return self.told(self._classify(self._read(steps), steps))

    def attend(self, steps: Steps) -> tuple[Tensor, Tensor]:
        """The same, and how much of each step the pooling takes, ``[B, T]``; it must be ``attention``."""
        outputs = self._read(steps)
        return self.told(self._classify(outputs, steps)), self.pool.weights(outputs, steps.lengths)

    def loss(self, batch: ClassBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """Cross-entropy in nats, averaged over the sequences."""
        pooled = self._pooled(self._read(batch.steps), batch.steps)
        shares = None if self.weights is None else weights_of(batch.classes, self.weights) / self.divisor(batch)
        return mean_nats(pooled, self.softmax.weight, self.softmax.bias, batch.classes, shares=shares), None

    def divisor(self, batch: ClassBatch) -> float:
        """Its sequences, each by its weight."""
        return len(batch.classes) if self.weights is None else float(weights_of(batch.classes, self.weights).sum())

    @property
    def reads_last(self) -> bool:
        """With that pooling."""
        return self.pool.name == "last"

    def losses(self, batch: ClassBatch) -> Tensor:
        """Every sequence's cross-entropy in nats, ``[B, 1]``."""
        pooled = self._pooled(self._read(batch.steps), batch.steps)
        nats = each_nats(pooled, self.softmax.weight, self.softmax.bias, batch.classes)
        return nats.unsqueeze(1)

    def _read(self, steps: Steps) -> Tensor:
        outputs: Tensor = self.stack(self.inputs(steps), lengths=steps.lengths)[0]
        return outputs

    def _classify(self, outputs: Tensor, steps: Steps) -> Tensor:
        return F.log_softmax(self.softmax(self._pooled(outputs, steps)), 1)

    def _pooled(self, outputs: Tensor, steps: Steps) -> Tensor:
        return F.dropout(self.pool(outputs, steps.lengths), self.dropout, self.training)
