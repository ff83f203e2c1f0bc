"""What a model of DNA is given: letters, and files of sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from throughtime.errors import UserError, listed, shown
from throughtime.runtime.dna.bases import encode
from throughtime.runtime.dna.fasta import FASTA, GFF, Record, read_fasta
from throughtime.runtime.dna.genbank import GENBANK, read_genbank

Given = str | Path | Iterable[str | Path]
"""Letters or a file, or several of either."""

SEQUENCES = (*GENBANK, *FASTA, *GFF)
"""Suffixes of files that hold letters with names."""


def read_given(inputs: Given, line: str, kinds: Sequence[str] = ()) -> Iterator[Record]:
    """The records of letters, and of every file.

    Args:
        inputs: One or several; a text with a dot or a slash is a file's name, as no letters have one.
        line: What letters are called, before their number.
        kinds: Suffixes of files that are read; none: what is not GenBank is FASTA.

    Raises:
        UserError: If one is neither, a file is not as it should be, or a letter is no base.
    """
    if not isinstance(inputs, Iterable | Path):
        raise UserError(f"inputs: expected letters of DNA, or paths, got {shown(inputs)}")
    for number, item in enumerate([inputs] if isinstance(inputs, str | Path) else inputs, 1):
        if not isinstance(item, str | Path):
            raise UserError(f"input {number}: expected letters of DNA, or a path, got {shown(item)}")
        if isinstance(item, Path) or "." in item or "/" in item:
            path = Path(item)
            if kinds and path.suffix.lower() not in kinds:
                raise UserError(
                    f"{path}: expected a file that ends in {listed(kinds)}; of a table give the letters alone, a line "
                    "each, on standard input"
                )
            yield from read_genbank(path) if path.suffix.lower() in GENBANK else read_fasta(path)
        else:
            yield Record(f"{line}{number}", "", encode(item, f"line {number}"), f"line {number}")
