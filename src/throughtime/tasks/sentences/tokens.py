"""Words that are given one by one: in files with columns, and in memory; what is found in them goes back to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughtime.applications.reading.inputs import Input, Inputs
from throughtime.data.notes import note
from throughtime.data.tables.rows import JSON
from throughtime.data.text.columns import DOCUMENT
from throughtime.data.text.files import file_lines
from throughtime.data.text.token_sheets import read_tokens
from throughtime.errors import UserError
from throughtime.runtime.text.tags import Scheme, Span, is_tag, tag_spans
from throughtime.runtime.text.words import Word, split_sign


@dataclass(frozen=True)
class GivenWords:
    """A sentence whose words are given.

    Attributes:
        words: Each with its place in the text.
        text: They with a space between them.
    """

    words: list[Word]
    text: str

    def tags(self, entities: Sequence[tuple[int, int, str]], scheme: Scheme) -> list[str]:
        """A tag for every word from entities in the text.

        An entity takes in the words whose last part it does: a sign (``@ann``) is read as a word of its own.
        """
        lasts = [[*split_sign(word)][-1] for word in self.words]
        spans = []
        for start, end, label in entities:
            inside = [at for at, last in enumerate(lasts) if last.start < end and start < last.end]
            if inside:
                spans.append(Span(inside[0], inside[-1] + 1, label))
        return tag_spans(spans, len(self.words), scheme)


def words_of(item: Any, number: int) -> GivenWords:
    """The words of a sentence in memory.

    Raises:
        UserError: If it is no list of texts.

    Example:
        >>> words_of(["New", "York"], 1).words
        [Word(text='New', start=0, end=3), Word(text='York', start=4, end=8)]
    """
    words = _texts(item)
    if not words or not all(words):
        raise UserError(f"input {number}: expected a line of text, or a list of words, got a {type(item).__name__}")
    found, at = [], 0
    for word in words:
        found.append(Word(word, at, at + len(word)))
        at += len(word) + 1
    return GivenWords(found, " ".join(words))


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
    words, tags = (_texts(row.get(name)) for name in ("words", "tags"))
    if not words or len(words) != len(tags):
        raise UserError(f"example {number}: expected words and a tag for each, got {len(words)} and {len(tags)}")
    for text in (*words, *tags):
        if not text.strip(" ") or text == DOCUMENT or re.search(r"[\t\r\n]", text):
            raise UserError(f"example {number}: expected words and tags that a file in columns can hold, got {text!r}")
    return "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True)) + "\n"


def _texts(values: Any) -> list[str]:
    """A sequence's texts; none where it is no sequence."""
    return [str(value) for value in values] if isinstance(values, Iterable) and not isinstance(values, str) else []
