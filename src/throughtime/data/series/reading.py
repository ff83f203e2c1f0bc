"""Series out of files or out of memory, whatever their layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from throughtime.data.series.columns.tables import SUFFIXES, Table, heading_of, read_table, table_of
from throughtime.data.series.frames import columns_of
from throughtime.data.series.layouts.lines import holds_lists, list_series
from throughtime.data.series.layouts.m4 import is_m4, m4_series
from throughtime.data.series.layouts.tabular import table_series
from throughtime.data.series.layouts.tsf import tsf_series
from throughtime.data.series.roles import LAYOUTS, Reading
from throughtime.data.series.series import Series
from throughtime.data.tables.rows import JSON, TABLES
from throughtime.errors import UserError, listed

__all__ = ["READABLE", "Reading", "read_series", "series_of"]

TSF = ".tsf"
READABLE = (*SUFFIXES, TSF)
"""Suffixes of files that hold series."""

MEMORY = Path("the data given")


def read_series(paths: Sequence[Path], how: Reading | None = None) -> Iterator[Series]:
    """The series of some files, in the order in which they stand; what is guessed is told (see ``noting``).

    Memory is that of the numbers of one file.

    Args:
        paths: Files, one of :data:`READABLE` each.
        how: What the user says; None: nothing.

    Raises:
        UserError: If a file is not as it should be, or files have several frequencies; names the line.
    """
    how = how or Reading()
    frequency, seen = how.frequency, ""
    for path in paths:
        for series in _read(path, replace(how, frequency=how.frequency or None), len(paths) == 1):
            if frequency is None and series.frequency:
                frequency, seen = series.frequency, series.where
            _check_frequency(series, frequency, seen)
            yield series


def series_of(data: Any, how: Reading | None = None) -> Iterator[Series]:
    """The series of data in memory: a frame of pandas, polars or Arrow, columns by name, an array, or several.

    Raises:
        UserError: As :func:`read_series`; names the row.

    Example:
        >>> [(one.name, one.values.tolist()) for one in series_of({"a": [1.0, None, 3.0], "b": [4, 5, 6]})]
        [('a', [1.0, nan, 3.0]), ('b', [4.0, 5.0, 6.0])]
    """
    yield from _of_table(table_of(MEMORY, columns_of(data)), how or Reading(), alone=True)


def _check_frequency(series: Series, frequency: str | None, seen: str) -> None:
    if seen and series.frequency and series.frequency != frequency:
        raise UserError(
            f"{series.where}: expected steps of {frequency}, as in {seen}, got {series.frequency}; a model has one "
            "frequency: give the others to another, or pass --frequency"
        )


def _read(path: Path, how: Reading, alone: bool) -> Iterator[Series]:
    if how.layout is not None and how.layout not in LAYOUTS:
        raise UserError(f"--layout: expected one of {listed(LAYOUTS)}, got {how.layout!r}")
    suffix = path.suffix.lower()
    if how.layout == "tsf" or (how.layout is None and suffix == TSF):
        return tsf_series(path, how)
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: expected a file that ends in {listed(READABLE)}; rename it, or pass --layout tsf")
    cells = suffix in TABLES and suffix not in JSON
    if how.layout == "m4" or (how.layout is None and cells and is_m4(heading_of(path))):
        return m4_series(path, how)
    return _of_table(read_table(path, how.header), how, alone)


def _of_table(table: Table, how: Reading, alone: bool) -> Iterator[Series]:
    head, table = table.peeked()
    lists = how.layout == "lines" or (how.layout is None and holds_lists(head, how))
    return list_series(table, how) if lists else table_series(table, how, alone)
