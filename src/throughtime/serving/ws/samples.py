"""Sound in messages: samples of 16 bits or floats, and a telephone's bytes (ITU-T G.711)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

TELEPHONE = 8000
"""Samples a second of G.711, unless another rate is named."""


def mu_law(code: int) -> int:
    """A sample of 16 bits of a byte by µ-law.

    Example:
        >>> mu_law(0xFF), mu_law(0x00), mu_law(0x80)
        (0, -32124, 32124)
    """
    code ^= 0xFF
    size = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return -size if code & 0x80 else size


def a_law(code: int) -> int:
    """A sample of 16 bits of a byte by A-law.

    Example:
        >>> a_law(0xD5), a_law(0x55), a_law(0x2A)
        (8, -8, -32256)
    """
    code ^= 0x55
    segment, size = code >> 4 & 7, (code & 0x0F) << 4
    size = size + 8 if segment == 0 else size + 0x108 << segment - 1
    return size if code & 0x80 else -size


@dataclass(frozen=True)
class Form:
    """How samples are written.

    Attributes:
        kind: Of a number.
        table: What each number stands for, where it is no sample itself, in 16 bits.
        rate: Samples a second, unless another is named; None: the model's.
    """

    kind: np.dtype[Any]
    table: npt.NDArray[np.int16] | None = None
    rate: int | None = None

    @property
    def size(self) -> int:
        """Bytes of a sample."""
        return self.kind.itemsize

    def samples(self, message: bytes) -> npt.NDArray[np.float32]:
        r"""Samples in [-1, 1] of whole ones.

        Example:
            >>> FORMATS["pcm16"].samples(b"\0\x40").tolist()
            [0.5]
        """
        numbers = np.frombuffer(message, self.kind)
        numbers = numbers if self.table is None else self.table[numbers]
        samples = numbers.astype(np.float32)
        return samples / np.float32(32768) if numbers.dtype.kind == "i" else samples


FORMATS = {
    "pcm16": Form(np.dtype("<i2")),
    "float32": Form(np.dtype("<f4")),
    "g711_ulaw": Form(np.dtype("u1"), np.array([mu_law(code) for code in range(256)], np.int16), TELEPHONE),
    "g711_alaw": Form(np.dtype("u1"), np.array([a_law(code) for code in range(256)], np.int16), TELEPHONE),
}
"""By the names that OpenAI gives them."""
