"""Tables of labelled series: a series a row, or a step a row.

Two layouts are read; which one it is, and what the columns hold, is told in a note::

    up,0.1,0.5,0.1,0.4              a series a row: the label first or last, then or before it the values of its steps
    series,time,label,x,y           a step a row, with a heading; rows of one series stand one after the other, in order

A row that ends sooner, or ends in missing values, is a shorter series.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from throughtime.data.series.labelled.series import LabelledSeries, are_numbers, check_series, is_missing, read_value
from throughtime.data.series.labelled.times import check_forward, read_time
from throughtime.data.tables.dialect import Dialect, find_dialect
from throughtime.data.tables.heading import is_number
from throughtime.data.tables.rows import Cells
from throughtime.data.video.columns import is_heading
from throughtime.errors import UserError, listed, nearest, shown
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import note, note_column

SUFFIXES = (".csv", ".tsv")

IDS = ("series", "series_id", "id", "unique_id", "case", "case_id", "sequence", "item_id", "clip", "sample", "name")
"""Headings of what a series is called, in the order in which they are looked for; a table without one is one series."""

TIMES = ("time", "timestamp", "date", "datetime", "ds", "step", "t", "frame", "index")

LABELS = ("label", "class", "target", "category", "activity", "is_anomaly", "anomaly", "state", "y")

_INDEX = re.compile(r"|unnamed: \d+(\.\d+)?|index|level_0|row|no\.?|#")

STEPS, SERIES = "steps", "series"
"""What a row holds: one of the steps of a series, or a whole series."""


@dataclass(frozen=True)
class Columns:
    """What the user says of a table; None: it is judged.

    Attributes:
        layout: :data:`STEPS` or :data:`SERIES`.
        id, time, label: Names, or numbers from 1, of columns.
        values: Names of the columns with values; none: all others.
        header: Whether the first row names the columns.
        known: Labels that there are: where neither the first nor the last cells of rows are such, a row has none.
    """

    layout: str | None = None
    id: str | None = None
    time: str | None = None
    label: str | None = None
    values: Sequence[str] = ()
    header: bool | None = None
    known: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Table:
    """The rows of a file.

    Attributes:
        path: The file.
        heading: Names of the columns as they stand; none: it has no heading.
        rows: Below it, with their lines.
        dialect: How cells are divided.
    """

    path: Path
    heading: list[str]
    rows: list[Cells]
    dialect: Dialect

    def find(self, asked: str | None, usual: Sequence[str], option: str) -> int | None:
        """The place of a column, from 0: the one asked for, or the first of usual names; None: there is none.

        Raises:
            UserError: If the one asked for is not there.
        """
        names = [name.strip().lower() for name in self.heading]
        if asked is None:
            return next((names.index(name) for name in usual if name in names), None)
        if asked.strip().lower() in names:
            return names.index(asked.strip().lower())
        width = len(self.heading) or max(len(cells) for _, cells in self.rows)
        if asked.isdecimal() and 1 <= int(asked) <= width:
            return int(asked) - 1
        has = f"columns: {listed(self.heading)}" if self.heading else f"it has {width} columns without names"
        raise UserError(f"{option}: {self.path} has no column {asked!r}{nearest(asked, self.heading)}; {has}")


def read_labelled_table(path: Path, columns: Columns = Columns()) -> Iterator[LabelledSeries]:
    """The series of a table; labels are empty where it has none.

    Raises:
        UserError: If a row is broken, or it cannot be told what holds what; names the line, or the option that settles.
    """
    table = read_table(path, columns)
    return (series for series, _ in series_in(table, columns))


def series_in(table: Table, columns: Columns) -> Iterator[tuple[LabelledSeries, list[int]]]:
    """The series of rows, and the lines that each stands in.

    Raises:
        UserError: As :func:`read_labelled_table`.
    """
    if not table.rows:
        return iter(())
    return (_of_steps if layout_of(table, columns) == STEPS else _of_rows)(table, columns)


def read_table(path: Path, columns: Columns) -> Table:
    """The rows of a file, and its heading.

    Raises:
        UserError: If a row is broken.
    """
    lines = list(file_lines(path))
    known = {*IDS, *TIMES, *LABELS}
    dialect = find_dialect(path, lines, "\t" if path.suffix.lower() == ".tsv" else None, known)
    reader, rows = csv.reader(lines, **dialect.options()), []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, row))
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: expected a row of a table, got a broken one: {error}") from error
    if not rows:
        return Table(path, [], [], dialect)
    first = [cell.strip().lower() for cell in rows[0][1]]
    headed = columns.header
    if headed is None:
        held = [(line, [cell.strip() for cell in cells]) for line, cells in rows]
        headed = len(known.intersection(first)) > 0 or is_heading(held)
    return Table(path, [cell.strip() for cell in rows[0][1]] if headed else [], rows[headed:], dialect)


def layout_of(table: Table, columns: Columns) -> str:
    """What a row holds; tells how that was found where nobody said it."""
    if columns.layout is not None:
        return columns.layout
    if columns.id or columns.time or columns.values:
        return STEPS
    names = [name.lower() for name in table.heading]
    known = [name for name in names if name in (*IDS, *TIMES)]
    found = STEPS if known and len(names) < MANY else SERIES
    why = f"its heading has {known[0]!r}" if found == STEPS else "no heading names a series or a time"
    note(f"{table.path}: a {'step' if found == STEPS else 'series'} a row, as {why}; --layout says otherwise")
    return found


PLACES: dict[str | None, int | None] = {"first": 0, "last": -1, "none": None}
"""What may be said of a label's place in a row, beside the name or number of its column."""

