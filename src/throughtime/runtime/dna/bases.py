"""Letters of DNA as sets of bases, so that ambiguity letters are distributions.

A letter is a number of four bits, one for each base that it may stand for: A 1, C 2, G 4, T 8 (IUPAC-IUB 1985). Its
complement is the same bits in reverse order; 0 stands for nothing, past a sequence's end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError

Codes = npt.NDArray[np.uint8]

LETTERS = "-ACMGRSVTWYHKDBN"
"""The letter of every number; U is read as T, X as N."""

ANY = 15
"""The number of N."""

CODES = np.zeros(256, dtype=np.uint8)
for _number, _letter in enumerate(LETTERS[1:], 1):
    CODES[[ord(_letter), ord(_letter.lower())]] = _number
CODES[[ord("U"), ord("u")]], CODES[[ord("X"), ord("x")]] = 8, ANY

COMPLEMENT = np.array([int(f"{number:04b}"[::-1], 2) for number in range(16)], dtype=np.uint8)
"""The complement's number for every number: A and T, C and G change places."""

_SPACE = re.compile(r"\s+")


def encode(letters: str, where: str) -> Codes:
    """The numbers of letters; spaces and line breaks do not count.

    Args:
        letters: In either case.
        where: File and line or record, for the error.

    Raises:
        UserError: If one is no letter of DNA.

    Example:
        >>> encode("acGTn", "here").tolist()
        [1, 2, 4, 8, 15]
    """
    text = _SPACE.sub("", letters)
    raw = np.frombuffer(text.encode("latin-1", "replace"), dtype=np.uint8)
    codes = CODES[raw]
    if len(wrong := np.flatnonzero(codes == 0)):
        at = int(wrong[0])
        raise UserError(
            f"{where}: expected letters of DNA (A, C, G, T, or {''.join(sorted(set(LETTERS) - set('-ACGT')))} for "
            f"several of them), got {text[at]!r} as letter {at + 1:,}; mend it, or put N there"
        )
    return codes


def decode(codes: Codes) -> str:
    """The letters of numbers.

    Example:
        >>> decode(np.array([1, 5, 15], dtype=np.uint8))
        'ARN'
    """
    return "".join(LETTERS[code] for code in codes.tolist())


def side_by_side(rows: Sequence[Codes]) -> Codes:
    """Sequences as a batch ``[B, L]``, 0 past an end; L is at least 1.

    Example:
        >>> side_by_side([encode("AC", "here"), encode("", "here")]).tolist()
        [[1, 2], [0, 0]]
    """
    found = np.zeros((len(rows), max([1, *map(len, rows)])), np.uint8)
    for row, codes in zip(found, rows, strict=True):
        row[: len(codes)] = codes
    return found


def reverse_complement(codes: Codes) -> Codes:
    """The other strand, in the direction that it is read.

    Example:
        >>> decode(reverse_complement(encode("AACGR", "here")))
        'YCGTT'
    """
    return COMPLEMENT[codes[::-1]]
