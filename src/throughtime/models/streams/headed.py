"""A stack with a softmax over it, as a stream of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from throughtime.engine import open_stream
from throughtime.layers import Recurrent
from throughtime.models.base import State
from throughtime.models.tokens import SoftmaxCell


class HeadedStream:
    """Log-probabilities of symbols at every step of a one-way stack; see :class:`RowStream`.

    The softmax runs on the engine as a cell does, so that a row's bits do not depend on the rows beside it, as those of
    a product of PyTorch's may.

    Args:
        stack: In one direction.
        head: Over its outputs.
        weights: What matrices are kept in, as :class:`throughtime.Stream` has it.

    Raises:
        ValueError: If the stack is bidirectional, or the weights cannot be kept so.
    """

    def __init__(self, stack: Recurrent, head: nn.Linear, weights: str = "float32") -> None:
        self.layers = stack.stream(weights=weights)
        matrix, bias = head.weight.detach(), head.bias.detach()
        engine = "reference" if stack.engine == "reference" else "auto"
        self.softmax = open_stream(
            SoftmaxCell(matrix.shape[1], matrix.shape[0]), {"W": matrix, "b": bias}, 1, {}, engine, weights
        )

    def advance(self, inputs: Sequence[Any]) -> Tensor:
        """One step: features ``[F]`` a row, to ``[N, V]`` in nats."""
        features = torch.from_numpy(np.stack(inputs)).to(self.layers.device, self.layers.dtype)
        return self.softmax.step(self.layers.step(features))

    @property
    def state(self) -> State:
        """``[layers, N, width]`` by name; a copy. Set to one of other rows, the stream goes on with these."""
        return self.layers.state

    @state.setter
    def state(self, state: Mapping[str, Tensor]) -> None:
        """Sets it."""
        self.layers.state = state
        some = next(iter(self.softmax.read().values()))
        self.softmax.go_on({"h": some.new_zeros(self.layers.shape[0], some.shape[1])})
