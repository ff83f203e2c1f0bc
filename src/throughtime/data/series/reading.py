"""Series out of files, whatever their layout."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from throughtime.data.series.frequency import parse, positions
from throughtime.data.series.series import Numbers, Series
from throughtime.errors import UserError
from throughtime.runtime.reading.files import file_lines

M4_UNITS = {"H": "h", "D": "D", "W": "W", "M": "M", "Q": "Q", "Y": "Y"}
"""The frequencies that the first letters of M4's ids stand for."""


@dataclass(frozen=True)
class Reading:
    """How files are read; what is None is guessed, and told.

    Attributes:
        layout: ``long``, ``wide``, ``m4`` or ``tsf``.
        id: The column of the series' ids.
        time: The column of times.
        value: The column of values.
        frequency: What lies between two steps.
        static: Columns of what holds for a whole series.
        known: Columns of covariates that are known ahead.
        past: Columns of covariates that are not.
    """

    layout: str | None = None
    id: str | None = None
    time: str | None = None
    value: str | None = None
    frequency: str | None = None
    static: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()


def read_series(paths: Sequence[Path], how: Reading = Reading()) -> Iterator[Series]:
    """The series of some files, in the order in which they stand.

    Raises:
        UserError: If a file is not as it should be; names the line.
    """
    for path in paths:
        with_rows = csv.reader(file_lines(path))
        heading = next(with_rows, [])
        if heading[:2] == ["V1", "V2"]:
            yield from _m4(path, with_rows, how)
        else:
            yield from _wide(path, heading, with_rows, how)


def _m4(path: Path, rows: Iterator[list[str]], how: Reading) -> Iterator[Series]:
    for number, row in enumerate(rows, 2):
        cells = row[1:]
        while cells and not cells[-1].strip():
            cells.pop()
        frequency = how.frequency or M4_UNITS.get(row[0][:1], "")
        yield Series(row[0], f"{path}:{number}", "", frequency, _numbers(cells, f"{path}:{number}"))


def _wide(path: Path, heading: list[str], rows: Iterator[list[str]], how: Reading) -> Iterator[Series]:
    columns = list(zip(*rows, strict=True))
    stamps = np.array(columns[0], dtype="datetime64[us]")
    frequency = parse(how.frequency or "h")
    if (positions(stamps[0], frequency, stamps) != np.arange(len(stamps))).any():
        raise UserError(f"{path}: expected a row an hour; pass --frequency")
    for name, cells in zip(heading[1:], columns[1:], strict=True):
        start = str(stamps[0].astype("datetime64[s]"))
        yield Series(name, f"{path}:2", start, frequency.name_at(stamps[0]), _numbers(cells, str(path)))


def _numbers(cells: Sequence[str], where: str) -> Numbers:
    try:
        return np.array([float(cell) if cell.strip() else np.nan for cell in cells])
    except ValueError as error:
        raise UserError(f"{where}: expected numbers, got text ({error})") from error
