"""How well the coding bases of a genome are found, and the rule of thumb that a model has to beat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from throughtime.data.dna.bases import Codes
from throughtime.runtime.dna.codons import BACTERIA, Code, Mask, open_frames
from throughtime.runtime.dna.regions import Region


@dataclass(frozen=True)
class Hits:
    """Bases by what they are and what they were taken for.

    Attributes:
        right: Coding, and found.
        wrong: Not coding, but found.
        missed: Coding, not found.
        left: Not coding, not found.

    Example:
        >>> hits = Hits(right=6, wrong=1, missed=2, left=3)
        >>> hits.sensitivity, hits.specificity, hits.balanced, round(hits.mcc, 4)
        (0.75, 0.75, 0.75, 0.4781)
    """

    right: int = 0
    wrong: int = 0
    missed: int = 0
    left: int = 0

    @classmethod
    def count(cls, gold: Mask, found: Mask) -> Hits:
        """Of two masks."""
        pairs = ((gold & found), (~gold & found), (gold & ~found), (~gold & ~found))
        return cls(*(int(pair.sum()) for pair in pairs))

    def __add__(self, other: Hits) -> Hits:
        return Hits(
            self.right + other.right, self.wrong + other.wrong, self.missed + other.missed, self.left + other.left
        )

    @property
    def bases(self) -> int:
        """All of them."""
        return self.right + self.wrong + self.missed + self.left

    @property
    def sensitivity(self) -> float:
        """Share of the coding bases that are found."""
        return self.right / max(1, self.right + self.missed)

    @property
    def specificity(self) -> float:
        """Share of the other bases that are not."""
        return self.left / max(1, self.left + self.wrong)

    @property
    def balanced(self) -> float:
        """The mean of both: 0.5 for whatever does not look at the sequence."""
        return (self.sensitivity + self.specificity) / 2

    @property
    def mcc(self) -> float:
        """The correlation of what is and what is found (Matthews 1975); 0 where one of them is always the same."""
        said, there = self.right + self.wrong, self.right + self.missed
        bottom = (
            math.sqrt(said) * math.sqrt(there) * math.sqrt(self.left + self.wrong) * math.sqrt(self.left + self.missed)
        )
        return (self.right * self.left - self.wrong * self.missed) / bottom if bottom else 0.0


def mask(length: int, regions: Iterable[Region]) -> Mask:
    """Which bases lie in a region, ``[length]``."""
    found = np.zeros(length, dtype=bool)
    for region in regions:
        found[region.begin : region.end] = True
    return found


def fit_open_frames(pieces: Sequence[tuple[Codes, Mask]], tried: Sequence[int], code: Code = BACTERIA) -> int:
    """The length from which on open reading frames tell coding bases best, by MCC."""

    def mcc(least: int) -> float:
        hits = (Hits.count(gold, mask(len(codes), open_frames(codes, least, code))) for codes, gold in pieces)
        return sum(hits, Hits()).mcc

    return max(tried, key=mcc)
