"""Files of tagged sentences: CoNLL columns, and JSON lines of texts with spans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from throughtime.data.notes import leave_out
from throughtime.data.text.files import file_lines
from throughtime.data.text.labelled import ANSWER, ANSWERS
from throughtime.data.text.tags import Span, is_tag, tag_spans
from throughtime.data.text.words import Word, find_words, split_sign
from throughtime.errors import UserError, listed
from throughtime.plain import parse_json

DOCUMENT = "-DOCSTART-"
"""The word of a row that begins a document (CoNLL-2003)."""

SPANS = ("spans", "entities", "labels", "label")
"""Keys that programs write spans under."""


@dataclass(frozen=True)
class TaggedSentence:
    """Words and the tag of each.

    Attributes:
        words: The words.
        tags: As many, of any scheme.
        file: Where it comes from.
        line: Of the first word, from 1.
        row_a_word: Every word has a line of its own.
    """

    words: list[str]
    tags: list[str]
    file: str
    line: int
    row_a_word: bool = True

    @property
    def where(self) -> str:
        """File and line."""
        return self.where_is(0)

    def where_is(self, word: int) -> str:
        """File and line of a word."""
        return f"{self.file}:{self.line + word * self.row_a_word}"


def read_columns(path: Path) -> Iterator[TaggedSentence]:
    r"""Sentences of a file in columns: the first is the word, the last its tag, a blank line ends a sentence.

    Columns are tab-separated in a row that has a tab, else separated by spaces. A row of :data:`DOCUMENT` is none of
    a sentence. Lines end at ``"\n"`` alone: other separators of Unicode may be words.

    Raises:
        UserError: If a row has more or fewer columns than the first one, or no tag; names the line.
    """
    words: list[str] = []
    tags: list[str] = []
    begin = columns = 0
    for number, line in enumerate(chain(file_lines(path), [""]), 1):
        row = _row(line)
        if row and row[0] != DOCUMENT:
            columns = columns or len(row)
            _check_row(path, number, row, columns)
            begin = begin if words else number
            words.append(row[0])
            tags.append(row[-1])
        elif words:
            yield TaggedSentence(words, tags, str(path), begin)
            words, tags = [], []


def read_spans(path: Path) -> Iterator[TaggedSentence]:
    """Texts of a file of JSON lines, ``{"text": "…", "spans": [[0, 4, "person"]]}``, tagged in IOB2.

    Spans are counted in characters, ``[start, end, label]`` or ``{"start": …, "end": …, "label": …}``, under any key of
    :data:`SPANS`. A span takes in every word that it touches; where spans then overlap, the longest is kept, of two
    equally long ones the first: a word has one tag. A text that an annotator did not accept (Prodigy's ``answer``) is
    left out.

    Raises:
        UserError: If a line is not as it should be; names it.
    """
    for number, line in enumerate(file_lines(path), 1):
        if line.strip():
            where = f"{path}:{number}"
            record = _record(where, line)
            if (answer := record.get(ANSWER)) in ANSWERS - {"accept"}:
                leave_out(where, f"the answer is {answer}")
                continue
            text, spans = record["text"], _spans(where, line, record)
            found = find_words(text)
            kept = _apart([_touched(where, span, found, len(text)) for span in spans])
            yield TaggedSentence(
                [word.text for word in found], tag_spans(kept, len(found), "iob2"), str(path), number, False
            )


def _row(line: str) -> list[str]:
    line = line.rstrip(" \t\n")
    return line.split("\t") if "\t" in line else [column for column in line.split(" ") if column]


def _check_row(path: Path, number: int, row: list[str], columns: int) -> None:
    if len(row) < 2 or not row[0]:
        raise UserError(
            f"{path}:{number}: expected at least 2 columns, the word first and its tag last, got {row}; "
            "put a tab or spaces between columns, and O where there is no entity"
        )
    if len(row) != columns:
        raise UserError(
            f"{path}:{number}: expected {columns} columns as in the rows before, got {len(row)}; mend the row"
        )
    if not is_tag(row[-1]):
        raise UserError(
            f"{path}:{number}: expected a tag such as O, B-person or I-person in the last column, got {row[-1]!r}; "
            "put the tags into the last column"
        )


def _record(where: str, line: str) -> dict[str, Any]:
    record = parse_json(line, where)
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise UserError(
            f'{where}: expected an object with a "text", got {line[:40]!r}; write {{"text": "…", "spans": []}}'
        )
    return record


def _spans(where: str, line: str, record: dict[str, Any]) -> list[Any]:
    key = next((key for key in SPANS if key in record), None)
    if key is None or not isinstance(record[key], list):
        keys = listed(f'"{key}"' for key in SPANS)
        raise UserError(f"{where}: expected a list of spans under one of {keys}, got {line[:40]!r}; write [] for none")
    found: list[Any] = record[key]
    return found


def _touched(where: str, span: Any, words: list[Word], length: int) -> Span:
    """The words that a span of characters touches."""
    values = [span.get(key) for key in ("start", "end", "label")] if isinstance(span, dict) else span
    match values:
        case [int(start), int(end), str(label)] if 0 <= start < end <= length and label.strip():
            inside = [i for i, word in enumerate(words) if word.start < end and start < word.end]
            if inside:
                return Span(inside[0], inside[-1] + 1, label)
    raise UserError(
        f"{where}: expected a span [start, end, label] of characters around some word of a text of {length}, got "
        f"{json.dumps(span, ensure_ascii=False)[:80]}; count from 0, the end not counted"
    )


def _apart(spans: list[Span]) -> list[Span]:
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return kept


def split_signs(sentence: TaggedSentence) -> TaggedSentence:
    """A sentence with the signs of names and tags (@ann, #fun) as words of their own, outside of what they begin.

    Example:
        >>> split_signs(TaggedSentence(["hi", "@ann", "#bo"], ["O", "B-per", "I-per"], "x", 1)).tags
        ['O', 'O', 'B-per', 'I-per', 'I-per']
    """
    words: list[str] = []
    tags: list[str] = []
    for word, tag in zip(sentence.words, sentence.tags, strict=True):
        parts = [part.text for part in split_sign(Word(word, 0, len(word)))]
        words += parts
        before = "O" if tag[0] in "OBS" else f"I{tag[1:]}"  # an entity goes on through the sign
        tags += [before] * (len(parts) - 1) + [tag]
    if len(words) == len(sentence.words):
        return sentence
    return replace(sentence, words=words, tags=tags, row_a_word=False)
