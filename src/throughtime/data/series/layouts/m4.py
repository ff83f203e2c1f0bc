"""M4's layout: a row a series, of any length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np

from throughtime.data.series.building import Builder, Rows
from throughtime.data.series.columns.cells import decimal_of, kind_of, numbers, refused
from throughtime.data.series.columns.stamps import clock_of, stamps
from throughtime.data.series.columns.tables import HEAD, raw_rows
from throughtime.data.series.frequency import Integers
from throughtime.data.series.roles import Reading
from throughtime.data.series.series import Series
from throughtime.data.tables.heading import is_time
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import note

M4_UNITS = {"H": "h", "D": "D", "W": "W", "M": "M", "Q": "Q", "Y": "Y"}
"""The frequencies that the first letters of M4's ids stand for."""

REMEDY = "mend it, or leave it empty where no value is known"


def is_m4(heading: Sequence[str]) -> bool:
    """Whether a heading is one of M4's, or an id and then a time for each value.

    Example:
        >>> is_m4(["V1", "V2", "V3"]), is_m4(["Page", "2015-07-01", "2015-07-02"]), is_m4(["date", "a"])
        (True, True, False)
    """
    cells = [cell.strip() for cell in heading]
    return len(cells) > 1 and (cells[:2] == ["V1", "V2"] or (len(cells) > 2 and all(map(is_time, cells[1:]))))


def m4_series(path: Path, how: Reading) -> Iterator[Series]:
    """A row a series: its id, then its values, as many as it has.

    A heading of times tells when they begin; else steps have an order alone.

    Raises:
        UserError: If a value is none; names the line.
    """
    separator, rows = raw_rows(path)
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path}: expected rows with numbers over time, got none")
    heading = [cell.strip() for cell in first[1]]
    headed = how.header if how.header is not None else is_m4(heading) or kind_of(heading[1:]) == "text"
    times = (
        _times_of(path, first[0], heading[1:], how)
        if headed and len(heading) > 1 and all(map(is_time, heading[1:]))
        else None
    )
    held = list(islice(rows if headed else chain([first], rows), HEAD))
    decimal = how.decimal or decimal_of(path, (cell for _, cells in held for cell in cells[1:]), separator)
    note(f"{path}: a row a series: its id, then its values")
    frequency = how.frequency or (_of_ids(path, [cells[0].strip() for _, cells in held]) if times is None else None)
    found = [_row(path, number, cells, decimal, times) for number, cells in chain(held, rows)]
    yield from Builder(path, frequency).series(found)


def _row(path: Path, number: int, cells: Sequence[str], decimal: str, times: Integers | None) -> Rows:
    end = len(cells)
    while end > 1 and not cells[end - 1].strip():
        end -= 1
    if times is not None and end - 1 > len(times):
        raise UserError(
            f"{path}:{number}: expected {len(times):,} values, as many as times above them, got {end - 1:,}"
        )
    values = numbers(
        cells[1:end],
        decimal,
        lambda at, expected, cell: refused(f"{path}:{number}", expected, str(at + 2), cell, REMEDY),
    )
    return Rows(cells[0].strip(), np.full(len(values), number), None if times is None else times[: len(values)], values)


def _of_ids(path: Path, names: Sequence[str]) -> str | None:
    """The frequency that M4's ids tell."""
    units = {M4_UNITS[name[0]] if re.fullmatch(r"[HDWMQY]\d+", name) else "" for name in names}
    if len(units) != 1 or units == {""}:
        return None
    unit = units.pop()
    note(f"{path}: a step is {unit}, as ids of M4 tell, such as {names[0]!r}")
    return unit


def _times_of(path: Path, line: int, cells: Sequence[str], how: Reading) -> Integers:
    clock = clock_of(path, "the heading", cells, how.day_first)
    found, _ = stamps(
        cells, clock, lambda at, expected, cell: refused(f"{path}:{line}", expected, str(at + 2), cell, REMEDY)
    )
    return found
