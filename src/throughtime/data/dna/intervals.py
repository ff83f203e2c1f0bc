"""Intervals on sequences, of GFF3 and BED; written they are in :mod:`throughtime.runtime.dna.intervals`.

GFF3 counts from 1 and includes the end; BED counts from 0 and leaves it out, as a region of ours does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from throughtime.errors import UserError
from throughtime.runtime.dna.fasta import GFF, begins_fasta
from throughtime.runtime.dna.regions import Region
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import leave_out, note

PSEUDOGENES = ("pseudogene", "pseudogenic_transcript", "pseudogenic_CDS")
"""Types of features that are broken genes, and all of their parts with them."""

DIGITS = 12
"""Of a place in a sequence, at most."""


class Intervals(dict[str, dict[str, Region]]):
    """The coding regions of every sequence, by file and line.

    Attributes:
        circular: Names of the sequences that are told to be circular: a region that goes on past the end goes on at
            the beginning.
        tables: What the lines of every sequence say of their genetic code (``transl_table``), each once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.circular: set[str] = set()
        self.tables: defaultdict[str, set[str]] = defaultdict(set)


def codes_told(tables: Iterable[str], where: str) -> list[int]:
    """NCBI's numbers of genetic codes, from what CDS features say of them.

    Raises:
        UserError: If one is no number.
    """
    return sorted({_number(f"{where}: transl_table", table) for table in tables})


def read_intervals(path: Path) -> Intervals:
    """The coding regions of every sequence.

    Of GFF3 the lines of type CDS are read, with their phase, but for those of pseudogenes; of BED all lines, their
    blocks where there are any, and of these what lies in the thick part, where one is told.

    Raises:
        UserError: If a line is not as it should be, or there is none; names it.
    """
    found = Intervals()
    gff = path.suffix.lower() in GFF
    for name, where, region in _read_gff(path, found) if gff else _read_bed(path):
        found.setdefault(name, {})[where] = region
    if not found:
        raise UserError(f"{path}: expected {'lines of type CDS' if gff else 'intervals'}, found none that code")
    return found


def _columns(path: Path, least: int, kind: str) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(file_lines(path), 1):
        columns = line.rstrip("\r\n").split("\t")
        if kind == "GFF3" and begins_fasta(line):
            return
        if not line.strip() or line.startswith("#"):
            continue
        if len(columns) < least:
            if columns[0].split(" ")[0] in ("track", "browser"):  # to browsers of genomes; a sequence may be called so
                continue
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


def _attributes(column: str) -> dict[str, str]:
    """What the last column of GFF3 tells, its escapes read.

    Example:
        >>> _attributes("ID=a%3Bb;pseudo=true")
        {'ID': 'a;b', 'pseudo': 'true'}
    """
    pairs = (pair.split("=", 1) for pair in column.split(";") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, value in pairs}


@dataclass(frozen=True)
class _Coding:
    """A line of type CDS: of which sequence, where it stands, its columns, and what its last column tells."""

    name: str
    where: str
    columns: Sequence[str]
    told: dict[str, str]


def _read_gff(path: Path, into: Intervals) -> Iterator[tuple[str, str, Region]]:
    coding: list[_Coding] = []
    broken: dict[str, bool] = {}
    parents: dict[str, str] = {}
    for where, columns in _columns(path, 8, "GFF3"):
        name, told = unquote(columns[0]), _attributes(columns[8] if len(columns) > 8 else "")
        if told.get("Is_circular", "").lower() == "true":
            into.circular.add(name)
        own = told.get("ID", where)
        broken[own] = broken.get(own, False) or columns[2] in PSEUDOGENES or _is_pseudo(told)
        parents[own] = told.get("Parent", "")
        if columns[2] == "CDS":
            coding.append(_Coding(name, where, columns, told))
    for line in coding:
        if _is_broken(line.told.get("ID", line.where), broken, parents):
            leave_out(line.where, "a CDS of a pseudogene (pseudo=true, or pseudogene)")
        else:
            if "transl_table" in line.told:
                into.tables[line.name].add(line.told["transl_table"])
            yield line.name, line.where, _region(line)


def _is_pseudo(told: dict[str, str]) -> bool:
    return told.get("pseudo", "").lower() == "true" or "pseudogene" in told


def _is_broken(name: str, broken: dict[str, bool], parents: dict[str, str]) -> bool:
    """Whether a feature, or one that it is a part of, is a broken gene."""
    waiting, seen = [name], set[str]()
    while waiting:
        name = waiting.pop()
        if broken.get(name):
            return True
        seen.add(name)
        waiting += [parent for parent in parents.get(name, "").split(",") if parent and parent not in seen]
    return False


def _region(line: _Coding) -> Region:
    begin, end, _, strand, phase = line.columns[3:8]
    if phase not in ("0", "1", "2", "."):
        raise UserError(f"{line.where}: expected the phase of a CDS, 0, 1 or 2, got {phase!r}")
    if phase == ".":
        note(f"{line.where.rpartition(':')[0]}: lines of type CDS without a phase are read from their first base")
    skipped = 0 if phase == "." else int(phase)  # bases before the first whole codon
    first, last = _number(line.where, begin) - 1, _number(line.where, end)
    return Region(first, last, _strand(line.where, strand), -skipped % 3)


def _read_bed(path: Path) -> Iterator[tuple[str, str, Region]]:
    for where, columns in _columns(path, 6, "BED"):
        span = _number(where, columns[1]), _number(where, columns[2])
        strand = _strand(where, columns[5])
        thick = _thick(where, columns, span)
        parts = [(max(thick[0], begin), min(thick[1], end)) for begin, end in _blocks(where, columns, span)]
        coding = sorted((part for part in parts if part[0] < part[1]), reverse=strand < 0)
        if not coding and thick != span:
            leave_out(where, "no thick part: it does not code")
            continue
        read = 0
        for number, part in enumerate(coding or [span], 1):
            yield columns[0], where if len(parts) == 1 else f"{where} block {number}", Region(*part, strand, read)
            read = (read + part[1] - part[0]) % 3


def _thick(where: str, columns: Sequence[str], span: tuple[int, int]) -> tuple[int, int]:
    """The part of a line of BED that codes: its columns 7 and 8; the whole of one that has none."""
    if len(columns) < 8:
        return span
    begin, end = _number(where, columns[6]), _number(where, columns[7])
    if begin < end and not span[0] <= begin < end <= span[1]:
        raise UserError(f"{where}: expected a thick part within {span[0]}..{span[1]}, got {begin}..{end}")
    return begin, end


def _blocks(where: str, columns: Sequence[str], span: tuple[int, int]) -> list[tuple[int, int]]:
    """The parts of a line of BED; the whole of one that has none.

    Raises:
        UserError: If there are not as many as it says, or one lies outside of it or on another.
    """
    if len(columns) < 12:
        return [span]
    sizes, starts = ([_number(where, n) for n in column.rstrip(",").split(",")] for column in columns[10:12])
    count = _number(where, columns[9])
    if not len(sizes) == len(starts) == count:
        raise UserError(f"{where}: expected {count} sizes and starts of blocks, got {len(sizes)} and {len(starts)}")
    blocks = sorted((span[0] + start, span[0] + start + size) for size, start in zip(sizes, starts, strict=True))
    if blocks[-1][1] > span[1] or any(one[1] > two[0] for one, two in pairwise(blocks)):
        raise UserError(f"{where}: expected blocks side by side within {span[0]}..{span[1]}, got others")
    return blocks
