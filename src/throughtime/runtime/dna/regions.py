"""Stretches of a sequence that are translated, as programs count their places and as people do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """A stretch of a sequence that is translated.

    Attributes:
        begin: Its first base on the plus strand, from 0.
        end: The base after its last.
        strand: 1, or -1.
        place: Where in its codon the base stands that is read first, 0, 1 or 2; on the minus strand that is the one
            before ``end``.
        score: The probability that it codes; 1 where it is known.
    """

    begin: int
    end: int
    strand: int
    place: int = 0
    score: float = 1.0

    def within(self, begin: int, end: int) -> Region | None:
        """What lies between two places, counted from the first of them; None if nothing does.

        Example:
            >>> Region(2, 9, 1).within(3, 6), Region(2, 9, -1).within(0, 8), Region(2, 9, -1).within(20, 30)
            (Region(begin=0, end=3, strand=1, place=1, score=1.0), Region(begin=2, end=8, strand=-1, place=1, \
score=1.0), None)
        """
        first, last = max(begin, self.begin), min(end, self.end)
        if first >= last:
            return None
        lost = first - self.begin if self.strand > 0 else self.end - last
        return Region(first - begin, last - begin, self.strand, (self.place + lost) % 3, self.score)


@dataclass(frozen=True)
class CodingRegion:
    """A coding region, its places counted as in GFF3.

    Attributes:
        begin: Its first base on the plus strand, from 1.
        end: Its last base.
        strand: ``"+"`` or ``"-"``.
        phase: Bases before its first whole codon, in the direction that it is read.
        score: The probability that it codes.
    """

    begin: int
    end: int
    strand: str
    phase: int
    score: float

    @classmethod
    def of(cls, region: Region) -> CodingRegion:
        """A region as people count."""
        strand = "+" if region.strand > 0 else "-"
        return cls(region.begin + 1, region.end, strand, -region.place % 3, round(region.score, 4))
