"""A class for every step of a sequence (T_x = T_y), whatever steps are made of.

Shapes::

    B  sequences        T  steps        F  features of a step        K  classes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data import NOTHING
from throughtime.data.ragged import RaggedBatch
from throughtime.layers import Recurrent
from throughtime.models.base import Model, State
from throughtime.models.cross_entropy import each_nats, mean_nats, weights_of


@dataclass(frozen=True)
class StepBatch:
    """Sequences with the classes of their steps.

    Attributes:
        steps: The sequences.
        classes: ``[B, T]``; :data:`throughtime.data.NOTHING` past a length, and where nobody said one.
    """

    steps: RaggedBatch
    classes: Tensor

    @property
    def tokens(self) -> int:
        """Steps in all."""
        return self.steps.tokens


class StepClassifier(Model):
    """Reads a sequence step by step and gives every class a probability at each, ``softmax(W a<t> + b)``.

    Args:
        inputs: Makes features ``[B, T, F]`` of the steps of a batch.
        stack: Reads the features.
        classes: K.
        dropout: Share of its outputs dropped.
        weights: What a step of each class counts in the mean loss of training, K; None: one.

    Example:
        >>> from throughtime.models import StackConfig
        >>> model = StepClassifier(lambda steps: steps.values, StackConfig(hidden=4).build(2), 3).eval()
        >>> model.log_probs(RaggedBatch(torch.zeros(1, 5, 2), torch.tensor([5]))).shape
        torch.Size([1, 5, 3])
    """

    aligned = "stack"

    def __init__(
        self,
        inputs: Callable[[RaggedBatch], Tensor],
        stack: Recurrent,
        classes: int,
        *,
        dropout: float = 0.0,
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.stack = stack
        self.dropout = dropout
        self.softmax = nn.Linear(stack.output_size, classes)
        self.weights: Tensor | None
        self.register_buffer("weights", None if weights is None else torch.tensor(weights), persistent=False)

    def log_probs(self, steps: RaggedBatch) -> Tensor:
        """The log-probability of every class at every step, ``[B, T, K]``; past a length it does not matter."""
        return self.told(F.log_softmax(self.softmax(self._hidden(steps)), -1))

    def loss(self, batch: StepBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """Cross-entropy in nats, averaged over the steps that have a class."""
        rows, targets = self._hidden(batch.steps).flatten(0, 1), batch.classes.flatten()
        shares = None if self.weights is None else weights_of(targets, self.weights) / self.divisor(batch)
        if not (targets != NOTHING).any():
            return rows.sum() * 0.0, None
        return mean_nats(rows, self.softmax.weight, self.softmax.bias, targets, shares=shares), None

    def divisor(self, batch: StepBatch) -> float:
        """Its steps that have a class, each by its weight."""
        if self.weights is None:
            return max(1, int((batch.classes != NOTHING).sum()))
        return float(weights_of(batch.classes.flatten(), self.weights).sum()) or 1.0

    def losses(self, batch: StepBatch) -> Tensor:
        """The cross-entropy of every step in nats, ``[B, T]``, zero where it has no class."""
        rows = self._hidden(batch.steps).flatten(0, 1)
        nats = each_nats(rows, self.softmax.weight, self.softmax.bias, batch.classes.flatten())
        return nats.view(batch.classes.shape)

    def _hidden(self, steps: RaggedBatch) -> Tensor:
        outputs: Tensor = self.stack(self.inputs(steps), lengths=steps.lengths)[0]
        return F.dropout(outputs, self.dropout, self.training)
