"""The rows of files with columns: CSV, TSV and JSON lines."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from throughtime.data.tables.dialect import Dialect, find_dialect
from throughtime.data.tables.heading import has_heading
from throughtime.errors import UserError, listed, shown
from throughtime.plain import parse_object
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import leave_out, note

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson")
"""Suffixes of files with columns."""

JSON = (".jsonl", ".ndjson")
"""Those of them that are JSON lines."""

SEEN = 1000
"""Rows by which columns without names are told apart."""

csv.field_size_limit(1 << 30)

Row = tuple[int, dict[str, str]]
"""The number of a line, and its columns by name; where the file names none, by number from 1."""

NONE = "none"
"""The kind of a value that is not there."""

Cells = tuple[int, list[str]]
"""The number of a line, and its cells."""


class NoText(str):
    """A value of a JSON line that is no text, as JSON: a number, a list, an object; empty where there is none.

    Attributes:
        kind: What it is, as a message says it.
    """

    kind: str

    @classmethod
    def of(cls, value: Any) -> NoText:
        """The value as JSON; null and NaN, which Python writes for it, are none."""
        found = cls() if value is None or value != value else cls(json.dumps(value, ensure_ascii=False))
        kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
        found.kind = kinds[type(value)] if found else NONE
        return found


def read_rows(path: Path, headings: Set[str], header: bool | None = None) -> Iterator[Row]:
    """The rows of a file with columns, one of :data:`TABLES`.

    A first line ``sep=;`` names the separator, as Excel writes it; else a ``.csv`` is divided by what divides most of
    its lines alike. Rows without a single value are left out.

    Args:
        path: The file.
        headings: Names, in lower case, by one of which a first row of headings is known.
        header: Whether the first row is one of headings; None: judged by the whole. JSON lines name their columns.

    Raises:
        UserError: If a line is broken, a row has too few cells or more than there are headings, or it cannot be told
            whether the first row is one of headings; names the line.
    """
    if path.suffix.lower() in JSON:
        return _read_json(path)
    return _read_table(path, separator_of(path), headings, header)


def separator_of(path: Path) -> str | None:
    """What divides the cells of a table by its name; None: looked for."""
    return None if path.suffix.lower() == ".csv" else "\t"


def is_missing(value: str | None) -> bool:
    """Whether a row has no such column, or null stands in it."""
    return value is None or (isinstance(value, NoText) and value.kind == NONE)


def first_rows(rows: Iterator[Row]) -> tuple[list[dict[str, str]], Iterator[Row]]:
    """The columns of the first :data:`SEEN` rows, by which columns are told apart, and all rows."""
    held = list(islice(rows, SEEN))
    return [columns for _, columns in held], chain(held, rows)


def _read_json(path: Path) -> Iterator[Row]:
    for number, line in enumerate(file_lines(path), 1):
        if not line.strip():
            continue
        yield number, parse_line(line, f"{path}:{number}")


def parse_line(line: str, where: str) -> dict[str, str]:
    """The columns of a JSON line.

    Raises:
        UserError: If it holds no object, or one with a name twice.
    """
    columns = parse_object(line, where, constants=True, unique=True)
    try:
        return {name: _text(found) for name, found in columns.items()}
    except RecursionError as error:
        raise UserError(f"{where}: expected plain JSON, got one nested too deeply; the file is damaged") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else NoText.of(value)


def _read_table(path: Path, separator: str | None, headings: Set[str], header: bool | None) -> Iterator[Row]:
    table = parse_table(path, separator, headings, header)
    for number, row in table.rows:
        if (found := table.values(f"{path}:{number}", row)) is not None:
            yield number, found


@dataclass(frozen=True)
class Parsed:
    """A table of cells.

    Attributes:
        names: Of its columns.
        heading: The cells of the row that names them; None where there is none.
        rows: All others, also those without a value.
        dialect: How cells are divided.
        lead: Lines before them that only say so.
    """

    names: list[str]
    heading: list[str] | None
    rows: list[Cells]
    dialect: Dialect
    lead: list[str]

    def values(self, where: str, row: Sequence[str]) -> dict[str, str] | None:
        """The cells of a row by column; None where it holds no value, or is the heading again, which is told.

        Raises:
            UserError: If it has more or fewer cells than there are columns.
        """
        if not any(cell.strip() for cell in row):
            return None
        if self.heading is not None and [cell.strip() for cell in row] == [cell.strip() for cell in self.heading]:
            leave_out(where, "the heading stands there again")
            return None
        _check_width(where, row, self.names, self.heading is not None, self.dialect)
        return dict(zip(self.names, row, strict=False))


def parse_table(path: Path, separator: str | None, headings: Set[str], header: bool | None) -> Parsed:
    """The cells of a table; arguments and errors as of :func:`read_rows`, ``separator`` None: looked for."""
    lines = list(file_lines(path))
    whole = list(lines)
    dialect = find_dialect(path, lines, separator, headings)
    lead = [line for line, left in zip(whole, lines, strict=True) if line != left]
    rows = list(_parse(path, lines, dialect))
    rows = rows[bool(lead) :] if lead else rows
    valued = [(number, row) for number, row in rows if any(cell.strip() for cell in row)]
    if not valued:
        return Parsed([], None, [], dialect, lead)
    number, first = valued[0]
    if not has_heading(path, valued, headings, header):
        return Parsed([str(at) for at in range(1, len(first) + 1)], None, rows, dialect, lead)
    below = [(at, row) for at, row in rows if at > number]
    return Parsed(_named([cell.strip() for cell in first]), first, below, dialect, lead)


def _parse(path: Path, lines: Sequence[str], dialect: Dialect) -> Iterator[Cells]:
    reader = csv.reader(lines, **dialect.options())
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: expected a row of a table, got a broken one: {error}") from error


def _named(heading: Sequence[str]) -> list[str]:
    """Names of columns: their numbers where they have none, and the numbers beside names that stand twice.

    Example:
        >>> _named(["", "text", "label", "text"])
        ['1', 'text [2]', 'label', 'text [4]']
    """
    times = Counter(heading)
    return [
        f"{name} [{number}]" if name and times[name] > 1 else name or str(number)
        for number, name in enumerate(heading, 1)
    ]


def _check_width(where: str, row: Sequence[str], names: Sequence[str], headed: bool, dialect: Dialect) -> None:
    if len(row) < len(names):
        raise UserError(f"{where}: expected {len(names)} columns, got {len(row)}; fill the row up, or take it out")
    if any(cell.strip() for cell in row[len(names) :]):
        like = "there are headings" if headed else "the first row has"
        remedy = "put quotes around a text that has the separator in it" if dialect.quoted else "take out the tab"
        raise UserError(
            f"{where}: expected {len(names)} columns, as many as {like}, got {len(row)}, the last {shown(row[-1])}; "
            f"{remedy}"
        )


def note_columns(path: Path, names: Sequence[str], used: Sequence[str]) -> None:
    """Tells which columns are not read."""
    if left := [name for name in names if name not in used]:
        note(f"{path}: columns that are not read: {listed(left)}")
