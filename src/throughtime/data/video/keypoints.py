"""Tables of key points: the places of joints, finger tips or other points over time.

Two forms are read, told apart by their first row::

    wave,0.1,0.5,0.1,0.4,…          a sequence a row: its class, then x, y of step after step
    clip,frame,label,x1,y1,x2,y2    a step a row, with a heading; other columns are coordinates, in their order

Shapes::

    T  steps        D  numbers of a step: points times coordinates
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from throughtime.data.text.files import file_lines
from throughtime.errors import UserError

SUFFIXES = (".csv", ".tsv")
"""Of tables."""

FURTHEST = 1e15
"""Of a number in a table: squares of those beyond it would be infinite in a model."""

CLIP, FRAME, LABEL = "clip", "frame", "label"
"""Headings of a table with a step a row; ``label`` may be missing where nothing is learnt from it."""


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
    """

    points: list[list[float]]
    label: str | None
    where: str
    clip: str
    recording: str


def read_points(path: Path, numbers: int) -> Iterator[PointSequence]:
    """The sequences of a table.

    Args:
        path: The table; ``.tsv`` is divided by tabs, all else by commas.
        numbers: Of a step, where a row is a sequence: points times coordinates.

    Raises:
        UserError: If a row is broken; names the line.
    """
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        return
    heading = [cell.lower() for cell in first[1]]
    if CLIP in heading and FRAME in heading:
        yield from _steps(path, heading, rows)
        return
    if len(first[1]) > 1 and all(_number(cell) is None for cell in first[1]):  # a heading
        first = next(rows, None)
    before: PointSequence | None = None
    for line, row in chain([] if first is None else [first], rows):
        found = _sequence(path, line, row, numbers)
        if before is not None and slides(before.points, found.points):
            found = replace(found, recording=before.recording)
        yield found
        before = found


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with their line; empty ones, and empty cells at a row's end, are left out."""
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(file_lines(path), delimiter=separator, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: expected a row of a table, got a broken one: {error}") from error


def _sequence(path: Path, line: int, row: Sequence[str], numbers: int) -> PointSequence:
    """A sequence of one row: with its class where a cell is left over before whole steps."""
    where = f"{path}:{line}"
    named = len(row) % numbers == 1 or numbers == 1
    cells = row[1:] if named else row
    if not cells or len(cells) % numbers:
        raise UserError(
            f"{where}: expected a class and a multiple of {numbers} numbers, got {len(row)} cells; "
            "mend the row, or say with --dims and --points what a step is made of"
        )
    values = [_finite(where, cell, at) for at, cell in enumerate(cells, 2 if named else 1)]
    steps = [values[at : at + numbers] for at in range(0, len(values), numbers)]
    return PointSequence(steps, row[0] if named else None, where, str(line), where)


def _steps(path: Path, heading: Sequence[str], rows: Iterator[tuple[int, list[str]]]) -> Iterator[PointSequence]:
    """The sequences of a table with a step a row; rows may stand in any order."""
    columns = [at for at, name in enumerate(heading) if name not in (CLIP, FRAME, LABEL)]
    if not columns:
        raise UserError(f"{path}:1: expected columns of coordinates beside {CLIP}, {FRAME} and {LABEL}, got none")
    clip, frame = heading.index(CLIP), heading.index(FRAME)
    label = heading.index(LABEL) if LABEL in heading else None
    found: dict[str, dict[float, list[float]]] = {}
    labels: dict[str, tuple[str | None, str]] = {}
    for line, row in rows:
        where = f"{path}:{line}"
        if len(row) != len(heading):
            raise UserError(f"{where}: expected {len(heading)} columns, got {len(row)}; mend the row")
        name, said = row[clip], None if label is None else row[label]
        steps, (before, _) = found.setdefault(name, {}), labels.setdefault(name, (said, where))
        if said != before:
            raise UserError(f"{where}: expected label {before!r} as in the rows of clip {name!r} before, got {said!r}")
        at = _finite(where, row[frame], frame + 1)
        if at in steps:
            raise UserError(f"{where}: expected every frame of clip {name!r} once, got frame {row[frame]} again")
        steps[at] = [_finite(where, row[column], column + 1) for column in columns]
    for name, steps in found.items():
        said, where = labels[name]
        yield PointSequence([steps[at] for at in sorted(steps)], said, where, name, where)


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


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _finite(where: str, cell: str, column: int) -> float:
    value = _number(cell)
    if value is None or not abs(value) <= FURTHEST:
        raise UserError(f"{where}: expected a number in column {column}, got {cell[:40]!r}; mend the row")
    return value
