"""Whole clips in memory, each decoded once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from throughtime.data.remembered import Remembered
from throughtime.errors import UserError
from throughtime.runtime.video.films import Video
from throughtime.runtime.video.look import Frame, Look

HELD = 8 << 30
"""Bytes of a clip's steps that are held together, at most."""


class Clips:
    """Whole clips, each decoded once; those used last are kept in memory.

    Args:
        look: How they are seen.

    Attributes:
        warnings: Of every clip that was decoded, by its path.
    """

    def __init__(self, look: Look) -> None:
        self.look = look
        self.warnings: dict[str, list[str]] = {}
        self._kept = Remembered(self._decode)

    def __call__(self, path: str) -> Frame:
        """A clip's frames, ``[T, C, S, S]``.

        Raises:
            UserError: If it cannot be decoded.
        """
        return self._kept(path)

    def _decode(self, path: str) -> Frame:
        video = Video(Path(path), self.look)
        held: list[Frame] = []
        for frame in video:
            held.append(frame)
            if len(held) * frame.nbytes > HELD:
                raise UserError(
                    f"{path}: expected at most {HELD:,} bytes of steps, got more; cut it, or pass a lower --fps"
                )
        frames = np.stack(held)
        self.warnings[path] = video.warnings
        return frames


@lru_cache(maxsize=1)
def clips_of(look: Look) -> Clips:
    """The clips of this process: what was decoded to find its length is not decoded again to train on it."""
    return Clips(look)
