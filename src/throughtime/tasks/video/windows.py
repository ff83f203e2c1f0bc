"""Long videos in windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


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
    """Windows to compute together."""
    group: list[tuple[int, Array]] = []
    for window in windows:
        group.append(window)
        if len(group) == most:
            yield group
            group = []
    if group:
        yield group
