"""What a task tells about streams: how pieces become inputs of a model's steps, and its outputs something to tell.

A model runs many streams side by side; a :class:`Reader` is what stands before and after it for one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from throughtime.models.streams import SideBySide

Takes = Literal["audio", "text", "rows", "notes"]
"""What the pieces of a stream are: samples ``float32 [n]`` of one channel, text, rows ``[n, numbers]``, or chords."""

Output = npt.NDArray[np.float32]


class Reader(Protocol):
    """One stream. However its pieces are cut, the inputs are the same."""

    def push(self, piece: Any) -> Sequence[Any]:
        """The inputs of the steps that are complete with this piece.

        Raises:
            UserError: If it is none that the model reads; the stream is then over.
        """
        ...

    def end(self) -> Sequence[Any]:
        """The inputs of the steps that waited for more; nothing is pushed after that."""
        ...

    def take(self, output: Output) -> Sequence[Any]:
        """Takes what a step gave, ``[V]``, to keep; gives inputs that follow of it, as where texts are drawn."""
        ...

    def partial(self) -> dict[str, Any] | None:
        """What is to tell so far, as plain data; None where nothing is new."""
        ...

    def final(self) -> dict[str, Any]:
        """What is told at the end: what ``throughtime predict --json`` prints where the task has that."""
        ...

    def dump(self) -> dict[str, Any]:
        """All that it holds, as plain data and NumPy arrays, for :meth:`Live.load`."""
        ...


class Live(Protocol):
    """How a trained model reads streams."""

    @property
    def takes(self) -> Takes:
        """What pieces are."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a client should know, such as the ``rate`` in samples a second."""
        ...

    def side_by_side(self) -> SideBySide:
        """The model, over any number of streams."""
        ...

    def open(self, said: Mapping[str, Any]) -> Reader:
        """Begins a stream.

        Args:
            said: What the client says of it, such as the ``rate`` of its samples.

        Raises:
            UserError: If it cannot be read so.
        """
        ...

    def load(self, dumped: Mapping[str, Any]) -> Reader:
        """A stream that goes on where it was dumped."""
        ...
