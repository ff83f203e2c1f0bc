"""Intervals on sequences: GFF3 and BED, read and written.

GFF3 counts from 1 and includes the end; BED counts from 0 and leaves it out, as :class:`Region` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from throughtime.data.text.files import file_lines
from throughtime.errors import UserError, listed
from throughtime.files import write_text

GFF = (".gff3", ".gff")
BED = (".bed",)
INTERVALS = (*GFF, *BED)
"""Suffixes of the formats."""

DIGITS = 12
"""Of a place in a sequence, at most."""


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


def read_intervals(path: Path) -> dict[str, dict[str, Region]]:
    """The coding regions of every sequence, by file and line.

    Of GFF3 the lines of type CDS are read, with their phase; of BED all lines, their blocks where there are any.

    Raises:
        UserError: If a line is not as it should be, or there is none; names it.
    """
    read = _read_gff if path.suffix.lower() in GFF else _read_bed
    found: dict[str, dict[str, Region]] = {}
    for name, where, region in read(path):
        found.setdefault(name, {})[where] = region
    if not found:
        what = "lines of type CDS" if path.suffix.lower() in GFF else "intervals"
        raise UserError(f"{path}: expected {what}, found none")
    return found


def _columns(path: Path, least: int, kind: str) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(file_lines(path), 1):
        if line.startswith("##FASTA"):
            return
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        columns = line.rstrip("\r\n").split("\t")
        if len(columns) < least:
            raise UserError(f"{path}:{number}: expected {least} columns of {kind}, parted by tabs, got {len(columns)}")
        yield f"{path}:{number}", columns


def _number(where: str, text: str) -> int:
    if not text.isdecimal() or len(text) > DIGITS:
        raise UserError(f"{where}: expected a number, got {text[:40]!r}")
    return int(text)


def _strand(where: str, text: str) -> int:
    if text not in ("+", "-"):
        raise UserError(f"{where}: expected the strand of a coding region, + or -, got {text!r}")
    return 1 if text == "+" else -1


def _read_gff(path: Path) -> Iterator[tuple[str, str, Region]]:
    for where, columns in _columns(path, 8, "GFF3"):
        name, _, kind, begin, end, _, strand, phase = columns[:8]
        if kind != "CDS":
            continue
        if phase not in ("0", "1", "2", "."):
            raise UserError(f"{where}: expected the phase of a CDS, 0, 1 or 2, got {phase!r}")
        skipped = 0 if phase == "." else int(phase)  # bases before the first whole codon
        region = Region(_number(where, begin) - 1, _number(where, end), _strand(where, strand), -skipped % 3)
        yield name, where, region


def _read_bed(path: Path) -> Iterator[tuple[str, str, Region]]:
    for where, columns in _columns(path, 6, "BED"):
        begin, end = _number(where, columns[1]), _number(where, columns[2])
        strand = _strand(where, columns[5])
        parts = [(begin, end)]
        if len(columns) >= 12:
            sizes, starts = ([_number(where, n) for n in column.strip(",").split(",")] for column in columns[10:12])
            parts = [(begin + start, begin + start + size) for size, start in zip(sizes, starts, strict=False)]
        read = 0
        for number, part in enumerate(sorted(parts, reverse=strand < 0)):
            yield columns[0], where if len(parts) == 1 else f"{where} block {number + 1}", Region(*part, strand, read)
            read = (read + part[1] - part[0]) % 3


def check_intervals(path: Path) -> None:
    """Refuses a file that could not be written, before anything is computed.

    Raises:
        UserError: If its suffix is of no known format.
    """
    if path.suffix.lower() not in INTERVALS:
        raise UserError(f"--out: expected a file that ends in {listed(INTERVALS)}, got {path}")


def write_intervals(path: Path, regions: Iterable[tuple[str, int, Region]]) -> None:
    """Writes GFF3, or BED where the suffix says so.

    Args:
        path: The file.
        regions: The name of a sequence, its length, and a region of it.

    Raises:
        UserError: If the suffix is none of the two.
    """
    check_intervals(path)
    lines = list(_bed(regions) if path.suffix.lower() in BED else _gff(regions))
    write_text(path, "".join(lines))


def _gff(regions: Iterable[tuple[str, int, Region]]) -> Iterator[str]:
    yield "##gff-version 3\n"
    named = set()
    for number, (name, length, region) in enumerate(regions, 1):
        if name not in named:
            named.add(name)
            yield f"##sequence-region {name} 1 {length}\n"
        strand, phase = "+" if region.strand > 0 else "-", -region.place % 3
        place = f"{region.begin + 1}\t{region.end}\t{region.score:.4f}\t{strand}\t{phase}"
        yield f"{name}\tthroughtime\tCDS\t{place}\tID=cds{number}\n"


def _bed(regions: Iterable[tuple[str, int, Region]]) -> Iterator[str]:
    for number, (name, _, region) in enumerate(regions, 1):
        strand = "+" if region.strand > 0 else "-"
        yield f"{name}\t{region.begin}\t{region.end}\tcds{number}\t{round(1000 * region.score)}\t{strand}\n"
