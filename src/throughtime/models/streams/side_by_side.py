"""Many streams of one model, each at its own pace: a step takes those that have an input.

Shapes::

    N  rows of a step        R  rows there is room for        V  numbers that a step gives
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor


class RowStream(Protocol):
    """A model that goes on step by step, with some rows side by side; what a row gives is its own alone, to the bit."""

    state: Any
    """``[layers, N, width]`` by name; a copy. Set to one of other rows, the stream goes on with these."""

    def advance(self, inputs: Sequence[Any]) -> Tensor:
        """One step, an input a row, to ``[N, V]``, which the second next step may write over."""
        ...


class SideBySide:
    """Rows that come, step and go, none of which knows of the others.

    The states of all rows lie in one table. Those of the rows of a step are brought to the stream, unless they are
    there already: a step copies the rows that it takes, at most, and never those that wait.

    Args:
        stream: Of one row that has read nothing.
        room: Rows to begin with; the table doubles where it is full.

    Example:
        >>> from throughtime.models import LanguageModel, LanguageModelConfig
        >>> model = LanguageModel(LanguageModelConfig(vocabulary=10, hidden=8, embedding=4)).eval()
        >>> rows = SideBySide(model.stream())
        >>> first, second = rows.open(), rows.open()
        >>> _ = rows.step([first], [3])
        >>> both = rows.step([second, first], [3, 4])
        >>> alone = model.stream()
        >>> alone.advance([3]).equal(both[:1]), alone.advance([4]).equal(both[1:])
        (True, True)
    """

    def __init__(self, stream: RowStream, room: int = 16) -> None:
        self.stream = stream
        self.fresh: Mapping[str, Tensor] = stream.state
        self.table = {name: self._empty(value, room) for name, value in self.fresh.items()}
        self.free = list(reversed(range(room)))
        self.seated: list[int] = []
        """The rows whose state is in the stream."""

    def __len__(self) -> int:
        return self._room - len(self.free)

    @property
    def _room(self) -> int:
        return next(iter(self.table.values())).shape[1]

    @staticmethod
    def _empty(like: Tensor, room: int) -> Tensor:
        return like.new_empty(like.shape[0], room, like.shape[2])

    def open(self, state: Mapping[str, Tensor] | None = None) -> int:
        """A row that has read nothing, or goes on from the state ``[layers, 1, width]`` of one that was closed.

        Raises:
            ValueError: If it is no state of this model.
        """
        state = self.fresh if state is None else state
        shapes = {name: list(value.shape) for name, value in state.items()}
        expected = {name: list(value.shape) for name, value in self.fresh.items()}
        if shapes != expected:
            raise ValueError(f"expected a state of {expected}, got {shapes}")
        if not self.free:
            before = self._room
            for name, value in self.table.items():
                self.table[name] = torch.cat([value, self._empty(value, before)], 1)
            self.free = list(reversed(range(before, 2 * before)))
        row = self.free.pop()
        for name, value in state.items():
            self.table[name][:, row] = value[:, 0]
        return row

    def close(self, row: int) -> dict[str, Tensor]:
        """Gives a row up; its state, ``[layers, 1, width]`` by name."""
        self._stand_up()
        state = {name: value[:, row : row + 1].clone() for name, value in self.table.items()}
        self.free.append(row)
        return state

    def step(self, rows: Sequence[int], inputs: Sequence[Any]) -> Tensor:
        """One step of some rows, each of them once: an input each, to ``[N, V]``, which later steps write over."""
        if self.seated != rows:
            self._stand_up()
            at = torch.tensor(rows)
            self.stream.state = {name: value.index_select(1, at) for name, value in self.table.items()}
            self.seated = list(rows)
        return self.stream.advance(inputs)

    def _stand_up(self) -> None:
        """Brings the states in the stream back to the table."""
        if self.seated:
            at = torch.tensor(self.seated)
            for name, value in self.stream.state.items():
                self.table[name].index_copy_(1, at, value)
            self.seated = []
