"""Pictures as their file wants them shown: turned by quarters, and mirrored."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

MATRIX = struct.Struct("=9i")
"""A display matrix as FFmpeg gives it: ``a, b, u, c, d, v, x, y, w``."""


def upright(picture: npt.NDArray[np.uint8], matrix: bytes) -> npt.NDArray[np.uint8]:
    """A picture, its rows first, turned and mirrored as a display matrix says (ISO/IEC 14496-12, section 6.2.2).

    A point ``(x, y)`` comes to ``(a x + c y, b x + d y)``, where y points down. What is between two quarters is turned
    to the nearer one; a matrix that is broken changes nothing.

    Example:
        >>> picture = np.array([[1, 2], [3, 4]], np.uint8)
        >>> upright(picture, MATRIX.pack(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)).tolist()  # a quarter to the right
        [[3, 1], [4, 2]]
        >>> upright(picture, MATRIX.pack(-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)).tolist()  # mirrored
        [[2, 1], [4, 3]]
    """
    if len(matrix) != MATRIX.size:
        return picture
    a, b, _, c, d, *_ = MATRIX.unpack(matrix)
    across, down = a, d
    if abs(b) + abs(c) > abs(a) + abs(d):  # rows become columns
        picture, across, down = picture.swapaxes(0, 1), c, b
    return picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


def matrix_of(frame: Any) -> bytes:
    """The display matrix of a frame of PyAV's; empty where it has none."""
    found = frame.side_data.get("DISPLAYMATRIX")
    return b"" if found is None else bytes(found)
