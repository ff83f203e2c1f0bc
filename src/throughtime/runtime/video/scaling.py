"""Frames in colour as smaller or larger ones in grey, in NumPy alone: the bits of FFmpeg 8's ``swscale`` on x86.

Light is the luma of ITU-R BT.601, kept in 15 bits. Made smaller, a pixel is the mean of what it covers; made larger, it
lies between its two neighbours. Shares are whole numbers whose sum is a power of two: what rounding takes from one is
given to the next.

Shapes::

    H, W  lines of a picture, places of a line        N  pixels before        M  pixels after
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

LUMA = tuple(int(share * 219 / 255 * (1 << 15) + 0.5) for share in (0.299, 0.587, 0.114))
"""Shares of red, green and blue, of 2**15, in a range of 219 of 255 values."""

WIDER = -(-((255 << 21) // 219) >> 7)
"""What makes that range the whole one, of 2**14."""

FROM = (255 << 21) - (235 << 7) * WIDER + (1 << 13)

ACROSS, DOWN = 14, 12
"""Bits of shares."""

SMALL = 0.002
"""A share at an end that is left out, so that fewer pixels need be read."""

PLAIN = 2
"""Lines at the end that are summed to the last bit; the others lose what is below the 16th of every product."""


def scale(picture: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """A picture ``[H, W, 3]`` in grey, ``[height, width, 1]``.

    Example:
        >>> scale(np.full((4, 6, 3), 200, np.uint8), 3, 2)[:, :, 0].tolist()
        [[200, 200, 200], [200, 200, 200]]
    """
    # whole numbers below 2**24, and below 2**53, are exact in single and in double precision
    light = (picture.astype(np.float32) @ np.array(LUMA, np.float32)).astype(np.int32)
    light = (light + ((32 << 14) + (1 << 8))) >> 9
    across, _ = shares(picture.shape[1], width, ACROSS)
    wide = (light.astype(np.float64) @ across.T.astype(np.float64)).astype(np.int64)
    wide = np.clip((np.minimum(wide >> 13, 32767) * WIDER + FROM) >> 14, 0, 32767)
    found = _down(wide, height)
    return np.clip(found, 0, 255).astype(np.uint8)[:, :, None]


def _down(wide: Numbers, height: int) -> Numbers:
    """Lines ``[H, width]`` of 15 bits as ``[height, width]`` of 8."""
    down, taps = shares(len(wide), height, DOWN)
    if taps == 1:
        found: Numbers = (wide[down.argmax(1)] + 64) >> 7
        return found
    found = np.zeros((height, wide.shape[1]), np.int64)
    for line, row in enumerate(down):
        (read,) = row.nonzero()
        products = wide[read] * row[read, None]
        if line < height - PLAIN:
            found[line] = (((64 + 8 * (taps - 1)) >> 4) + (products >> 16).sum(0)) >> 3
        else:
            found[line] = ((64 << DOWN) + products.sum(0)) >> 19
    return found


@lru_cache(maxsize=4)
def shares(before: int, after: int, bits: int) -> tuple[Numbers, int]:
    """What every pixel takes of those before, ``[M, N]``, of 2**bits, and how many pixels each may read.

    Example:
        >>> shares(4, 2, 12)[0].tolist()
        [[2048, 2048, 0, 0], [0, 0, 2048, 2048]]
    """
    if before == after:
        return np.eye(before, dtype=np.int64) << bits, 1
    step = ((before << 16) + (after >> 1)) // after
    one = 1 << (54 - min((before // after).bit_length() - 1 if before >= after else 0, 8))
    rows = _between(after, step, one) if step <= 1 << 16 else _covered(before, after, step, one)
    taps = _trim(rows, SMALL * one)
    found = np.zeros((after, before), np.int64)
    for line, (first, row) in zip(found, rows, strict=True):
        whole = [0] * before
        for number, share in enumerate(row[:taps]):
            whole[min(max(first + number, 0), before - 1)] += share
        _round(whole, line, bits)
    return found, taps


Row = list[Any]
"""The first pixel that is read, and the share of each, as whole numbers."""


def _between(after: int, step: int, one: int) -> list[Row]:
    """Larger: the two neighbours, by how near they are."""
    rows, place = [], (128 * step >> 8) - (128 * 0x8000 >> 7)
    for _ in range(after):
        first = place >> 16
        near = (max(0, one - abs((first + number << 16) - place) * (one >> 16)) for number in range(2))
        rows.append([first, list(near)])
        place += step
    return rows


def _covered(before: int, after: int, step: int, one: int) -> list[Row]:
    """Smaller: what lies below a pixel, those at its ends in part."""
    taps = max(1, min(1 + -(-before // after), before - 2))
    rows, place = [], step - (1 << 16)
    for _ in range(after):
        first = int((place - (taps - 2 << 16)) / (1 << 17))  # towards zero, also from below
        row = []
        for number in range(taps):
            far = (abs((first + number << 17) - place) << 13) * after // before - (1 << 29)
            row.append(min(max((1 << 45) - far * step, 0), 1 << 46) * (one >> 46))
        rows.append([first, row])
        place += 2 * step
    return rows


def _trim(rows: list[Row], least: float) -> int:
    """Moves rows past what is small at their beginnings; returns the most that any of them needs."""
    taps, needed = len(rows[0][1]), 1
    for number in range(len(rows) - 1, -1, -1):
        row, cut = rows[number], 0
        for _ in range(taps):
            cut += abs(row[1][0])
            if cut > least or (number < len(rows) - 1 and row[0] >= rows[number + 1][0]):
                break
            row[0], row[1] = row[0] + 1, [*row[1][1:], 0]
        cut, mine = 0, taps
        for share in row[1][:0:-1]:
            cut += abs(share)
            if cut > least:
                break
            mine -= 1
        needed = max(needed, mine)
    return needed


def _round(whole: Row, found: Numbers, bits: int) -> None:
    """Shares as whole numbers of 2**bits."""
    unit, over = max(1, (sum(whole) + (1 << bits - 1)) >> bits), 0
    for number, share in enumerate(whole):
        value = share + over
        near = (abs(value) + (unit >> 1)) // unit
        found[number] = near if value >= 0 else -near
        over = value - int(found[number]) * unit
