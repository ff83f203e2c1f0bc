"""The names and letters of GenBank; what its features tell is read where models are trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from throughtime.errors import UserError
from throughtime.runtime.dna.bases import encode
from throughtime.runtime.dna.fasta import Record
from throughtime.runtime.reading.files import file_lines

GENBANK = (".gb", ".gbk", ".gbff", ".genbank")
"""Suffixes of the format."""

KEYS = 12
"""Signs of a line in which its keyword stands."""


def read_genbank(path: Path) -> Iterator[Record]:
    """The records of a GenBank file, without their features.

    Raises:
        UserError: If there is none, one has no letters, or a letter is no base; names file and record.
    """
    name = None
    for told, letters in _parted(file_lines(path)):
        name = _name_of(told)
        where = f"{path}: record {name}"
        codes = encode(letters, where)
        if not len(codes):
            raise no_letters(where)
        yield Record(name, "", codes, where)
    if name is None:
        raise no_records(path)


def no_letters(where: str) -> UserError:
    """What to raise where a record stands for a sequence that it does not hold."""
    return UserError(f"{where}: expected its letters (ORIGIN), got none; download the full record")


def no_records(path: Path) -> UserError:
    """What to raise where a file has no record."""
    return UserError(f"{path}: expected GenBank, whose records begin with LOCUS, found none")


def _parted(lines: Iterable[str]) -> Iterator[tuple[dict[str, str], str]]:
    """What the keywords of each record tell, and its letters."""
    told: dict[str, str] | None = None
    letters: list[str] = []
    for line in lines:
        key, rest = line[:KEYS].rstrip(), line[KEYS:].strip()
        if key == "LOCUS" or line.startswith("//"):
            if told is not None:
                yield told, "".join(letters)
            told, letters = ({key: rest} if key == "LOCUS" else None), []
        elif told is None:
            continue
        elif "ORIGIN" in told and not line[:1].isalpha():
            letters.append(line.lstrip(" 0123456789"))
        elif line[:1].isalpha():
            told.setdefault(key, rest)
    if told is not None:
        yield told, "".join(letters)


def _name_of(told: Mapping[str, str]) -> str:
    """What a record is called: its first accession with the version, else its locus.

    Example:
        >>> _name_of({"LOCUS": "U1 5 bp", "ACCESSION": "U1 X2", "VERSION": "U1.3  GI:7"})
        'U1.3'
    """
    locus, accession, version = ([*told.get(key, "").split(), ""][0] for key in ("LOCUS", "ACCESSION", "VERSION"))
    base, dot, number = version.partition(".")
    return f"{accession or base}.{number}" if dot and number.isdigit() else version or accession or locus
