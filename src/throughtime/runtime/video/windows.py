"""A long video in windows: where they begin, what a model makes of each, and of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Window:
    """What a model makes of a piece of a video.

    Attributes:
        start: Seconds from the beginning (of key points: steps).
        end: The same, of its end.
        chances: Probability of every class.
        attention: How much of each step the result rests on; sums to 1.
    """

    start: float
    end: float
    chances: dict[str, float]
    attention: list[float]

    @property
    def label(self) -> str:
        """The likeliest class."""
        return max(self.chances, key=lambda name: self.chances[name])

    @property
    def best(self) -> tuple[float, float]:
        """When most attention is paid, and how much."""
        at = int(np.argmax(self.attention))
        return self.start + (at + 0.5) * (self.end - self.start) / len(self.attention), self.attention[at]


def overall(windows: Sequence[Window]) -> dict[str, float]:
    """The mean of the windows' probabilities, each by its length; the likeliest class first."""
    lengths = np.array([window.end - window.start for window in windows])
    chances = {
        name: float(np.dot(lengths, [window.chances[name] for window in windows]) / lengths.sum())
        for name in windows[0].chances
    }
    return dict(sorted(chances.items(), key=lambda pair: -pair[1]))


def cut(steps: int, longest: int) -> list[tuple[int, int]]:
    """Where windows of a long sequence begin, and their steps; less than half a window at the end joins the last one.

    Example:
        >>> cut(7, 3), cut(8, 3), cut(2, 3)
        ([(0, 3), (3, 4)], [(0, 3), (3, 3), (6, 2)], [(0, 2)])
    """
    pieces = [(begin, min(longest, steps - begin)) for begin in range(0, steps, longest)]
    if len(pieces) > 1 and 2 * pieces[-1][1] < longest:
        (begin, before), (_, rest) = pieces[-2:]
        pieces[-2:] = [(begin, before + rest)]
    return pieces


def windows_of(frames: Iterator[Array], longest: int) -> Iterator[tuple[int, Array]]:
    """A video's frames as :func:`cut` divides them, with never more than two windows in memory."""
    held: list[Array] = []
    begin = 0
    for frame in frames:
        held.append(frame)
        if len(held) == 2 * longest:  # what is held beyond the first window may have to join it
            yield begin, np.stack(held[:longest])
            held, begin = held[longest:], begin + longest
    for at, steps in cut(len(held), longest):
        yield begin + at, np.stack(held[at : at + steps])


def groups(windows: Iterator[tuple[int, Array]], most: int) -> Iterator[list[tuple[int, Array]]]:
    """Windows as lists of as many, the last one of those that are left."""
    group: list[tuple[int, Array]] = []
    for window in windows:
        group.append(window)
        if len(group) == most:
            yield group
            group = []
    if group:
        yield group
