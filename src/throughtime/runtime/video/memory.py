"""Frames in memory, or in NumPy's files, as the steps that a model reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.runtime.reading.arrays import read_arrays
from throughtime.runtime.video.films import GAP, Show
from throughtime.runtime.video.look import PIXELS, Frame, Look, at_rate
from throughtime.runtime.video.scaling import scale

FPS = 10.0
"""Frames a second, where frames in memory do not tell."""

SLOWEST, FASTEST = 1 / GAP, 1000.0
"""Frames a second, at least and at most."""


@dataclass(frozen=True)
class Film:
    """Frames in memory.

    Attributes:
        frames: ``[T, H, W, 3]``: red, green and blue.
        fps: Frames a second.
    """

    frames: Frame
    fps: float = FPS

    @classmethod
    def of(cls, frames: npt.NDArray[Any], fps: Any, where: str) -> Film:
        """Frames that can be seen.

        Raises:
            UserError: If they are too large, or their rate is none.
        """
        height, width = frames.shape[1:3]
        if height * width > PIXELS:
            raise UserError(f"{where}: expected frames of at most {PIXELS:,} pixels, got {width:,} × {height:,}")
        if not isinstance(fps, int | float | np.number) or not SLOWEST <= fps <= FASTEST:
            raise UserError(f"{where}: expected from {SLOWEST:.3f} to {FASTEST:g} frames a second, got {fps!r}")
        return cls(frames, float(fps))

    def steps(self, look: Look) -> Iterator[Frame]:
        """What a model sees of them, ``[C, S, S]`` a step, as of a video that loses nothing.

        Raises:
            UserError: If frames in colour must be scaled, and PyAV is not installed.
        """
        timed = ((number / self.fps, 1 / self.fps, frame) for number, frame in enumerate(self.frames))
        return (_seen(frame, look) for frame in at_rate(timed, look.fps))


def are_frames(values: npt.NDArray[Any]) -> bool:
    """Whether an array is ``[T, H, W, 3]`` of bytes."""
    return bool(values.ndim == 4 and values.size and values.shape[3] == 3 and values.dtype == np.uint8)


def read_film(path: Path) -> Film:
    """The frames of a ``.npy`` or ``.npz`` file: its one array, or ``frames``, with ``fps`` where that is told.

    Raises:
        UserError: If it holds no frames.
    """
    found = read_arrays(path)
    frames, fps = found.pop("frames", None), found.pop("fps", np.array(FPS))
    if frames is None and len(found) == 1:
        (frames,) = found.values()
    if frames is None or not are_frames(frames):
        got = "none called so" if frames is None else f"{frames.dtype} {list(frames.shape)}"
        raise UserError(f"{path}: expected frames [T, H, W, 3] of uint8, got {got}")
    return Film.of(frames, fps.item() if fps.size == 1 else fps, str(path))


def _seen(frame: Frame, look: Look) -> Frame:
    height, width = frame.shape[:2]
    fitted = look.fitted(width, height)
    if not look.colour:
        return look.squared(scale(frame, *fitted))
    if fitted == (width, height):
        return look.squared(frame)
    av = extra("av", "video", f"scaling frames in colour to {fitted[0]} × {fitted[1]}")
    return Show(av, look)(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(format="bgr0")
    )
