"""Series of tables: long, a row a step of a series; or wide, a column a series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.data.series.building import Builder, Rows
from throughtime.data.series.columns.cells import Column, Refuse, decimal_of, kind_of, numbers, refused, texts
from throughtime.data.series.columns.stamps import Clock, clock_of, in_zone, stamps, utc
from throughtime.data.series.columns.tables import Piece, Table
from throughtime.data.series.frequency import Integers
from throughtime.data.series.roles import Reading, Roles, find_roles
from throughtime.data.series.series import Covariate, Series
from throughtime.errors import UserError, shown
from throughtime.runtime.reading.notes import note

TRIED = 20_000
"""Cells by which a decimal sign is told."""


class Growing:
    """A column that grows in one place: parts by themselves would take its memory twice, and leave holes."""

    def __init__(self) -> None:
        self._texts: list[Covariate] = []
        self._numbers = bytearray()
        self._kind: np.dtype[Any] = np.dtype(np.float64)

    def add(self, part: npt.NDArray[Any]) -> None:
        """Adds some rows."""
        if part.dtype.kind == "U":
            self._texts.append(part)
        else:
            self._kind = part.dtype
            self._numbers += part.tobytes()

    def whole(self) -> npt.NDArray[Any]:
        """All rows."""
        return np.concatenate(self._texts) if self._texts else np.frombuffer(self._numbers, self._kind)


@dataclass
class Gathered:
    """The columns of a table, as arrays.

    Attributes:
        lines: Of rows.
        codes: Which series each belongs to, by number; all 0 where a table is wide.
        names: Of the series.
        times: Of rows; None: rows are steps.
        is_order: Times are numbers of an order.
        columns: Values and covariates by name.
    """

    lines: Integers
    codes: npt.NDArray[np.int32]
    names: list[str]
    times: Integers | None
    is_order: bool
    columns: dict[str, Covariate]


def table_series(table: Table, how: Reading, alone: bool = True) -> Iterator[Series]:
    """The series of a table.

    Args:
        table: Long or wide.
        how: What the user says of it.
        alone: No other file is read with it: else series of one column are called as their file.

    Raises:
        UserError: If it is not as it should be; names the line.
    """
    head, table = table.peeked()
    roles = find_roles(table.path, _first(head), how)
    gathered = _gather(table, head, roles, how)
    builder = Builder(table.path, how.frequency, gathered.is_order)
    yield from builder.series(
        _long(table.path, gathered, roles) if roles.ids else _wide(table.path, gathered, roles, alone)
    )


def _first(head: Piece) -> dict[str, Column]:
    return {name: column[:1000] for name, column in head.columns.items()}


def _gather(table: Table, head: Piece, roles: Roles, how: Reading) -> Gathered:
    path, first = table.path, _first(head)
    columns = [*roles.values, *roles.covariates]
    decimal = how.decimal or decimal_of(path, _written(first, columns), table.separator)
    clock = None if roles.time is None else clock_of(path, roles.time, first[roles.time], how.day_first)
    known_ids: dict[str, int] = {}
    lines, codes, moments, ahead = (Growing() for _ in range(4))
    held = {name: Growing() for name in columns}
    for piece in table.pieces:
        lines.add(piece.lines)
        codes.add(_codes(piece, roles.ids, known_ids))
        if roles.time is not None and clock is not None:
            times, offsets = _times(path, piece, roles.time, clock)
            moments.add(times)
            ahead.add(times[:0] if offsets is None else offsets)
        for name in columns:
            held[name].add(_column(path, piece, name, roles.covariates.get(name, False), decimal))
    whole = {name: held[name].whole() for name in columns}
    gathered = Gathered(lines.whole(), codes.whole(), list(known_ids), None, False, whole)
    if clock is not None:
        gathered.is_order, gathered.times = clock.is_order, moments.whole()
        if not clock.is_order:
            gathered.times = _in_utc(path, gathered, ahead.whole() if clock.offset else None, how.zone)
    return gathered


def _written(first: Mapping[str, Column], names: Sequence[str]) -> Iterator[object]:
    most = max(20, TRIED // max(1, len(names)))
    for name in names:
        if not isinstance(first[name], np.ndarray) and kind_of(first[name]) == "number":
            yield from first[name][:most]


def _codes(piece: Piece, ids: Sequence[str], known: dict[str, int]) -> npt.NDArray[np.int32]:
    if not ids:
        return np.zeros(len(piece.lines), np.int32)
    columns = [texts(piece.columns[name]) for name in ids]
    names = columns[0] if len(columns) == 1 else ["/".join(parts) for parts in zip(*columns, strict=True)]
    return np.array([known.setdefault(name, len(known)) for name in names], np.int32)


def _refuse(path: Path, piece: Piece, name: str, remedy: str) -> Refuse:
    return lambda at, expected, cell: refused(f"{path}:{piece.lines[at]}", expected, name, cell, remedy)


def _times(path: Path, piece: Piece, name: str, clock: Clock) -> tuple[Integers, Integers | None]:
    return stamps(piece.columns[name], clock, _refuse(path, piece, name, "mend it, or name another column by --time"))


def _column(path: Path, piece: Piece, name: str, category: bool, decimal: str) -> Covariate:
    if category:
        return np.array(texts(piece.columns[name]))
    return numbers(
        piece.columns[name],
        decimal,
        _refuse(path, piece, name, "mend it, or leave the cell empty where no value is known"),
    )


def _in_utc(path: Path, gathered: Gathered, ahead: Integers | None, zone: str | None) -> Integers:
    assert gathered.times is not None
    if zone is None or ahead is not None:
        return utc(path, gathered.times, ahead)
    moved = np.empty_like(gathered.times)
    for which in _by_series(gathered.codes, len(gathered.names)):
        moved[which], lacking = in_zone(path, zone, gathered.times[which])
        if lacking.any():
            line = gathered.lines[which][lacking][0]
            raise UserError(
                f"{path}:{line}: expected a time that clocks show in {zone}, got one that they skip; "
                "pass the --zone of the data"
            )
    note(f"{path}: times are those of {zone}: read as UTC")
    return moved


def _by_series(codes: npt.NDArray[np.int32], count: int) -> list[npt.NDArray[np.intp]]:
    """The rows of each series, in the order in which they stand."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes, minlength=max(1, count)))[:-1])


