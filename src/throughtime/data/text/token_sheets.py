"""Files of words in columns that are read whole, and written again with a tag more behind every word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from throughtime.data.text.columns import (
    DOCUMENT,
    PART,
    TokenRow,
    counts_words,
    is_comment,
    tag_column_of,
    token_row,
)
from throughtime.errors import UserError
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import leave_out, note
from throughtime.runtime.text.tags import OUTSIDE, is_tag

FILL = "-X-"
"""Stands in the columns of a row that begins a document, as in CoNLL-2003."""

TABBED = (".tsv", ".tab")
"""Suffixes of files whose columns are divided by tabs."""

Kind = Literal["word", "end", "document", "aside"]
"""Of a row: a word's, the end of a sentence, the beginning of a document, or what belongs to no sentence."""


@dataclass(frozen=True)
class TokenRecord:
    """A row: what it is, and its cells."""

    kind: Kind
    row: TokenRow


@dataclass(frozen=True)
class TokenSheet:
    """The rows of a file in columns.

    Attributes:
        path: The file.
        records: Its rows.
        width: Columns of a word's row.
        word: Column of the words, from 0.
        gold: Column of the tags, from 0; None: there are none.
    """

    path: Path
    records: list[TokenRecord]
    width: int
    word: int
    gold: int | None

    suffixes = (".conll", ".bio", ".iob", ".txt", *TABBED)
    """Of the files that it can be written to."""

    def written(self, added: Sequence[Mapping[str, Any] | None], suffix: str) -> Iterator[bytes]:
        """The file as the shared tasks' script ``conlleval`` takes it: tags, and then those that were found, come last.

        One space divides columns, a tab where a word has a space in it or the suffix asks for it. Comments are left
        out; a row that begins a document has as many columns as the others.
        """
        spaced = any(not cell or " " in cell for found in self.records for cell in found.row.cells)
        if spaced and suffix not in TABBED:
            note(f"{self.path}: cells are empty or have spaces, so tabs divide what is written: conlleval -d '\\t'")
        between = "\t" if spaced or suffix in TABBED else " "
        for record, more in zip(self.records, added, strict=True):
            cells = record.row.cells
            if record.kind == "end":
                yield b"\n"
            elif record.kind == "document":
                filled = [*cells, *[FILL] * self.width][: self.width]
                yield self._line(filled, None if self.gold is None else OUTSIDE, OUTSIDE, between)
            elif record.kind == "word":
                gold = None if self.gold is None else cells[self.gold]
                yield self._line(cells, gold, str((more or {}).get("predicted", OUTSIDE)), between)

    def _line(self, cells: Sequence[str], gold: str | None, said: str, between: str) -> bytes:
        """A row: its columns, the tag where there is one, what was found."""
        before = list(cells)
        if gold is not None and self.gold == self.width - 1:
            before[-1] = gold
        elif gold is not None:
            before.append(gold)
        return f"{between.join([*before, said])}\n".encode()


def read_tokens(path: Path, tag_column: int | None = None) -> tuple[TokenSheet, list[list[int]]]:
    """A file in columns as it stands, and which of its rows are each sentence's words.

    Tags may be there or not, and are what they are: no word is read otherwise because of them.

    Args:
        path: The file; see :func:`throughtime.data.text.columns.read_columns`.
        tag_column: From 1; None: found as there.

    Raises:
        UserError: If a row has more or fewer columns than the first one; names the line.
    """
    rows = [token_row(number, line) for number, line in enumerate(file_lines(path), 1)]
    first = next((row for row in rows if _may_be_first(row)), None)
    if first is None:
        raise UserError(f"{path}: expected rows of words, got none")
    width = len(first.cells)
    tagged = any(map(is_tag, first.cells[1:]))
    kinds: list[Kind] = [_kind(path, row, first, tagged) for row in rows]
    for row, kind in zip(rows, kinds, strict=True):
        if kind == "word" and len(row.cells) != width:
            raise UserError(
                f"{path}:{row.line}: expected {width} columns as in the rows before, got {len(row.cells)}; mend the row"
            )
    word = int(counts_words(path, [[rows[at] for at in run] for run in _runs(kinds)]))
    for at, kind in enumerate(kinds):
        if kind == "word" and word and PART.search(rows[at].cells[0]):
            kinds[at] = "aside"
            leave_out(f"{path}:{rows[at].line}", "a range, or an empty node")
    words = [row.cells for row, kind in zip(rows, kinds, strict=True) if kind == "word"]
    records = [TokenRecord(kind, row) for kind, row in zip(kinds, rows, strict=True)]
    return TokenSheet(path, records, width, word, _gold(path, words, word, tag_column)), _runs(kinds)


def _may_be_first(row: TokenRow) -> bool:
    return bool(row.cells) and row.cells[0] != DOCUMENT and not (row.cells[0][:1] == "#" and len(row.cells) > 1)


def _kind(path: Path, row: TokenRow, first: TokenRow, tagged: bool) -> Kind:
    if not row.cells or row.cells == [""]:
        return "end"
    if row.cells[0] == DOCUMENT:
        return "document"
    # Without tags a comment is known by its form alone.
    other = row.cells[0][:1] == "#" and (len(row.cells), row.tabs) != (len(first.cells), first.tabs)
    if is_comment(row, first) if tagged else other:
        leave_out(f"{path}:{row.line}", "a comment")
        return "aside"
    return "word"


def _runs(kinds: Sequence[Kind]) -> list[list[int]]:
    """The words of every sentence."""
    runs: list[list[int]] = [[]]
    for at, kind in enumerate(kinds):
        if kind == "word":
            runs[-1].append(at)
        elif kind != "aside" and runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _gold(path: Path, rows: list[list[str]], word: int, asked: int | None) -> int | None:
    """The column of tags; None where there are none."""
    width = len(rows[0])
    if width < word + 2 or (asked is not None and asked > width):
        return None
    found = tag_column_of(path, rows, word, asked)
    return found if 2 * sum(is_tag(row[found]) for row in rows) > len(rows) else None
