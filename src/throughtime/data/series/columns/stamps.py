"""Times as people write them: dates in several orders, offsets, seconds since 1970, or an order alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from throughtime.data.series.columns.cells import Column, Refuse, is_missing
from throughtime.data.series.frequency import MONTHS, TIME, Integers
from throughtime.errors import UserError, shown
from throughtime.runtime.reading.notes import note

UNIX = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 0}
"""Units that numbers may count since 1970, in microseconds; of a nanosecond there are a thousand in one."""

EARLY, LATE = 300_000_000, 4_102_444_800
"""Seconds from 1970 to 1979 and to 2100: between them a number may count them."""

FIRST, LAST = -62_135_596_800 * 10**6, 253_402_300_800 * 10**6
"""Microseconds from 1970 to the years 1 and 10,000: what lies beyond is no time."""

_ISO = re.compile(r"\d{4}-\d{1,2}(-\d{1,2})?([T ]\d{1,2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)?")
_OFFSET = re.compile(r"(?P<clock>\d:\d{2}(?::\d{2}(?:[.,]\d+)?)?) ?(?P<offset>Z|z|UTC|[+-]\d{2}(?::?\d{2})?)$")
_NUMERIC = re.compile(
    r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})"
    r"(?:[T ,]+(\d{1,2})[:.](\d{2})(?:[:.](\d{2})([.,]\d{1,6})?)?)?(?: ?([AaPp])\.?[Mm]\.?)?"
)
_NAMED = re.compile(r"(?:(\d{1,2})[ -])?([A-Za-z]{3,9})[ -](?:(\d{1,2}),? )?(\d{4})")
_WHOLE = re.compile(r"[+-]?\d{1,19}(\.0*)?", re.ASCII)
_QUARTER = re.compile(r"(\d{4})[ -]?[Qq]([1-4])|[Qq]([1-4])[ -](\d{4})")

_FORMS = {"numbers": (_WHOLE,), "iso": (_ISO,), "dates": (_NUMERIC,), "named": (_NAMED, _QUARTER)}


@dataclass(frozen=True)
class Clock:
    """How a column writes its times.

    Attributes:
        form: ``native``, ``iso``, ``dates`` (numbers in another order), ``named``, ``order``, ``digits`` (a date
            without signs), or a unit of :data:`UNIX`.
        day_first: Of ``dates``: the day stands before the month.
        offset: Times end in an offset from UTC.
    """

    form: str
    day_first: bool = False
    offset: bool = False

    @property
    def is_order(self) -> bool:
        """Whether steps have an order alone, and no time."""
        return self.form == "order"


def clock_of(path: Path, name: str, column: Column, day_first: bool | None = None) -> Clock:
    """How a column writes its times, told where it might be another way.

    Args:
        path: The file, for messages.
        name: Of the column.
        column: Its cells, or the first of them.
        day_first: What the user says of dates such as 03/04/2024; None: looked for.

    Raises:
        UserError: If they are no times, or the order of day and month cannot be told.
    """
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        return Clock("native")
    there = [cell for cell in (column.tolist() if isinstance(column, np.ndarray) else column) if not is_missing(cell)]
    if all(isinstance(cell, datetime) or hasattr(cell, "isoformat") for cell in there):
        return Clock("iso", offset=any(getattr(cell, "tzinfo", None) is not None for cell in there[:1]))
    words = [cell.strip() if isinstance(cell, str) else str(cell) for cell in there]
    offset = bool(words) and _OFFSET.search(words[0]) is not None
    bare = [_OFFSET.sub(r"\g<clock>", word) for word in words] if offset else words
    found = {form: [word for word in bare if any(way.fullmatch(word) for way in ways)] for form, ways in _FORMS.items()}
    form = max(found, key=lambda form: len(found[form]))  # what is another is refused by its line, where it is read
    if 2 * len(found[form]) < len(words) or not words:
        odd = shown(next((word for word in bare if word not in found[form]), ""))
        raise UserError(
            f"{path}: expected times in column {name!r}, got {odd}; write them as 2024-03-01T12:00:00, name another "
            "column by --time, or pass --time none where rows are steps"
        )
    if form == "numbers":
        return _of_numbers(path, name, found[form])
    if form == "dates" and day_first is None:
        day_first = _is_day_first(path, name, found[form])
    return Clock(form, bool(day_first), offset)


def _of_numbers(path: Path, name: str, words: Sequence[str]) -> Clock:
    """How whole numbers tell the time: by their digits, which is told."""
    values = [int(word.partition(".")[0]) for word in words]
    digits = {len(word.partition(".")[0]) for word in words}
    low, high = min(values), max(values)
    for unit, scale in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        if low >= EARLY * scale and high <= LATE * scale:
            note(f"{path}: column {name!r} counts {_UNITS[unit]} since 1970, by the size of its numbers")
            return Clock(unit)
    if digits <= {4} and low >= 1500 and high <= 2200:
        note(f"{path}: column {name!r} holds years, by the size of its numbers")
        return Clock("digits")
    for count, what in ((6, "months as 202403"), (8, "days as 20240301")):
        if digits == {count} and all(_is_date(value, count) for value in values):
            note(f"{path}: column {name!r} holds {what}, by its digits")
            return Clock("digits")
    note(f"{path}: column {name!r} holds numbers that are no dates: steps have an order, and no time")
    return Clock("order")


_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def _is_date(value: int, digits: int) -> bool:
    year, month, day = (
        (value // 100, value % 100, 1) if digits == 6 else (value // 10**4, value // 100 % 100, value % 100)
    )
    return 1500 <= year <= 2200 and 1 <= month <= 12 and 1 <= day <= 31


def _is_day_first(path: Path, name: str, words: Sequence[str]) -> bool:
    """Whether 03/04/2024 is in April: by a day beyond 12, by points, by AM or PM, by the order of rows."""
    found = [match for word in words if (match := _NUMERIC.fullmatch(word)) and len(match[1]) < 3]
    if not found:
        return False  # the year stands first
    first, second = {int(match[1]) for match in found}, {int(match[3]) for match in found}
    if max(first) > 12 or max(second) > 12:
        day_first = max(first) > 12
    elif all(match[2] == "." for match in found) or any(match[9] for match in found):
        day_first = found[0][9] is None
    else:
        day_first = _by_order(path, name, [(int(m[4]), int(m[1]), int(m[3])) for m in found], found[0][0])
    note(f"{path}: dates in column {name!r} have the {'day' if day_first else 'month'} first, as in {found[0][0]!r}")
    return day_first


def _by_order(path: Path, name: str, dates: Sequence[tuple[int, int, int]], example: str) -> bool:
    months = [(year, first, second) for year, first, second in dates]
    days = [(year, second, first) for year, first, second in dates]
    risen = [len(set(d)) > 1 and (d == sorted(d) or d == sorted(d, reverse=True)) for d in (months, days)]
    if risen[0] == risen[1]:
        raise UserError(
            f"{path}: expected dates in column {name!r} that tell the day from the month, got {example!r} and others "
            "that may be either; pass --day-first or --no-day-first"
        )
    return risen[1]


def stamps(column: Column, clock: Clock, refuse: Refuse) -> tuple[Integers, Integers | None]:
    """A column's times in microseconds since 1970, by its own clock, and what that is ahead of UTC, where it says so.

    Where the clock is an order, the numbers themselves.

    Raises:
        UserError: If a cell is no time; names it.
    """
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        years = column.astype("datetime64[Y]").astype(np.int64) + 1970
        wrong = np.flatnonzero(np.isnat(column) | (years < 1) | (years > 9999))
        if len(wrong):
            raise refuse(int(wrong[0]), "a time", str(column[wrong[0]]))
        return column.astype(TIME).astype(np.int64), None
    cells = column.tolist() if isinstance(column, np.ndarray) else column
    if clock.form == "iso" and not clock.offset and (quick := _quick(cells)) is not None:
        return quick, None
    found = [_stamp(at, cell, clock, refuse) for at, cell in enumerate(cells)]
    times = np.array([time for time, _ in found], np.int64)
    return times, np.array([offset for _, offset in found], np.int64) if clock.offset else None


def _counted(value: int, unit: str) -> int:
    found = value if unit == "order" else value // 1000 if unit == "ns" else value * UNIX[unit]
    if not FIRST <= found < LAST:
        raise ValueError
    return found


def _quick(cells: Sequence[Any]) -> Integers | None:
    """Times by the reader of NumPy, which is fast; None where it refuses one, or might take words for times."""
    try:
        if re.search(r"[^-0-9T :.]", "".join(cells)) or min(map(len, cells), default=7) < 7:
            return None
        found = np.array(cells, dtype=TIME).astype(np.int64)
        return found if ((found >= FIRST) & (found < LAST)).all() else None
    except (TypeError, ValueError):
        return None


def _stamp(at: int, cell: Any, clock: Clock, refuse: Refuse) -> tuple[int, int]:
    text = cell.strip() if isinstance(cell, str) else cell.isoformat() if hasattr(cell, "isoformat") else str(cell)
    try:
        if clock.form in {*UNIX, "order"}:
            return _counted(_whole(text), clock.form), 0
        found = _OFFSET.search(text)
        if (found is not None) != clock.offset:
            raise ValueError
        time = _local(text if found is None else text[: found.end("clock")], clock)
        return time, 0 if found is None else _ahead(found["offset"])
    except (ValueError, OverflowError) as error:
        expected = "a time with its offset" if clock.offset else "a time as in the other rows"
        raise refuse(at, expected, cell) from error


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError
    return int(text.partition(".")[0])


def _ahead(offset: str) -> int:
    if offset in ("Z", "z", "UTC"):
        return 0
    minutes = 60 * int(offset[1:3]) + int(offset[3:].removeprefix(":") or 0)
    return (-1 if offset[0] == "-" else 1) * minutes * 60 * 10**6


def _local(text: str, clock: Clock) -> int:
    """Microseconds since 1970 of a time without an offset."""
    if clock.form == "digits":
        text = text.partition(".")[0]
        parts = [text[:4], text[4:6] or "1", text[6:8] or "1"]
        return _micro(*map(int, parts))
    if quarter := _QUARTER.fullmatch(text):
        return _micro(int(quarter[1] or quarter[4]), 3 * int(quarter[2] or quarter[3]) - 2, 1)
    if named := _NAMED.fullmatch(text):
        month = MONTHS.index(named[2][:3].upper()) + 1
        return _micro(int(named[4]), month, int(named[1] or named[3] or 1))
    numeric = _NUMERIC.fullmatch(text)
    if numeric is None:
        month_alone = re.fullmatch(r"(\d{4})-(\d{1,2})", text)
        if month_alone is None:
            raise ValueError
        return _micro(int(month_alone[1]), int(month_alone[2]), 1)
    first, second, third = int(numeric[1]), int(numeric[3]), int(numeric[4])
    if len(numeric[1]) == 4:
        year, month, day = first, second, third
    else:
        year = third if len(numeric[4]) == 4 else 1900 + third + 100 * (third < 69)
        month, day = (second, first) if clock.day_first else (first, second)
    hour = int(numeric[5] or 0)
    if half := numeric[9]:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + 12 * (half.lower() == "p")
    micro = int((numeric[8] or ".0")[1:].ljust(6, "0"))
    return _micro(year, month, day, hour, int(numeric[6] or 0), int(numeric[7] or 0), micro)


_EPOCH = datetime(1970, 1, 1)


def _micro(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, micro: int = 0) -> int:
    since = datetime(year, month, day, hour, minute, second, micro) - _EPOCH
    return (since.days * 86400 + since.seconds) * 10**6 + since.microseconds


def utc(path: Path, times: Integers, ahead: Integers | None) -> Integers:
    """Times as they are kept: without offsets as they stand; with offsets in UTC, or by their own clock where all are
    whole days by it; which is told.
    """
    if ahead is None:
        return times
    day = 86400 * 10**6
    if len(np.unique(times % day)) == 1 and len(times) > 1 and len(np.unique(times)) > 1:
        note(f"{path}: times have offsets from UTC, and are the same of every day: read by their own clock")
        return times
    note(f"{path}: times have offsets from UTC: read as UTC")
    return times - ahead


def in_zone(path: Path, zone: str, times: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """Times of a zone's clocks in UTC, in the order in which they stand; and which of them no clock there shows.

    A time that clocks show twice, as daylight saving time ends, is the earlier one where it first stands, then the
    later one.

    Raises:
        UserError: If there is no such zone.
    """
    zone_of = _zone(zone)
    hours, where = np.unique(times // (15 * 60 * 10**6), return_inverse=True)
    offsets = np.array(
        [[_offset(hour * 15 * 60, zone_of, fold) for fold in (0, 1)] for hour in hours.tolist()], np.int64
    )
    early, late = offsets.reshape(-1, 2)[where].T
    _, first = np.unique(times, return_index=True)
    again = np.ones(len(times), np.bool_)
    again[first] = False
    return times - np.where(again & (late < early), late, early) * 10**6, late > early


def _zone(zone: str) -> Any:
    try:
        return ZoneInfo(zone)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"--zone: expected a time zone such as Europe/Berlin, got {zone!r}") from error


def _offset(seconds: int, zone: Any, fold: int) -> int:
    """Seconds that a zone's clocks are ahead of UTC where they show a time for the first time, or the second."""
    ahead = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=zone, fold=fold).utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds())
