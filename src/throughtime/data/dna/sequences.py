"""Sequences of DNA with a label each: FASTA, tables, and the format of UCI's splice junctions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from throughtime.data.dna.bases import Codes, encode
from throughtime.data.tables.rows import TABLES
from throughtime.data.text.labelled import read_labelled
from throughtime.errors import UserError, listed
from throughtime.runtime.dna.fasta import FASTA, Record, read_fasta
from throughtime.runtime.dna.intervals import INTERVALS
from throughtime.runtime.reading.files import file_lines

ROWS = (".data",)
"""Suffixes of files with rows ``class, name, letters``."""

KINDS = (*FASTA, *TABLES, *ROWS)
"""Suffixes of all formats."""


@dataclass(frozen=True)
class LabelledSequence:
    """A sequence and its label.

    Attributes:
        name: As the file names it.
        codes: Its letters as numbers, ``[L]``.
        label: Its class.
        where: File and line or record.
    """

    name: str
    codes: Codes
    label: str
    where: str


def read_sequences(
    path: Path, text: str | None = None, label: str | None = None, header: bool | None = None
) -> Iterator[LabelledSequence]:
    """The sequences of a file.

    Args:
        path: FASTA with headers ``>name label`` or ``>name|label``; a table; or rows ``class, name, letters``.
        text: Name, or number from 1, of a table's column with the sequences; None: guessed.
        label: The same of the labels.
        header: Whether a table's first row names its columns; None: judged by the whole.

    Raises:
        UserError: If there is no label, or a letter is no base; names the line or record.
    """
    kind = path.suffix.lower()
    if kind in FASTA:
        for record in read_fasta(path):
            name, found = _split_header(path, record)
            yield LabelledSequence(name, record.codes, found, record.where)
    elif kind in ROWS:
        yield from _read_rows(path)
    elif kind in TABLES:
        for row in read_labelled(path, text, label, header):
            yield LabelledSequence(row.where, _encode(row.text, row.where), row.label, row.where)
    else:
        raise UserError(f"{path}: expected a file that ends in {listed(KINDS)}")


def _split_header(path: Path, record: Record) -> tuple[str, str]:
    if record.header and len(record.header.split()) == 1:
        return record.name, record.header
    name, _, label = record.name.rpartition("|")
    if record.header or not (name and label):
        beside = listed(path.with_suffix(suffix).name for suffix in INTERVALS)
        raise UserError(
            f"{record.where}: expected a label, as in '>name label' or '>name|label', or the coding regions of the "
            f"file in one of {beside}; got '>{' '.join(filter(None, (record.name, record.header)))[:40]}'"
        )
    return name, label


def _read_rows(path: Path) -> Iterator[LabelledSequence]:
    for number, line in enumerate(file_lines(path), 1):
        if not line.strip():
            continue
        where, columns = f"{path}:{number}", [column.strip() for column in line.split(",")]
        if len(columns) != 3 or not all(columns):
            raise UserError(f"{where}: expected a row 'class, name, letters', got {line.strip()[:40]!r}")
        yield LabelledSequence(columns[1], _encode(columns[2], where), columns[0], where)


def _encode(letters: str, where: str) -> Codes:
    codes = encode(letters, where)
    if not len(codes):
        raise UserError(f"{where}: expected letters, got none; fill the row, or take it out")
    return codes