MANY = 500
"""Columns from which on a table hardly has a step a row."""


def _of_rows(table: Table, columns: Columns) -> Iterator[tuple[LabelledSeries, list[int]]]:
    at = _label_at(table, columns)
    names = [name.lower() for name in table.heading]
    left = {0} if names and _INDEX.fullmatch(names[0]) and at != 0 else set()
    if not names and at != 0 and _counts([cells[0] for _, cells in table.rows]):
        left = {0}
    if left:
        note(f"{table.path}: column 1 counts the rows: it is left out")
    for line, cells in table.rows:
        where = f"{table.path}:{line}"
        if names and len(cells) > len(names):
            raise UserError(f"{where}: expected at most {len(names)} columns as in the heading, got {len(cells)}")
        cells = _cut(cells)
        place = len(cells) - 1 if at == -1 else at
        label = "" if place is None or not 0 <= place < len(cells) else cells[place].strip()
        kept = [
            (column, cell) for column, cell in enumerate(cells, 1) if column - 1 != place and column - 1 not in left
        ]
        values = [read_value(cell, f"{where}, column {column}") for column, cell in kept]
        while values and values[-1] is None:
            values.pop()
        found = LabelledSeries([values], "" if is_missing(label) else label, [], where, str(line))
        yield check_series(found), [line]


def _cut(cells: Sequence[str]) -> list[str]:
    """Cells without the empty ones at a row's end."""
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return list(cells[:end])


def _label_at(table: Table, columns: Columns) -> int | None:
    """The place of the label in a row: from 0, or -1 where it stands last; None: there is none."""
    if columns.label in PLACES:
        return PLACES[columns.label]
    at = table.find(columns.label, LABELS, "--label-column")
    if at is not None:
        return _told(table.path, at, repr(table.heading[at]) if table.heading else str(at + 1))
    rows = [_cut(cells) for _, cells in table.rows]
    first, last = [row[0].strip() for row in rows], [row[-1].strip() for row in rows if len(row) > 1]
    worded = [not all(is_number(cell) or is_missing(cell) for cell in column) for column in (first, last)]
    if worded[0] != worded[1]:
        return _told(table.path, 0 if worded[0] else -1, "text beside numbers")
    if columns.known:
        among = [columns.known.issuperset(column) for column in (first, last)]
        return None if not any(among) else _told(table.path, 0 if among[0] else -1, "labels that training had")
    inner = [cell for row in rows for cell in row[1:-1]]
    classes = [_are_classes(column) and not _counts(column) for column in (first, last)]
    if classes[0] != classes[1] and not _are_classes(inner):
        return _told(table.path, 0 if classes[0] else -1, "a few whole numbers that recur beside others that do not")
    if not any(classes) and not any(worded) and table.heading and columns.label is None:
        return None
    raise UserError(
        f"{table.path}:{table.rows[0][0]}: expected a label first or last in a row, got {shown(first[0])} and "
        f"{shown(rows[0][-1])}, either of which may be it or a value; give the table a heading, or pass --label-column "
        "first, last or none"
    )


