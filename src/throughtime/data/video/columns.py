"""Which columns of a table of key points are coordinates, and which count rows, tell times or name classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from throughtime.data.tables.heading import is_number, is_time
from throughtime.errors import UserError, listed, shown
from throughtime.runtime.reading.notes import note

CLIP, FRAME, LABEL = "clip", "frame", "label"
"""Headings of a table with a step a row; ``label`` may be missing where nothing is learnt from it."""

LABELS = (LABEL, "class", "category", "gesture", "action", "activity", "target")
"""Headings of classes, in the order in which they are looked for."""

PLACES = 4
"""Numbers that a row counts at least, where it is a heading of nothing but numbers."""

COUNTED = 4
"""Rows that a column without a heading counts at least, where it is no coordinate."""

JUDGED = 10
"""Rows from which on classes that hardly recur are none."""

EPOCH = 1e8
"""From which on numbers that grow from row to row are seconds, or parts of them, since 1970."""

_INDEX = re.compile(r"|unnamed: \d+(\.\d+)?|index|level_0|row|(\w+[ _])?id|no\.?|#")
_TIME = re.compile(r"(time|date|datetime|timestamp|ts)([ _.]?(stamp|s|sec|seconds|ms|us|ns|utc))?")
_PLACE = re.compile(r"(.*[ _.])?([xyz]|value)[ _.]?\d*|[xyz][ _.].*")

Cells = tuple[int, list[str]]
"""The number of a line, and its cells."""


@dataclass(frozen=True)
class Layout:
    """What the columns of a table with a sequence a row are, by their number from 1.

    Attributes:
        label: The classes', where they do not stand first; None: a cell that is left over before whole steps is one.
        left_out: Those that are no coordinates.
        width: How many there are at most; 0 where no heading tells.
    """

    label: int | None
    left_out: frozenset[int]
    width: int


def number(cell: str) -> float | None:
    """A cell as a number; None where it is none."""
    try:
        return float(cell)
    except ValueError:
        return None


def is_heading(rows: Sequence[Cells]) -> bool:
    """Whether the first row of a table with a sequence a row names its columns: in words, or by counting them.

    Example:
        >>> rows = [(2, ["wave", "0.5", "0.25"]), (3, ["rest", "0.5", "0.75"])]
        >>> [is_heading([(1, first.split(",")), *rows]) for first in ("label,x,y", "label,0,1", "rest,0,1", "wave,2,3")]
        [True, True, False, False]
        >>> is_heading([(1, ["0", "1", "2", "3", "4"]), (2, ["5", "0.1", "0.2", "0.3", "0.4"])])
        True
    """
    first = rows[0][1]
    if len(first) < 2:
        return False
    if all(number(cell) is None for cell in first):
        return True
    if len(rows) < 2:
        return False
    words = [cell for cell in first if cell and number(cell) is None]
    places = [cell for cell in first if cell and number(cell) is not None]
    if not any(places == [str(at) for at in range(begin, begin + len(places))] for begin in (0, 1)):
        return False
    if all(word.lower() in LABELS or _INDEX.fullmatch(word.lower()) for word in words) and (words or not first[0]):
        return True
    return len(places) >= PLACES and not any(word in row for word in words for _, row in rows[1:])


def layout_of(path: Path, heading: Sequence[str], rows: Sequence[Cells], numbers: int) -> Layout:
    """What the columns of a table with a sequence a row are; tells what is left out.

    Args:
        path: The table, for messages.
        heading: In lower case; empty where there is none.
        rows: The first ones below it.
        numbers: Of a step.

    Raises:
        UserError: If the classes stand at the end.
    """
    label = next((heading.index(name) + 1 for name in LABELS if name in heading), None)
    columns = {at: [row[at] for _, row in rows if at < len(row)] for at in range(min(2, _narrowest(rows)))}
    left: dict[int, str] = {}
    for at, name in enumerate(heading, 1):
        if at != label and (why := _no_place(name)) and not (why == INDEX and at > 1 and not name):
            left[at] = why
    if not heading and len(columns) == 2 and (why := _before_class(columns[0], columns[1], rows, numbers)):
        left[1] = why
    for at, why in left.items():
        note(f"{path}: column {at} is no coordinate: it {why}")
    if label is None and _narrowest(rows) > 2 and all(number(row[-1]) is None for _, row in rows):
        raise UserError(
            f"{path}:{rows[0][0]}: expected the class in the row's first cell and numbers after it, got "
            f"{shown(rows[0][1][-1])} in the last; put it first, or give the table a heading with {LABEL!r}"
        )
    first = next((at for at in range(1, len(heading) + 1) if at not in left), None)
    return Layout(None if label == first else label, frozenset(left), len(heading))


def told(path: Path, heading: Sequence[str], used: Sequence[int], rows: Sequence[Cells], clip: int) -> list[int]:
    """The columns, from 0, that are coordinates in a table with a step a row; tells which they are, and which not."""
    columns: list[int] = []
    several = len({row[clip] for _, row in rows}) > 1
    for at, name in enumerate(heading):
        if at in used:
            continue
        values = [row[at] for _, row in rows]
        why = _no_place(name) or _kind(values)
        if not why and several and not _PLACE.fullmatch(name) and _counts(values):
            why = INDEX
        if why:
            note(f"{path}: column {name or at + 1!r} is no coordinate: it {why}")
        else:
            columns.append(at)
    note(f"{path}: a step a row, of {len(columns)} coordinates: {listed(heading[at] for at in columns)}")
    return columns


def check_classes(path: Path, labels: Sequence[str]) -> None:
    """Refuses classes that are none: times, numbers with a fraction, or numbers that hardly recur.

    Raises:
        UserError: Shows some of them, and tells what a table of key points looks like.
    """
    parted = [label for label in labels if is_time(label) or (is_number(label) and (number(label) or 0) % 1)]
    numbered = len(labels) >= JUDGED and all(map(is_number, labels)) and 2 * len(set(labels)) > len(labels)
    if parted or numbered:
        found = list(dict.fromkeys(parted or labels))
        raise UserError(
            f"{path}: expected a class for every sequence, got {'times or measures' if parted else 'numbers'} where it "
            f"should stand: {listed(found)}; {NO_VIDEO}"
        )


NO_VIDEO = (
    "a table of numbers is no video, and no task learns from one without classes: put the class of a sequence of key "
    f"points into its row's first cell, or write a step a row under the headings {CLIP}, {FRAME} and {LABEL}"
)
"""What helps where a table has no classes."""

INDEX, TIME = "counts the rows", "tells a time"


def _no_place(name: str) -> str:
    """Why a column of that name is no coordinate; empty where it may be one."""
    return INDEX if _INDEX.fullmatch(name) else TIME if _TIME.fullmatch(name) else ""


def _kind(values: Sequence[str]) -> str:
    """Why a column of such values is no coordinate; empty where it may be one."""
    if values and all(map(is_time, values)):
        return TIME
    found = [number(value) or 0.0 for value in values]
    rises = len(found) > 1 and min(found) >= EPOCH and all(one <= other for one, other in pairwise(found))
    return TIME if rises else ""


def _before_class(first: Sequence[str], second: Sequence[str], rows: Sequence[Cells], numbers: int) -> str:
    """Why the first of a row's cells stands before its class; empty where it does not."""
    kind = _kind(first)
    kind = kind or (INDEX if len(first) >= COUNTED and _counts(first) else "")
    words = all(number(cell) is None for cell in second)
    left_over = numbers > 1 and all(len(row) % numbers == 2 % numbers for _, row in rows)
    return kind if words or left_over or (kind == TIME and is_time(first[0])) else ""


def _counts(values: Sequence[str]) -> bool:
    whole = len(values) > 2 and all(re.fullmatch(r"[0-9]{1,15}", value) for value in values)
    return whole and all(int(after) - int(before) == 1 for before, after in pairwise(values))


def _narrowest(rows: Sequence[Cells]) -> int:
    return min((len(row) for _, row in rows), default=0)
