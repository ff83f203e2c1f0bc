"""A series a line, or a row: JSON lines and parquet with lists of values, as GluonTS and its kin write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.data.series.building import Builder, Rows, spread
from throughtime.data.series.columns.cells import POINT, numbers, refused, texts
from throughtime.data.series.columns.stamps import clock_of, stamps
from throughtime.data.series.columns.tables import Piece, Table
from throughtime.data.series.frequency import TIME, Integers, parse, parse_at, times_from
from throughtime.data.series.roles import IDS, NONE, VALUES, Reading
from throughtime.data.series.series import Covariate, Series
from throughtime.errors import UserError, shown
from throughtime.runtime.reading.notes import note

NAMES = ("name", *IDS)
FREQUENCIES = ("frequency", "freq")
START = "start"
STATIC, KNOWN, PAST = "static", "known", "past"
REMEDY = "mend it, or write null where no value is known"


def holds_lists(head: Piece, how: Reading) -> bool:
    """Whether the first row of a table holds a list of values."""
    names = (how.value,) if how.value else VALUES
    return any(name in names and isinstance(_first(head, name), list | np.ndarray) for name in head.columns)


def _first(head: Piece, name: str) -> Any:
    return next((cell for cell in head.columns[name] if cell is not None), None)


def list_series(table: Table, how: Reading) -> Iterator[Series]:
    """A series a row: ``name``, ``start``, ``frequency``, ``values``, and covariates by name.

    ``static`` holds what is of the series, ``known`` and ``past`` a list a name. Names that GluonTS gives, such as
    ``item_id``, ``target`` and ``freq``, are known, too.

    Raises:
        UserError: If a row is not as it should be; names it.
    """
    path = table.path
    note(f"{path}: a row a series, its values as a list")
    found: list[Rows] = []
    frequency = how.frequency
    for piece in table.pieces:
        for at, line in enumerate(piece.lines.tolist()):
            row = {name: column[at] for name, column in piece.columns.items()}
            said = _one(row, FREQUENCIES)
            if how.frequency is None and said is not None:
                if parse_at(f"{path}:{line}", str(said)) != parse(frequency or str(said)):
                    raise UserError(
                        f"{path}:{line}: expected one frequency, {frequency}, got {said!r}; put it into another file"
                    )
                frequency = str(said)
            found.append(_row(path, line, row, frequency, how))
    yield from Builder(path, frequency).series(found)


def _one(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """What stands under one of some names."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def _row(path: Path, line: int, row: Mapping[str, Any], frequency: str | None, how: Reading) -> Rows:
    where = f"{path}:{line}"
    values = _numbers(where, "values", _one(row, (how.value,) if how.value else VALUES))
    known, past = _covariates(where, row, KNOWN), _covariates(where, row, PAST)
    steps = max([len(values), *map(len, known.values())])
    for key, column in [*known.items(), *past.items()]:
        if len(column) < len(values) or (key in past and len(column) > len(values)):
            raise UserError(
                f"{where}: expected {len(values):,} values of {key!r}, as many as of the series, got "
                f"{len(column):,}; mend it"
            )
    name, start = _one(row, (how.id,) if how.id else NAMES), row.get(START)
    return Rows(
        str(line) if name is None else texts([name])[0],
        np.full(steps, line),
        None if start in (None, "") or how.time == NONE else _times(where, start, frequency, steps),
        spread(values, np.arange(len(values)), steps),
        {key: spread(column, np.arange(len(column)), steps) for key, column in known.items()},
        {key: spread(column, np.arange(len(column)), steps) for key, column in past.items()},
        {key: value if isinstance(value, str) else float(value) for key, value in _object(where, row, STATIC).items()},
    )


def _times(where: str, start: Any, frequency: str | None, steps: int) -> Integers:
    if frequency is None:
        raise UserError(f"{where}: expected a frequency beside the start {shown(start)}, got none; pass --frequency")
    cells = [start] if isinstance(start, str) else np.array([start], TIME)

    def refuse(at: int, expected: str, cell: object) -> UserError:
        return refused(where, expected, START, cell, "write it as 2024-03-01T12:00:00")

    first, _ = stamps(cells, clock_of(Path(where), START, cells), refuse)
    return times_from(first.astype(TIME)[0], parse(frequency), np.arange(steps)).astype(np.int64)


def _numbers(where: str, name: str, cells: Any) -> Covariate:
    if not isinstance(cells, list | np.ndarray):
        raise UserError(f"{where}: expected a list of numbers as {name!r}, got {shown(cells)}; mend it")
    return numbers(cells, POINT, lambda at, expected, cell: refused(where, expected, f"{name}[{at}]", cell, REMEDY))


def _covariates(where: str, row: Mapping[str, Any], kind: str) -> dict[str, Covariate]:
    """Lists by name: numbers, or categories where one is a text."""
    found: dict[str, Covariate] = {}
    for name, cells in _object(where, row, kind).items():
        named = isinstance(cells, list) and any(isinstance(cell, str) for cell in cells)
        found[name] = np.array(texts(cells)) if named else _numbers(where, name, cells)
    return found


def _object(where: str, row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    found = row.get(kind)
    if found is None:
        return {}
    if not isinstance(found, dict) or (
        kind == STATIC and not all(isinstance(v, str | int | float) for v in found.values())
    ):
        raise UserError(f"{where}: expected an object of {kind} covariates by name, got {shown(found)}; mend it")
    return found
