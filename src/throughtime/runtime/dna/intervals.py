"""Regions of sequences, written as GFF3 and BED."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from throughtime.errors import UserError, listed, shown
from throughtime.files import write_text
from throughtime.runtime.dna.fasta import GFF
from throughtime.runtime.dna.regions import Region

BED = (".bed",)
INTERVALS = (*GFF, *BED)
"""Suffixes of the formats."""


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
        UserError: If the suffix is none of the two, or BED cannot hold a name.
    """
    check_intervals(path)
    regions = list(regions)
    for name, *_ in regions:
        check_name(path, name, str(path))
    lines = list(_bed(regions) if path.suffix.lower() in BED else _gff(regions))
    write_text(path, "".join(lines))


def check_name(path: Path, name: str, where: str) -> None:
    """Refuses a sequence that the file to be written cannot name.

    Raises:
        UserError: If the file is BED, which has no escapes, and a line with that name would be a comment, or have
            more columns.
    """
    if path.suffix.lower() in BED and (name.startswith("#") or {"\t", "\n", "\r"} & set(name)):
        raise UserError(f"{where}: expected a name that BED can hold, got {shown(name)}; write .gff3 instead")


def _escaped(name: str) -> str:
    """A name as the first column of GFF3 has it.

    Example:
        >>> _escaped("gi|7 100%"), _escaped("#1")
        ('gi|7%20100%25', '%231')
    """
    return quote(name, safe=".:^*$@!+_?-|")


def _gff(regions: Iterable[tuple[str, int, Region]]) -> Iterator[str]:
    yield "##gff-version 3\n"
    named = set()
    for number, (name, length, region) in enumerate(regions, 1):
        written = _escaped(name)
        if name not in named:
            named.add(name)
            yield f"##sequence-region {written} 1 {length}\n"
        strand, phase = "+" if region.strand > 0 else "-", -region.place % 3
        place = f"{region.begin + 1}\t{region.end}\t{region.score:.4f}\t{strand}\t{phase}"
        yield f"{written}\tthroughtime\tCDS\t{place}\tID=cds{number}\n"


def _bed(regions: Iterable[tuple[str, int, Region]]) -> Iterator[str]:
    for number, (name, _, region) in enumerate(regions, 1):
        strand = "+" if region.strand > 0 else "-"
        yield f"{name}\t{region.begin}\t{region.end}\tcds{number}\t{round(1000 * region.score)}\t{strand}\n"
