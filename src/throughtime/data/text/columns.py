"""Files of tagged sentences: CoNLL columns, and JSON lines of texts with spans."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from throughtime.data.text.labelled import ANSWER, ANSWERS
from throughtime.errors import UserError, listed
from throughtime.plain import parse_json
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import leave_out, note
from throughtime.runtime.text.tags import OUTSIDE, Span, is_tag, tag_spans
from throughtime.runtime.text.words import Word, find_words, split_sign

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


class TokenRow(NamedTuple):
    """A row of a file in columns."""

    line: int
    cells: list[str]
    tabs: bool


def read_columns(path: Path, tag_column: int | None = None) -> Iterator[TaggedSentence]:
    r"""Sentences of a file in columns: the first is the word, the last its tag, a blank line ends a sentence.

    Columns are tab-separated in a row that has a tab, else separated by spaces. A row of :data:`DOCUMENT` is none of
    a sentence, nor is a comment: what begins with ``#`` and has not the form of a row. A first column that counts the
    words of each sentence is left out, with the rows of ranges (``1-2``) and of empty nodes (``1.1``) of CoNLL-U.
    Lines end at ``"\n"`` alone: other separators of Unicode may be words.

    Args:
        path: The file.
        tag_column: From 1; None: the last. Of nested layers, whose types are the same, it is the outer one.

    Raises:
        UserError: If a row has more or fewer columns than the first one, or no tag; names the line.
    """
    sentences = _sentences(path)
    if not sentences:
        return
    word = int(counts_words(path, sentences))
    tag = tag_column_of(path, [row.cells for rows in sentences for row in rows], word, tag_column)
    for rows in sentences:
        kept = [row for row in rows if not (word and PART.search(row.cells[0]))]
        for row in kept:
            _check_tag(path, row, tag)
        if kept:
            whole = len(kept) == kept[-1].line - kept[0].line + 1
            words, tags = ([row.cells[at] for row in kept] for at in (word, tag))
            yield TaggedSentence(words, tags, str(path), kept[0].line, whole)


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


_COMMENT = re.compile(r"#\s*[\w.:-]+\s*=(?:\s|$)")
_NUMBER = re.compile(r"\d+(?:[-.]\d+)?")
PART = re.compile(r"[-.]")


def _sentences(path: Path) -> list[list[TokenRow]]:
    """The rows of every sentence, without comments."""
    rows = [token_row(number, line) for number, line in enumerate(chain(file_lines(path), [""]), 1)]
    first = next((row for row in rows if row.cells and row.cells[0][:1] != "#" and row.cells[0] != DOCUMENT), None)
    sentences: list[list[TokenRow]] = [[]]
    columns = 0
    for row in rows:
        if not row.cells or row.cells[0] == DOCUMENT:
            sentences += [[]] if sentences[-1] else []
        elif is_comment(row, first):
            leave_out(f"{path}:{row.line}", "a comment")
        else:
            columns = columns or len(row.cells)
            _check_row(path, row, columns)
            sentences[-1].append(row)
    return sentences[:-1]


def token_row(number: int, line: str) -> TokenRow:
    """A line as a row; without cells where it is blank."""
    line = line.rstrip(" \t\n")
    tabs = "\t" in line
    return TokenRow(number, line.split("\t") if tabs else [column for column in line.split(" ") if column], tabs)


def is_comment(row: TokenRow, first: TokenRow | None) -> bool:
    """Whether a row is no word's: it begins with ``#``, and has another form than the first row that does not."""
    if row.cells[0][:1] != "#":
        return False
    same = first is None or (len(row.cells), row.tabs) == (len(first.cells), first.tabs)
    return not (same and any(map(is_tag, row.cells[1:]))) or bool(_COMMENT.match(" ".join(row.cells)))


def counts_words(path: Path, sentences: list[list[TokenRow]]) -> bool:
    """Whether the first column counts words.

    Raises:
        UserError: If it holds nothing but numbers, and no other column holds words.
    """
    if not all(_NUMBER.fullmatch(row.cells[0]) for rows in sentences for row in rows):
        return False
    counted = [[int(row.cells[0]) for row in rows if not PART.search(row.cells[0])] for rows in sentences]
    begun, ended = [found[0] for found in counted if found], [found[-1] for found in counted if found]
    goes_on = all(one in (0, 1, before + 1) for one, before in zip(begun, [0, *ended], strict=False))
    counts = goes_on and all(found == list(range(found[0], found[0] + len(found))) for found in counted if found)
    first, size = sentences[0][0], sum(map(len, sentences))
    if counts and len(first.cells) > 2:
        note(f"{path}: the first column counts the words, which are column 2")
        return True
    if size > 2 and (counts or len(first.cells) > 2):
        raise UserError(
            f"{path}:{first.line}: expected words in the first column, or a count of them (1, 2, 3, …) and then the "
            "words, got nothing but numbers; mend the columns"
        )
    return False


def tag_column_of(path: Path, rows: list[list[str]], word: int, asked: int | None) -> int:
    """Which column holds the tags, from 0."""
    width = len(rows[0])
    if asked is not None:
        if not word + 2 <= asked <= width:
            raise UserError(f"--tag-column: expected a column from {word + 2} to {width} of {path}, got {asked}")
        return asked - 1
    layers = [at for at in range(word + 1, width) if all(is_tag(row[at]) for row in rows)]
    types = {at: {row[at][2:] for row in rows if row[at] != OUTSIDE} for at in layers}
    chosen = width - 1
    if chosen in layers:
        # Nested entities: the inner ones stand behind the outer ones.
        while chosen - 1 in layers and types[chosen] <= types[chosen - 1] and (types[chosen] or word):
            chosen -= 1
    elif not any(is_tag(row[chosen]) and row[chosen] != OUTSIDE for row in rows):
        chosen = next((at for at in reversed(layers) if types[at]), chosen)
    others = [str(at + 1) for at in layers if at != chosen]
    if others:
        note(
            f"{path}: tags are column {chosen + 1} of {width}; {', '.join(others)} could be tags, too: "
            "--tag-column takes another"
        )
    elif chosen < width - 1:
        note(f"{path}: tags are column {chosen + 1} of {width}, the only one of tags alone")
    return chosen


def _check_row(path: Path, row: TokenRow, columns: int) -> None:
    if len(row.cells) < 2 or not row.cells[0]:
        raise UserError(
            f"{path}:{row.line}: expected at least 2 columns, the word first and its tag last, got {row.cells}; "
            "put a tab or spaces between columns, and O where there is no entity"
        )
    if len(row.cells) != columns:
        raise UserError(
            f"{path}:{row.line}: expected {columns} columns as in the rows before, got {len(row.cells)}; mend the row"
        )


def _check_tag(path: Path, row: TokenRow, column: int) -> None:
    tag = row.cells[column]
    if not is_tag(tag):
        last = column == len(row.cells) - 1
        raise UserError(
            f"{path}:{row.line}: expected a tag such as O, B-person or I-person in "
            f"{'the last column' if last else f'column {column + 1}'}, got {tag!r}; "
            f"{'put the tags into the last column' if last else 'mend the row'}, or pass --tag-column"
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
