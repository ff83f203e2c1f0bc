"""Sequences with names: FASTA, also where GFF3 ends with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path

from throughtime.errors import UserError, listed
from throughtime.runtime.dna.bases import Codes, encode
from throughtime.runtime.dna.regions import Region
from throughtime.runtime.reading.files import file_lines

FASTA = (".fa", ".fasta", ".fna")
GFF = (".gff3", ".gff")
"""Suffixes of the formats."""


@dataclass(frozen=True)
class Record:
    """A sequence and what is known of it.

    Attributes:
        name: As the file names it.
        header: The rest of the line that names it.
        codes: Its letters as numbers, ``[L]``: see :mod:`throughtime.data.dna.bases`.
        where: File and record.
        regions: Its coding regions; None where the file tells of none.
        genetic_codes: NCBI's numbers of the codes that its regions are told to have (``transl_table``).
    """

    name: str
    header: str
    codes: Codes
    where: str
    regions: list[Region] | None = field(default=None)
    genetic_codes: Sequence[int] = ()


def begins_fasta(line: str) -> bool:
    """Whether what follows in a GFF3 file are its sequences."""
    return line.rstrip() == "##FASTA" or line.startswith(">")


def read_fasta(path: Path) -> Iterator[Record]:
    """The records of a FASTA file, or of the part of a GFF3 file that is one.

    Raises:
        UserError: If it is none, or a letter is no base; names file and record.
    """
    text: Iterator[str] = iter(file_lines(path))
    if path.suffix.lower() in GFF:
        text = dropwhile(lambda line: not line.startswith(">"), dropwhile(lambda line: not begins_fasta(line), text))
    first = next((line for line in text if line.strip()), "")
    if path.suffix.lower() in GFF and not first:
        raise UserError(
            f"{path}: expected sequences under ##FASTA, found none; put them into a FASTA file of the same name "
            f"({listed(FASTA)}) beside it, and name that"
        )
    if not first.startswith(">"):
        raise UserError(f"{path}: expected FASTA, whose records begin with a line '>name', got {first.strip()[:40]!r}")
    lines = (line for lines in ([first], text) for line in lines)
    for number, (title, letters) in enumerate(_parted(lines), 1):
        name, header = [*title.split(maxsplit=1), "", ""][:2]  # a name ends at the first space or tab
        where = f"{path}: record {name or number}"
        if not letters.strip():
            raise UserError(f"{where}: expected letters, got none; fill the record, or take it out")
        yield Record(name or str(number), header.strip(), encode(letters, where), where)


def _parted(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The line that names a record, without its sign, and all letters below it; the first line names one."""
    title, letters = "", list[str]()
    for number, line in enumerate(lines):
        if line.startswith(">"):
            if number:
                yield title, "".join(letters)
            title, letters = line[1:].rstrip(), []
        else:
            letters.append(line.rstrip())
    yield title, "".join(letters)
