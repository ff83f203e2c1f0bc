"""Tables of key points: the places of joints, finger tips or other points over time.

Two forms are read, told apart by their first row::

    wave,0.1,0.5,0.1,0.4,…          a sequence a row: its class, then x, y of step after step
    clip,frame,label,x1,y1,x2,y2    a step a row, with a heading; other columns are coordinates, in their order

Columns that count rows or tell times are no coordinates: they are left out, and that is told.

Shapes::

    T  steps        D  numbers of a step: points times coordinates
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from throughtime.data.tables.dialect import Dialect, find_dialect
from throughtime.data.tables.rows import SEEN
from throughtime.data.tables.sheets import Record, Sheet
from throughtime.data.video.columns import (
    CLIP,
    FRAME,
    LABEL,
    LABELS,
    Cells,
    Layout,
    is_heading,
    layout_of,
    number,
    told,
)
from throughtime.errors import UserError, listed
from throughtime.runtime.reading.files import file_lines

SUFFIXES = (".csv", ".tsv")
"""Of tables."""

FURTHEST = 1e15
"""Of a number in a table: squares of those beyond it would be infinite in a model."""


@dataclass(frozen=True)
class PointSequence:
    """Key points over time.

    Attributes:
        points: ``[T, D]``.
        label: Its class; None where the table names none.
        where: File and line of its beginning.
        clip: What the table calls it; its line where it has no name.
        recording: What it is a part of: rows that are a window sliding over one recording share it, so that a split
            can keep them together.
        lines: Numbers of the lines that it stands in.
    """

    points: list[list[float]]
    label: str | None
    where: str
    clip: str
    recording: str
    lines: Sequence[int] = ()


def read_points(path: Path, numbers: int) -> Iterator[PointSequence]:
    """The sequences of a table.

    Args:
        path: The table; ``.tsv`` is divided by tabs, all else by commas.
        numbers: Of a step, where a row is a sequence: points times coordinates.

    Raises:
        UserError: If a row is broken; names the line.
    """
    rows = _rows(path)
    held = list(islice(rows, SEEN))
    if not held:
        return
    heading = [cell.lower() for cell in held[0][1]]
    if CLIP in heading and FRAME in heading:
        yield from _steps(path, heading, [*held[1:], *rows])
        return
    if not is_heading(held):
        heading = []
    layout = layout_of(path, heading, held[bool(heading) :], numbers)
    before: PointSequence | None = None
    for line, row in chain(held[bool(heading) :], rows):
        found = _sequence(f"{path}:{line}", row, numbers, layout)
        if before is not None and slides(before.points, found.points):
            found = replace(found, recording=before.recording)
        yield found
        before = found


def point_sheet(path: Path, found: Sequence[PointSequence]) -> Sheet:
    """A table as it stands, of which some sequences were read: a row above them is its heading."""
    lines = list(file_lines(path))
    dialect = _dialect(path, lines)
    rows = list(_parsed(path, lines, dialect))
    used = {line for sequence in found for line in sequence.lines}
    heading = next((row for line, row in rows if row and line < min(used)), None)
    width = max(len(row) for _, row in rows)
    names = [str(at) for at in range(1, width + 1)]
    below = [(line, row) for line, row in rows if row is not heading]
    records = [Record(line, dict(zip(names, row, strict=False)) if line in used else None, row) for line, row in below]
    wide = None if heading is None else [*heading, *[""] * width][:width]
    return Sheet(path, names, records, dialect, wide)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with their line; empty ones, and empty cells at a row's end, are left out."""
    lines = list(file_lines(path))
    for line, row in _parsed(path, lines, _dialect(path, lines)):
        cells = [cell.strip() for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield line, cells


def _dialect(path: Path, lines: list[str]) -> Dialect:
    return find_dialect(path, lines, "\t" if path.suffix.lower() == ".tsv" else None, {CLIP, FRAME, *LABELS})


def _parsed(path: Path, lines: Sequence[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, **dialect.options())
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: expected a row of a table, got a broken one: {error}") from error


def _sequence(where: str, row: Sequence[str], numbers: int, layout: Layout) -> PointSequence:
    """A sequence of one row: with its class where a column holds that, or a cell is left over before whole steps."""
    if layout.width and len(row) > layout.width:
        raise UserError(
            f"{where}: expected at most {layout.width} columns as in the heading, got {len(row)}; mend the row"
        )
    cells = [(at, cell) for at, cell in enumerate(row, 1) if at not in layout.left_out]
    label = None
    if layout.label is not None:
        label = next((cell for at, cell in cells if at == layout.label), None) or None
        cells = [(at, cell) for at, cell in cells if at != layout.label]
    elif len(cells) % numbers == 1 or numbers == 1:
        label, cells = cells[0][1] if cells else None, cells[1:]
    if not cells or len(cells) % numbers:
        raise UserError(
            f"{where}: expected a class and a multiple of {numbers} numbers, got {len(row)} cells; "
            "mend the row, or say with --dims and --points what a step is made of"
        )
    values = [_finite(where, cell, at) for at, cell in cells]
    steps = [values[at : at + numbers] for at in range(0, len(values), numbers)]
    line = where.rpartition(":")[2]
    return PointSequence(steps, label, where, line, where, [int(line)])


def _steps(path: Path, heading: Sequence[str], rows: Sequence[Cells]) -> Iterator[PointSequence]:
    """The sequences of a table with a step a row; rows may stand in any order."""
    if doubled := [name for name in dict.fromkeys(heading) if name and heading.count(name) > 1]:
        raise UserError(f"{path}:1: expected every heading once, got {listed(doubled)} again; mend the heading")
    clip, frame = heading.index(CLIP), heading.index(FRAME)
    label = next((heading.index(name) for name in LABELS if name in heading), None)
    used = [clip, frame, *([] if label is None else [label])]
    for line, row in rows:
        if len(row) != len(heading):
            raise UserError(f"{path}:{line}: expected {len(heading)} columns, got {len(row)}; mend the row")
    columns = told(path, heading, used, rows, clip)
    if not columns:
        raise UserError(f"{path}:1: expected columns of coordinates beside {CLIP}, {FRAME} and {LABEL}, got none")
    found: dict[str, dict[float, list[float]]] = {}
    labels: dict[str, tuple[str | None, str]] = {}
    lines: dict[str, list[int]] = {}
    for line, row in rows:
        where = f"{path}:{line}"
        name, said = row[clip], None if label is None else row[label]
        lines.setdefault(name, []).append(line)
        steps, (before, _) = found.setdefault(name, {}), labels.setdefault(name, (said, where))
        if said != before:
            raise UserError(f"{where}: expected label {before!r} as in the rows of clip {name!r} before, got {said!r}")
        at = _finite(where, row[frame], frame + 1)
        if at in steps:
            raise UserError(f"{where}: expected every frame of clip {name!r} once, got frame {row[frame]} again")
        steps[at] = [_finite(where, row[column], column + 1) for column in columns]
    for name, steps in found.items():
        said, where = labels[name]
        yield PointSequence([steps[at] for at in sorted(steps)], said, where, name, where, lines[name])


def slides(before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]) -> bool:
    """Whether a sequence begins with what another one ends with, at least half of it, wherever each is centred.

    Example:
        >>> slides([[0.0], [1.0], [3.0], [6.0]], [[0.0], [2.0], [5.0], [5.5]])  # 1, 3, 6 less 1; then something new
        True
        >>> slides([[0.0], [1.0], [3.0], [6.0]], [[0.0], [1.0], [2.0], [2.5]])
        False
    """
    one, other = np.diff(np.array(before), axis=0), np.diff(np.array(after), axis=0)
    if one.shape != other.shape:
        return False
    near = 1e-6 * max(1e-12, float(np.abs(one).max(initial=0.0)))
    steps = len(one) + 1
    return any(np.abs(one[by:] - other[:-by]).max(initial=0.0) <= near for by in range(1, steps // 2))


def _finite(where: str, cell: str, column: int) -> float:
    value = number(cell)
    if value is None or not abs(value) <= FURTHEST:
        raise UserError(f"{where}: expected a number in column {column}, got {cell[:40]!r}; mend the row")
    return value
