"""Which examples belong together, such as the clips of one recording: by a column of a table, or by their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import regex

from throughtime.data.tables.columns import column_names
from throughtime.data.tables.rows import TABLES, Row, read_rows
from throughtime.errors import UserError, listed, nearest, shown
from throughtime.runtime.reading.notes import noting

SECONDS = 2.0
"""That a pattern may take for a name: some take years, whatever the name."""

Places = Sequence[tuple[str, Sequence[str]]]
"""Of every example: where it stands, as ``"train.csv:17"`` or as a file; and the files that it refers to."""


def groups_of(places: Places, asked: str) -> list[str]:
    """The group of every example.

    Args:
        places: Of the examples.
        asked: The name, or number from 1, of a column of the tables that they stand in; or a regular expression that
            is looked for in the name of an example's file, and whose first group is what it is known by.

    Raises:
        UserError: If there is no such column and it is no such pattern; if an example has no value in the column, or
            its file's name does not match.
    """
    lines: dict[str, set[int]] = {}
    for path, number in map(_line, (where for where, _ in places)):
        if number and Path(path).suffix.lower() in TABLES and Path(path).is_file():
            lines.setdefault(path, set()).add(number)
    tables = {path: _rows(Path(path), numbers) for path, numbers in lines.items()}
    columns = {path: column_names([row for _, row in rows]) for path, rows in tables.items()}
    names = {path: _column(found, asked) for path, found in columns.items()}
    if any(names.values()):
        for path, name in names.items():
            if name is None:
                raise UserError(f"{path}: --group: expected a column {asked!r}, found {listed(columns[path])}")
        values = {p: {number: row.get(str(names[p]), "") for number, row in rows} for p, rows in tables.items()}
        return [_value(where, values, asked) for where, _ in places]
    return _by_name(places, asked, list(dict.fromkeys(name for found in columns.values() for name in found)))


def _line(where: str) -> tuple[str, int]:
    """The file that an example stands in, and its line; 0 where it is all of the file."""
    path, _, line = where.rpartition(":")
    return (path, int(line)) if line.isdecimal() and path else (where, 0)


def _rows(path: Path, numbers: Set[int]) -> list[Row]:
    """The rows of a table, whose first is a heading if no example is made of it."""
    with noting():  # the task's own reader has told of the file
        first = next(read_rows(path, frozenset(), False), (0, {}))
        return list(read_rows(path, frozenset(), first[0] not in numbers))


def _column(columns: Sequence[str], asked: str) -> str | None:
    if asked in columns:
        return asked
    return columns[int(asked) - 1] if asked.isdecimal() and 1 <= int(asked) <= len(columns) else None


def _value(where: str, values: Mapping[str, Mapping[int, str]], asked: str) -> str:
    path, number = _line(where)
    found = values.get(path, {}).get(number, "").strip()
    if not found:
        raise UserError(f"{where}: --group: expected a value in column {asked!r}, got none")
    return found


def _by_name(places: Places, asked: str, columns: Sequence[str]) -> list[str]:
    has = f"columns are {listed(columns)}{nearest(asked, columns)}" if columns else "the examples have no columns"
    try:
        pattern = regex.compile(asked)
    except regex.error as error:
        raise UserError(f"--group: {asked!r} is no column ({has}) and no pattern: {error}") from error
    if not pattern.groups:
        raise UserError(
            f"--group: expected a column, or a pattern for names of files whose first group is what belongs together, "
            f"such as '^([^_]+)_', got {asked!r}; {has}"
        )
    return [_match(pattern, Path(files[0] if files else _line(where)[0]), where) for where, files in places]


def _match(pattern: regex.Pattern[str], file: Path, where: str) -> str:
    try:
        found = pattern.search(file.name, timeout=SECONDS)
    except TimeoutError as error:
        raise UserError(
            f"--group: the pattern {shown(pattern.pattern)} takes too long on {file.name!r}; write it without a "
            "repetition of a repetition"
        ) from error
    if found is None or not found[1]:
        raise UserError(f"{where}: --group: expected the name {file.name!r} to match {shown(pattern.pattern)}")
    return str(found[1])
