"""A stack with what stands over it, as a stream of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.data.device import onto
from throughtime.engine import open_stream
from throughtime.layers import Recurrent
from throughtime.models.base import State
from throughtime.models.streams.heads import Head

OVER = "over "
"""Begins the names of what the head keeps in a state."""


class HeadedStream:
    """A one-way stack with a head, step by step; see :class:`RowStream`.

    The head runs on the engine as a cell does, so that a row's bits do not depend on the rows beside it, as those of a
    product of PyTorch's may.

    Args:
        stack: In one direction.
        head: Over its outputs.
        weights: What matrices are kept in, as :class:`throughtime.Stream` has it.

    Raises:
        ValueError: If the stack is bidirectional, or the weights cannot be kept so.
    """

    def __init__(self, stack: Recurrent, head: Head, weights: str = "float32") -> None:
        self.layers = stack.stream(weights=weights)
        engine = "reference" if stack.engine == "reference" else "auto"
        self.head = open_stream(head.cell, head.parameters, 1, {}, engine, weights)
        self.given, *self.kept = head.cell.state

    def advance(self, inputs: Sequence[Any]) -> Tensor:
        """One step: features ``[F]`` a row, to what the head gives of each, ``[N, V]``."""
        features = onto(torch.from_numpy(np.stack(inputs)), self.layers.device).to(self.layers.dtype)
        return self.head.step(self.layers.step(features))

    @property
    def state(self) -> State:
        """``[layers, N, width]`` by name; a copy. Set to one of other rows, the stream goes on with these."""
        read = self.head.read()
        return self.layers.state | {f"{OVER}{name}": read[name].clone().unsqueeze(0) for name in self.kept}

    @state.setter
    def state(self, state: Mapping[str, Tensor]) -> None:
        """Sets it."""
        kept = {name: state[f"{OVER}{name}"][0] for name in self.kept}
        self.layers.state = {name: value for name, value in state.items() if not name.startswith(OVER)}
        given = self.head.read()[self.given]
        self.head.go_on({self.given: given.new_zeros(self.layers.shape[0], given.shape[1]), **kept})
