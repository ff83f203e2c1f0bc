"""Which columns of a table hold the series' ids, the times, the values and the covariates; told where guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from throughtime.data.series.columns.cells import Column, is_missing, kind_of
from throughtime.errors import UserError, listed, nearest
from throughtime.runtime.reading.notes import note, note_column

NONE = "none"
"""As the time column: rows are steps."""

LAYOUTS = ("long", "wide", "m4", "tsf", "lines")

TIMES = ("ds", "timestamp", "datetime", "date_time", "time", "date", "period", "month", "week", "day", "hour", "year")
IDS = ("unique_id", "item_id", "series_id", "series_name", "ts_id", "series", "id")
VALUES = ("y", "value", "target", "values")

CATEGORY = ":category"
"""Ends the name of a covariate whose numbers are names."""


@dataclass(frozen=True)
class Reading:
    """How files of series are read; what is None is guessed, and told.

    Attributes:
        layout: ``long`` (a row a step of a series), ``wide`` (a column a series), ``m4`` (a row a series), ``tsf`` (of
            the Monash archive), ``lines`` (JSON lines, a series each).
        id: The column of the series' ids, or several with commas between.
        time: The column of times; ``none``: rows are steps in the order in which they stand.
        value: The column of values, or several with commas between.
        frequency: What lies between two steps.
        static: Columns of what holds for a whole series; ``store:category`` where numbers are names.
        known: Columns of covariates that are known ahead.
        past: Columns of covariates that are not.
        zone: The time zone of times without offsets, such as ``Europe/Berlin``: they are read as UTC then.
        decimal: The sign before decimals, ``.`` or ``,``.
        header: Whether the first row names the columns.
        day_first: Whether 03/04/2024 is in April.
    """

    layout: str | None = None
    id: str | None = None
    time: str | None = None
    value: str | None = None
    frequency: str | None = None
    static: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    zone: str | None = None
    decimal: str | None = None
    header: bool | None = None
    day_first: bool | None = None


@dataclass(frozen=True)
class Roles:
    """What columns hold.

    Attributes:
        ids: Those that tell series apart; none: every value column is a series.
        time: Of times; None: rows are steps.
        values: Of values.
        covariates: By name: whether they are categories.
        static: Of them, those of a whole series.
        known: Of them, those known ahead.
        past: Of them, the others.
    """

    ids: tuple[str, ...]
    time: str | None
    values: tuple[str, ...]
    covariates: Mapping[str, bool]
    static: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()


def find_roles(path: Path, columns: Mapping[str, Column], how: Reading) -> Roles:
    """What the columns of a table hold, by what the user says, by their names, then by what the first rows hold.

    Args:
        path: The file, for messages.
        columns: Its first rows.
        how: What the user says.

    Raises:
        UserError: If a column is not there, or it cannot be told; names the option that settles it.
    """
    names = list(columns)
    kinds = {name: kind_of(column) for name, column in columns.items()}
    said = {
        option: [_asked(path, names, name, f"--{option}") for name in map(_bare, getattr(how, option))]
        for option in ("static", "known", "past")
    }
    covariates = {name for found in said.values() for name in found}
    free = [name for name in names if name not in covariates]
    asked_ids = _split(path, names, how.id, "--id")
    asked_values = _split(path, names, how.value, "--value")
    time = _time(path, columns, kinds, [n for n in free if n not in (*asked_ids, *asked_values)], how)
    left = [name for name in free if name != time]
    ids = asked_ids or _ids(path, columns, kinds, time, [name for name in left if name not in asked_values], how)
    left = [name for name in left if name not in ids]
    values = asked_values or _values(path, kinds, left, bool(ids))
    _told(path, ids, time, values, how)
    if said["static"] and not ids:
        raise UserError(f"{path}: expected --static in a table whose rows have ids, got one without; pass --id")
    if unread := [name for name in left if name not in values]:
        note(f"{path}: columns that are not read: {listed(unread)}")
    marked = {_bare(name) for name in (*how.static, *how.known, *how.past) if name.endswith(CATEGORY)}
    categories = {name: name in marked or kinds[name] != "number" for name in names if name in covariates}
    return Roles(tuple(ids), time, tuple(values), categories, *(tuple(said[o]) for o in ("static", "known", "past")))


def _bare(name: str) -> str:
    return name.removesuffix(CATEGORY)


def _asked(path: Path, names: Sequence[str], asked: str, option: str) -> str:
    if asked in names:
        return asked
    if asked.isdecimal() and 1 <= int(asked) <= len(names):
        return names[int(asked) - 1]
    raise UserError(f"{option}: {path} has no column {asked!r}{nearest(asked, names)}; columns: {listed(names)}")


def _split(path: Path, names: Sequence[str], asked: str | None, option: str) -> list[str]:
    if asked is None:
        return []
    whole = [asked] if asked in names else [name.strip() for name in asked.split(",")]
    return [_asked(path, names, name, option) for name in whole]


def _named(names: Sequence[str], usual: Sequence[str]) -> str | None:
    by_name = {name.lower(): name for name in reversed(names)}
    return next((by_name[name] for name in usual if name in by_name), None)


def _time(
    path: Path, columns: Mapping[str, Column], kinds: Mapping[str, str], free: Sequence[str], how: Reading
) -> str | None:
    if how.time is not None:
        return None if how.time == NONE and NONE not in columns else _asked(path, list(columns), how.time, "--time")
    times = [name for name in free if kinds[name] == "time"]
    usual = _named([name for name in free if kinds[name] == "time" or _is_whole(columns[name])], TIMES)
    if usual is not None and (kinds[usual] == "time" or not times):
        return usual
    if len(times) > 1:
        raise UserError(f"{path}: expected one column of times, got {listed(times)}; name it by --time")
    if times:
        return times[0]
    first = next(iter(columns))
    return first if first in free[:-1] and _counts_rows(columns[first]) else None


def _counts_rows(column: Column) -> bool:
    """Whether every value is one more than the one before."""
    cells = [str(cell).strip() for cell in column]
    counted = len(cells) > 2 and all(re.fullmatch(r"[0-9]{1,15}", cell) for cell in cells)
    return counted and all(int(after) - int(before) == 1 for before, after in pairwise(cells))


def _is_whole(column: Column) -> bool:
    """Whether a column of numbers, or words such as ``Jan 2024``, may tell times."""
    cells = [str(cell).strip() for cell in column[:100] if not is_missing(cell)]
    return bool(cells) and all(
        re.fullmatch(r"\d+(\.0)?|\d{4}-\d\d|[A-Za-z\d][A-Za-z\d ,-]*\d{4}|\d{4}[ -]?[Qq][1-4]", c) for c in cells
    )


def _ids(
    path: Path,
    columns: Mapping[str, Column],
    kinds: Mapping[str, str],
    time: str | None,
    free: Sequence[str],
    how: Reading,
) -> list[str]:
    if how.layout == "wide":
        return []
    if (usual := _named(free, IDS)) is not None:
        return [usual]
    able = [name for name in free if kinds[name] == "text" and _tells_apart(columns, name, time)]
    if len(able) > 1:
        raise UserError(
            f"{path}: expected one column that tells series apart, got {listed(able)}; name it by --id, several with "
            "commas between, or pass --layout wide"
        )
    if not able and how.layout == "long" and (texts := [name for name in free if kinds[name] == "text"]):
        return texts[:1] if len(texts) == 1 else []
    return able


def _tells_apart(columns: Mapping[str, Column], name: str, time: str | None) -> bool:
    """Whether a text's values stand in blocks, or times recur beside them: else it is something of each step."""
    cells = [str(cell) for cell in columns[name]]
    changes = sum(one != other for one, other in pairwise(cells))
    if changes == len(set(cells)) - 1 and len(set(cells)) < max(2, len(cells)):
        return True
    times = [] if time is None else [str(cell) for cell in columns[time]]
    return len(set(times)) < len(times)


def _values(path: Path, kinds: Mapping[str, str], left: Sequence[str], long: bool) -> list[str]:
    able = [name for name in left if kinds[name] == "number"]
    if not able:
        raise UserError(f"{path}: expected a column of numbers, got {listed(left) or 'none'}; name it by --value")
    if not long:
        return able
    usual = _named(able, VALUES)
    if usual is None and len(able) > 1:
        raise UserError(
            f"{path}: expected one column of values, got {listed(able)}; name it by --value, several with commas"
        )
    return [usual or able[0]]


def _told(path: Path, ids: Sequence[str], time: str | None, values: Sequence[str], how: Reading) -> None:
    """One line of what was taken for what."""
    at = "rows are steps, without a time" if time is None else f"times are column {time!r}"
    numbers = listed(map(repr, values))
    if ids:
        note(f"{path}: long: series are told apart by {listed(map(repr, ids))}, {at}, values are {numbers}")
    else:
        note(f"{path}: wide: {at}, series are {numbers}")
    for what, name in (("time", time), *(("id", name) for name in ids), *(("value", name) for name in values if ids)):
        if name is not None:
            note_column(what, name)
