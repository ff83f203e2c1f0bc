"""How a model sees a video: what is on the screen at its steps, as a square.

Shapes::

    S  side of a frame        C  channels: 1, or 3 with colour        T  steps
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]
ShownT = TypeVar("ShownT")

PIXELS = 16_384 * 8_640
"""Of a frame, at most: memory for several is taken before one is decoded."""

EARLY = 0.1
"""Share by which a frame may be shown too early, of its own time, of that of the frame before and of a step, whichever
is shortest: files round times to clocks of their own."""


@dataclass(frozen=True)
class Look:
    """How a model sees every video.

    Attributes:
        size: Side of the square that frames are fitted into, S.
        fps: Steps a second.
        colour: Red, green and blue rather than grey.
    """

    size: int
    fps: float
    colour: bool = False

    @property
    def channels(self) -> int:
        """C."""
        return 3 if self.colour else 1

    def fitted(self, width: float, height: float) -> tuple[int, int]:
        """Width and height of a picture in the square, in its proportions.

        Example:
            >>> Look(64, 10).fitted(640, 360)
            (64, 36)
        """
        scale = self.size / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def squared(self, picture: Frame) -> Frame:
        """A fitted picture ``[H, W, C]`` in the middle of the square, ``[C, S, S]``; what is left of it is black."""
        high, wide = picture.shape[:2]
        square = np.zeros((self.size, self.size, self.channels), dtype=np.uint8)
        top, left = (self.size - high) // 2, (self.size - wide) // 2
        square[top : top + high, left : left + wide] = picture
        return np.ascontiguousarray(square.transpose(2, 0, 1))


def at_rate(frames: Iterable[tuple[float, float, ShownT]], fps: float) -> Iterator[ShownT]:
    """What is on the screen k / fps seconds after the beginning, for every step k.

    Args:
        frames: Seconds from the first to each, how long it lasts, and the frame.
        fps: Steps a second.

    Example:
        >>> list(at_rate([(0.0, 0.2, "a"), (0.2, 0.1, "b")], 10.0))
        ['a', 'a', 'b']
    """
    step, steps, now, length = 1 / fps, 0, 0.0, 0.0
    shown: list[ShownT] = []  # the frame before, where there is one
    for at, lasts, frame in frames:
        early = EARLY * min(at - now, lasts, step)
        while shown and steps / fps < at - early:
            yield shown[0]
            steps += 1
        shown, now, length = [frame], at, lasts
    end = now + length
    while shown and (not steps or steps / fps < end - EARLY * min(length, step)):
        yield shown[0]
        steps += 1
