"""A forecaster's stack, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.data.device import onto
from throughtime.layers import Recurrent
from throughtime.models.base import State


class RememberedStream:
    """What a one-way stack says of each step; see :class:`throughtime.models.streams.side_by_side.RowStream`.

    Args:
        stack: In one direction.
        weights: What matrices are kept in, as :class:`throughtime.Stream` has it.
    """

    def __init__(self, stack: Recurrent, weights: str = "float32") -> None:
        self.layers = stack.stream(weights=weights)

    def advance(self, inputs: Sequence[Any]) -> Tensor:
        """One step: features ``[F]`` a row, to ``[N, A]``."""
        return self.layers.step(onto(torch.from_numpy(np.stack(inputs)), self.layers.device).to(self.layers.dtype))

    @property
    def state(self) -> State:
        """``[layers, N, width]`` by name; a copy. Set to one of other rows, the stream goes on with these."""
        return self.layers.state

    @state.setter
    def state(self, state: Mapping[str, Tensor]) -> None:
        """Sets it."""
        self.layers.state = dict(state)