def _long(path: Path, gathered: Gathered, roles: Roles) -> Iterator[Rows]:
    for name, which in zip(gathered.names, _by_series(gathered.codes, len(gathered.names)), strict=True):
        lines = gathered.lines[which]
        columns = {key: column[which] for key, column in gathered.columns.items()}
        static = {key: _static(path, key, columns[key], lines, name) for key in roles.static}
        for value in roles.values:
            yield _rows(
                name if len(roles.values) == 1 else f"{name}/{value}",
                lines,
                None if gathered.times is None else gathered.times[which],
                columns,
                value,
                roles,
                static,
            )


def _wide(path: Path, gathered: Gathered, roles: Roles, alone: bool) -> Iterator[Rows]:
    for value in roles.values:
        name = value if alone else path.stem if len(roles.values) == 1 else f"{path.stem}/{value}"
        yield _rows(name, gathered.lines, gathered.times, gathered.columns, value, roles, {})


def _rows(
    name: str,
    lines: Integers,
    times: Integers | None,
    columns: Mapping[str, Covariate],
    value: str,
    roles: Roles,
    static: Mapping[str, str | float],
) -> Rows:
    known, past = ({key: columns[key] for key in keys} for keys in (roles.known, roles.past))
    return Rows(name, lines, times, columns[value].astype(np.float64, copy=False), known, past, static)


def _static(path: Path, key: str, column: Covariate, lines: Integers, name: str) -> str | float:
    """The one value of a column that holds for a whole series."""
    there = column != "" if column.dtype.kind == "U" else ~np.isnan(column.astype(np.float64))
    values = column[there]
    if not len(values):
        return "" if column.dtype.kind == "U" else float("nan")
    if (values != values[0]).any():
        at = int(np.flatnonzero(values != values[0])[0])
        raise UserError(
            f"{path}:{lines[there][at]}: expected {shown(values[0].item())} in column {key!r} in all rows of series "
            f"{name!r}, got {shown(values[at].item())}; pass it by --known or --past if it changes"
        )
    found: str | float = values[0].item()
    return found
