"""Texts with labels: CSV, TSV and JSON lines with columns named or guessed, and a folder a class."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from throughtime.data.parts import part_of
from throughtime.data.text.files import file_lines
from throughtime.errors import UserError, nearest
from throughtime.plain import parse_object

TEXT_NAMES = ("text", "sentence", "review", "comment", "content", "tweet", "phrase", "message", "body", "document")
LABEL_NAMES = ("label", "sentiment", "class", "category", "polarity", "target", "rating", "stars", "emotion", "intent")
"""Names of columns that are looked for, in this order."""

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson")
"""Suffixes of files with columns."""

SEEN = 1000
"""Rows by which columns without names are told apart."""

csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class LabelledText:
    """A text and its label.

    Attributes:
        text: As it stands in the file.
        label: Its class.
        where: File and line.
    """

    text: str
    label: str
    where: str


def is_labelled(path: Path) -> bool:
    """Whether a path is a file with columns, or a folder of classes."""
    return path.suffix.lower() in TABLES if path.is_file() else len(class_folders(path, (".txt",))) > 1


def read_labelled(path: Path, text: str | None = None, label: str | None = None) -> Iterator[LabelledText]:
    """The texts of a file, or of a folder that holds a folder of ``.txt`` files for every class.

    Args:
        path: The file or folder.
        text: Name, or number from 1, of the column with the texts; None: guessed.
        label: The same of the labels.

    Raises:
        UserError: If a row has too few columns or no label, or the columns cannot be told apart; names the line.
    """
    if path.is_dir():
        return _read_folder(path)
    if path.suffix.lower() not in TABLES:
        raise UserError(f"{path}: expected {', '.join(TABLES)}, or a folder that holds a folder for every class")
    asked = {name.lower() for name in (text, label) if name is not None}
    return _pick(path, read_rows(path, {*TEXT_NAMES, *LABEL_NAMES, *asked}), text, label)


Row = tuple[int, dict[str, str]]
"""The number of a line, and its columns by name; where the file names none, by number from 1."""


def read_rows(path: Path, headings: Set[str]) -> Iterator[Row]:
    """The rows of a file with columns, one of :data:`TABLES`.

    Args:
        path: The file.
        headings: Names, in lower case, by one of which a first line of headings is known.

    Raises:
        UserError: If a line is broken, or a row has too few columns; names it.
    """
    kind = path.suffix.lower()
    if kind in (".jsonl", ".ndjson"):
        return _read_json(path)
    return _read_table(path, "," if kind == ".csv" else "\t", headings)


def first_rows(rows: Iterator[Row]) -> tuple[list[dict[str, str]], Iterator[Row]]:
    """The columns of the first :data:`SEEN` rows, by which columns are told apart, and all rows."""
    held = list(islice(rows, SEEN))
    return [columns for _, columns in held], chain(held, rows)


def class_folders(folder: Path, suffixes: Sequence[str]) -> dict[str, list[Path]]:
    """The files of every class, by the name of the folder that they lie in; folders of parts are no classes."""
    if not folder.is_dir():
        return {}
    inside = [found for found in sorted(folder.iterdir()) if found.is_dir() and not part_of(found.name)]
    files = {found.name: [file for file in sorted(found.iterdir()) if _is_kind(file, suffixes)] for found in inside}
    return {name: found for name, found in files.items() if found}


def _is_kind(file: Path, suffixes: Sequence[str]) -> bool:
    return file.suffix.lower() in suffixes and file.is_file()


def _read_folder(folder: Path) -> Iterator[LabelledText]:
    classes = class_folders(folder, (".txt",))
    if not classes:
        raise UserError(f"{folder}: expected a folder of .txt files for every class, found none")
    for name, files in classes.items():
        for file in files:
            yield LabelledText("".join(file_lines(file)).strip(), name, str(file))


def _read_json(path: Path) -> Iterator[Row]:
    for number, line in enumerate(file_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        columns = parse_object(line, where, constants=True)
        try:
            yield number, {name: _text(found) for name, found in columns.items() if found is not None}
        except RecursionError as error:
            raise UserError(f"{where}: expected plain JSON, got one nested too deeply; the file is damaged") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read_table(path: Path, separator: str, headings: Set[str]) -> Iterator[Row]:
    lines = file_lines(path)
    first = next(lines, "")
    if separator == "," and first.count(";") > first.count(","):
        separator = ";"
    if separator == "\t":  # quotes are letters there, as in most corpora
        reader = csv.reader(_again(first, lines), delimiter=separator, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(_again(first, lines), delimiter=separator, strict=True)
    names: list[str] | None = None
    try:
        for row in reader:
            if not row:
                continue
            if names is None:
                lowered = [cell.strip().lower() for cell in row]
                if headings & set(lowered):
                    names = [cell.strip() for cell in row]
                    continue
                names = [str(number) for number in range(1, len(row) + 1)]
            if len(row) < len(names):
                raise UserError(f"{path}:{reader.line_num}: expected {len(names)} columns, got {len(row)}")
            yield reader.line_num, dict(zip(names, row, strict=False))
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: expected a row of a table, got a broken one: {error}") from error


def _again(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _pick(path: Path, rows: Iterator[Row], text: str | None, label: str | None) -> Iterator[LabelledText]:
    columns, rows = first_rows(rows)
    if not columns:
        return
    text = find_column(path, columns, text, TEXT_NAMES, "--text-column", longest)
    label = find_column(path, columns, label, LABEL_NAMES, "--label-column", fewest, taken=text)
    for number, found in rows:
        where = f"{path}:{number}"
        if text not in found or not found.get(label, "").strip():
            name = text if text not in found else label
            raise UserError(f"{where}: expected a value in column {name!r}, got none; a text needs its label")
        yield LabelledText(found[text], found[label].strip(), where)


def find_column(
    path: Path,
    rows: Sequence[dict[str, str]],
    asked: str | None,
    usual: Sequence[str],
    option: str,
    guess: Callable[[Sequence[str], Sequence[dict[str, str]]], str],
    taken: str | None = None,
) -> str:
    """The name of the column that holds something, such as the texts or the labels.

    Args:
        path: The file, for messages.
        rows: Its first rows.
        asked: The name, or number from 1, that the user gave; None: looked for.
        usual: Names that are looked for, in lower case, in this order.
        option: That names the column.
        guess: Chooses one of some columns by what the rows hold.
        taken: The column that holds something else.

    Raises:
        UserError: If there is no such column, or only one.
    """
    names = list(rows[0])
    if asked is not None:
        if asked in names:
            return asked
        if asked.isdecimal() and 1 <= int(asked) <= len(names):
            return names[int(asked) - 1]
        raise UserError(f"{option}: {path} has no column {asked!r}{nearest(asked, names)}; columns: {', '.join(names)}")
    by_name = {name.lower(): name for name in reversed(names) if name != taken}
    for name in usual:
        if name in by_name:
            return by_name[name]
    others = [name for name in names if name != taken]
    if not others:
        raise UserError(f"{path}: expected two columns, got one, {taken!r}; mend the file, or pass {option}")
    return guess(others, rows)


def longest(names: Sequence[str], rows: Sequence[dict[str, str]]) -> str:
    """The column with the longest values: the texts."""
    return max(names, key=lambda name: sum(len(row.get(name, "")) for row in rows))


def fewest(names: Sequence[str], rows: Sequence[dict[str, str]]) -> str:
    """The column with the fewest different values, more than one: the labels."""

    def different(name: str) -> float:
        count = len({row.get(name) for row in rows})
        return count if count > 1 else float("inf")

    return min(names, key=different)
