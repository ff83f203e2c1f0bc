"""Words that are given one by one: in files with columns, and in memory; what is found in them goes back to them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from throughtime.applications.reading.inputs import Input, Inputs
from throughtime.data.tables.rows import JSON
from throughtime.data.text.columns import DOCUMENT
from throughtime.data.text.token_sheets import read_tokens
from throughtime.errors import UserError
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import note
from throughtime.runtime.text.entities import texts_in
from throughtime.runtime.text.tags import is_tag


def token_inputs(path: Path, tag_column: int | None, suffixes: Sequence[str]) -> Inputs | None:
    """The sentences of a file in columns, without their tags; None where a file is none by its name and its rows.

    Raises:
        UserError: If a row has more or fewer columns than the others.
    """
    kind = path.suffix.lower()
    if kind in JSON or path.is_dir() or not (kind in suffixes or _is_tagged(path)):
        return None
    sheet, sentences = read_tokens(path, tag_column)
    cells = [record.row.cells for record in sheet.records]
    return Inputs(
        sheet,
        [
            Input([cells[at][sheet.word] for at in rows], f"{path}:{sheet.records[rows[0]].row.line}", rows)
            for rows in sentences
        ],
        spread=True,
    )


def _is_tagged(path: Path) -> bool:
    """Whether every line of a text file that is not empty has a word and ends in a tag; tells it."""
    rows = [line.split() for line in file_lines(path)] if path.suffix.lower() == ".txt" else []
    words = [row for row in rows if row and row[0] != DOCUMENT and row[0] != "#"]
    found = bool(words) and all(len(row) > 1 and is_tag(row[-1]) for row in words)
    if found:
        note(f"{path}: every line is a word with its tag behind it, and the words alone are read")
    return found


def as_columns(row: Mapping[str, Any], number: int) -> str:
    """A sentence as rows of a file, which hold every word that has no tab and no line break."""
    words, tags = (texts_in(row.get(name)) for name in ("words", "tags"))
    if not words or len(words) != len(tags):
        raise UserError(f"example {number}: expected words and a tag for each, got {len(words)} and {len(tags)}")
    for text in (*words, *tags):
        if not text.strip(" ") or text == DOCUMENT or re.search(r"[\t\r\n]", text):
            raise UserError(f"example {number}: expected words and tags that a file in columns can hold, got {text!r}")
    return "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True)) + "\n"