def _told(path: Path, at: int, how: str) -> int:
    place = "last" if at == -1 else f"in column {at + 1}"
    note(f"{path}: the label stands {place} ({how}); --label-column says otherwise")
    note_column("label", "last" if at == -1 else str(at + 1))
    return at


def _are_classes(cells: Sequence[str]) -> bool:
    """Whether cells are a few whole numbers that recur."""
    cells = [cell.strip() for cell in cells]
    few = len(set(cells)) <= max(2, len(cells) // 2)
    return bool(cells) and few and all(map(is_number, cells)) and not are_numbers(cells)


def _counts(cells: Sequence[str]) -> bool:
    whole = len(cells) > 2 and all(re.fullmatch(r"[0-9]{1,15}", cell.strip()) for cell in cells)
    return whole and all(int(after) - int(before) == 1 for before, after in pairwise(cells))


def _of_steps(table: Table, columns: Columns) -> Iterator[tuple[LabelledSeries, list[int]]]:
    """The series of a table with a step a row."""
    if not table.heading:
        raise UserError(f"{table.path}:{table.rows[0][0]}: expected a heading above a step a row, got none; add one")
    if doubled := [name for name in dict.fromkeys(table.heading) if name and table.heading.count(name) > 1]:
        raise UserError(f"{table.path}:1: expected every heading once, got {listed(doubled)} again; mend the heading")
    name = table.find(columns.id, IDS, "--id")
    time = table.find(columns.time, TIMES, "--time")
    label: int | None
    if columns.label in PLACES:
        place = PLACES[columns.label]
        label = None if place is None else place % len(table.heading)
    else:
        label = table.find(columns.label, LABELS, "--label-column")
    held = _held(table, columns, {name, time, label})
    roles = {"series": name, "time": time, "label": label}
    parts = ", ".join(f"{what} {table.heading[at]!r}" for what, at in roles.items() if at is not None)
    note(f"{table.path}: {parts or 'one series'}; values: {listed(table.heading[at] for at in held)}")
    if label is not None:
        note_column("label", table.heading[label])
    groups: dict[str, list[Cells]] = {}
    for line, cells in table.rows:
        if len(cells) != len(table.heading):
            raise UserError(
                f"{table.path}:{line}: expected {len(table.heading)} columns, got {len(cells)}; mend the row"
            )
        groups.setdefault("" if name is None else cells[name].strip(), []).append((line, cells))
    labels = {key: [] if label is None else [cells[label].strip() for _, cells in rows] for key, rows in groups.items()}
    whole = len(groups) > 1 and all(len(set(found)) == 1 for found in labels.values())
    for key, rows in groups.items():
        places = [f"{table.path}:{line}" for line, _ in rows]
        if time is not None:
            times = [cells[time].strip() for _, cells in rows]
            read = [read_time(cell, where) for cell, where in zip(times, places, strict=True)]
            check_forward(read, times, places)
        channels = [
            [
                read_value(cells[at], f"{where}, column {table.heading[at]!r}")
                for (_, cells), where in zip(rows, places, strict=True)
            ]
            for at in held
        ]
        said = ["" if is_missing(label) else label for label in labels[key]]
        of_all, of_steps = (said[0], []) if whole else ("", said if any(said) else [])
        found = LabelledSeries(channels, of_all, of_steps, places[0], key or str(rows[0][0]))
        yield check_series(found), [line for line, _ in rows]


def _held(table: Table, columns: Columns, taken: set[int | None]) -> list[int]:
    """The places of the columns with values."""
    if columns.values:
        return [at for name in columns.values if (at := table.find(name, (), "--value")) is not None]
    found = [at for at in range(len(table.heading)) if at not in taken]
    found = [at for at in found if not _INDEX.fullmatch(table.heading[at].lower()) or at > 0]
    if not found:
        raise UserError(f"{table.path}:1: expected columns of values beside {listed(table.heading)}, got none")
    return found
