"""What lies between two steps of a series: its names, times, seasons, lags and calendar."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError, nearest

Times = npt.NDArray[np.datetime64]
Integers = npt.NDArray[np.int64]

TIME = "datetime64[us]"
"""Of all times: microseconds, without a zone."""

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

CLOCK = {"us": 1, "ms": 1000, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "D": 86400 * 10**6, "W": 604800 * 10**6}
"""Units of one length, in microseconds."""

CALENDAR = {"M": 1, "Q": 3, "Y": 12}
"""Units of whole months."""

_SPELLED = {
    "us": "U microsecond microseconds",
    "ms": "L millisecond milliseconds",
    "s": "S sec second seconds secondly",
    "min": "T m minute minutes minutely",
    "h": "H hour hours hourly",
    "D": "d day days daily",
    "B": "b BD business weekdays",
    "W": "w week weeks weekly",
    "M": "month months monthly",
    "Q": "quarter quarters quarterly",
    "Y": "A year years yearly annual",
    "MS": "",
    "ME": "",
    "QS": "",
    "QE": "",
    "YS": "AS",
    "YE": "",
}
SPELLED = {word: unit for unit, words in _SPELLED.items() for word in (unit, *words.split())}
"""Other names of units, as pandas, the Monash archive and people write them."""


@dataclass(frozen=True)
class Frequency:
    """How far apart steps are.

    Attributes:
        count: Units of a step.
        unit: ``us``, ``ms``, ``s``, ``min``, ``h``, ``D``, ``W``, ``B`` (business days), or ``M`` (months, of which
            a quarter has three and a year twelve).
        day: Of the month, for months: 1 is its start, 0 its end; None: as the first time stands.
        anchor: What a name told beside the unit, such as ``MON`` or ``MAR``, and the first time must meet.
    """

    count: int
    unit: str
    day: int | None = None
    anchor: str = ""

    @property
    def microseconds(self) -> int:
        """Of a step; 0 where steps differ in length."""
        return self.count * CLOCK.get(self.unit, 0)

    @property
    def name(self) -> str:
        """The name where no time is known.

        Example:
            >>> parse("60min").name, parse("W-MON").name, parse("QE").name
            ('h', 'W', 'Q')
        """
        if self.unit == "B":
            return _counted(self.count, "B")
        if self.unit == "M":
            unit, size = next((unit, size) for unit, size in reversed(CALENDAR.items()) if self.count % size == 0)
            return _counted(self.count // size, unit)
        unit = next(unit for unit, size in reversed(CLOCK.items()) if self.microseconds % size == 0)
        return _counted(self.microseconds // CLOCK[unit], unit)

    def misses(self, start: np.datetime64) -> str | None:
        """Where a first time should stand, if it does not: ``"the end of a month"``; None: it does.

        Example:
            >>> parse("W-SUN").misses(np.datetime64("2024-01-01", "us")), parse("W").misses(np.datetime64(0, "us"))
            ('SUN', None)
        """
        if self.unit == "B":
            return None if np.is_busday(start.astype("datetime64[D]")) else "a business day"
        if self.unit == "W" and self.anchor and DAYS[_weekday(start)] != self.anchor:
            return self.anchor
        if self.unit == "M" and self.day is not None and _in_months(start, np.zeros(1, np.int64), self.day)[0] != start:
            return {0: "the end of a month", 1: "the start of a month"}.get(self.day, f"day {self.day} of a month")
        if self.anchor in MONTHS and (_month(start) - MONTHS.index(self.anchor)) % self.count:
            return self.anchor
        return None

    def name_at(self, start: np.datetime64) -> str:
        """The name, with the day of the week or month that the first time tells: ``"W-MON"``, ``"QE"``, ``"YS-APR"``.

        Example:
            >>> parse("W").name_at(np.datetime64("2024-01-01", "us")), parse("60min").name_at(np.datetime64(0, "us"))
            ('W-MON', 'h')
        """
        if self.unit == "M":
            return _name_of_months(self.count, _day_rule(self, start), _month(start))
        return f"{self.name}-{DAYS[_weekday(start)]}" if self.name.endswith("W") else self.name


@cache
def parse(name: str) -> Frequency:
    """The frequency of a name: of pandas (``15min``, ``W-SUN``, ``QE-MAR``), of the Monash archive (``half_hourly``).

    Raises:
        UserError: If it is none.

    Example:
        >>> parse("15min"), parse("10_minutes").count, parse("half_hourly").microseconds // 60_000_000
        (Frequency(count=15, unit='min', day=None, anchor=''), 10, 30)
    """
    found = re.fullmatch(r"(half[_ -]?)?(\d{0,6})[_ ]?([A-Za-z]+)(?:-(\w+))?", name.strip())
    unit = _unit(found[3]) if found else None
    count = int(found[2] or 1) if found else 0
    anchor = (found[4] or "").upper() if found else ""
    if found and found[1] and unit == "h":
        count, unit = 30 * count, "min"
    if unit is None or count < 1:
        raise UserError(
            f"expected a frequency such as h, 15min, D, B, W, MS, ME, QE or YE, got {name!r}"
            f"{nearest(found[3] if found else name, SPELLED)}"
        )
    if unit[0] in CALENDAR and unit not in CLOCK:
        numbered = anchor.isdecimal() and unit == "M" and 1 <= int(anchor) <= 28
        day = int(anchor) if numbered else {"S": 1, "E": 0}.get(unit[1:])
        months = anchor if anchor in MONTHS else ""
        _check_anchor(name, anchor, months or numbered)
        return Frequency(count * CALENDAR[unit[0]], "M", day, months)
    _check_anchor(name, anchor, unit == "W" and anchor in DAYS)
    return Frequency(count, unit, None, anchor)


def parse_at(where: str, name: str) -> Frequency:
    """The frequency of a name that stands somewhere.

    Raises:
        UserError: If it is none; names the place.
    """
    try:
        return parse(name)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _unit(word: str) -> str | None:
    return SPELLED.get(word) or SPELLED.get(word.lower())


def _check_anchor(name: str, anchor: str, fits: object) -> None:
    if anchor and not fits:
        raise UserError(f"expected a day or a month behind the unit, as in W-MON or YE-JUN, got {name!r}")


def season(name: str) -> int:
    """Steps of the season that forecasts are judged against, as M4 and GluonTS count them; 1: there is none.

    Example:
        >>> [season(name) for name in ("h", "15min", "D", "B", "W", "ME", "QS", "YE", "")]
        [24, 96, 1, 5, 1, 12, 4, 1, 1]
    """
    if not name:
        return 1
    found = parse(name)
    if found.unit == "B":
        return 5 // found.count if 5 % found.count == 0 else 1
    if found.unit == "M":
        return max(1, 12 // found.count) if 12 % found.count == 0 else 1
    size = found.microseconds
    whole = CLOCK["h"] if size < CLOCK["min"] else CLOCK["D"] if size < CLOCK["D"] else size
    return whole // size if whole % size == 0 else 1


def cycles(name: str) -> tuple[int, ...]:
    """Steps of the cycles that such series usually have, the shortest first: of the hour, the day, the week, the year.

    Example:
        >>> cycles("h"), cycles("15min"), cycles("D"), cycles("ME"), cycles("YE")
        ((24, 168), (96, 672), (7,), (12,), ())
    """
    if not name:
        return ()
    found = parse(name)
    if found.unit == "B":
        return (5,) if found.count == 1 else ()
    if found.unit == "M":
        return (12 // found.count,) if found.count < 12 and 12 % found.count == 0 else ()
    size = found.microseconds
    if size == CLOCK["W"]:
        return (52,)
    among = [CLOCK["h"], CLOCK["D"], CLOCK["W"]] if size < CLOCK["min"] * 5 else [CLOCK["D"], CLOCK["W"]]
    return tuple(whole // size for whole in among if whole % size == 0 and whole > size)


def lags(name: str, most: int | None = None) -> list[int]:
    """Steps back at which a series tells of itself: the last ones, and about each of its :func:`cycles`.

    Args:
        name: Of the frequency.
        most: Steps back at most.

    Example:
        >>> lags("h", 48), lags("ME")
        ([1, 2, 3, 23, 24, 25, 47, 48], [1, 2, 3, 11, 12, 13, 23, 24, 25])
    """
    near = {whole * times + beside for whole in cycles(name) for times in (1, 2) for beside in (-1, 0, 1)}
    return sorted(lag for lag in {1, 2, 3} | near if lag > 0 and (most is None or lag <= most))


def times(start: str, name: str, count: int, begin: int = 0) -> Times:
    """The times of steps.

    Args:
        start: The time of step 0, as ISO 8601.
        name: Of the frequency.
        count: Steps.
        begin: The first of them; may be negative.

    Example:
        >>> [str(time)[:10] for time in times("2024-01-31T00:00:00", "ME", 3)]
        ['2024-01-31', '2024-02-29', '2024-03-31']
        >>> [str(time)[:10] for time in times("2024-01-05", "B", 3)]
        ['2024-01-05', '2024-01-08', '2024-01-09']
    """
    return times_from(np.datetime64(start, "us"), parse(name), np.arange(begin, begin + count, dtype=np.int64))


def times_from(start: np.datetime64, frequency: Frequency, steps: Integers) -> Times:
    """The times of some steps from a first one."""
    units = steps * frequency.count
    if frequency.unit == "M":
        return _in_months(start, units, _day_rule(frequency, start))
    if frequency.unit == "B":
        day = start.astype("datetime64[D]")
        found: Times = np.busday_offset(day, units, roll="forward").astype(TIME) + (start - day.astype(TIME))
        return found
    return start + (units * CLOCK[frequency.unit]).astype("timedelta64[us]")


def positions(start: np.datetime64, frequency: Frequency, stamps: Times) -> Integers:
    """The steps at which times stand, counted from the first; -1 where one lies between steps, or before the first.

    Example:
        >>> stamps = np.array(["2024-01-01", "2024-01-03", "2024-01-03T12"], TIME)
        >>> positions(stamps[0], parse("D"), stamps).tolist()
        [0, 2, -1]
    """
    if frequency.unit == "M":
        months = stamps.astype("datetime64[M]").astype(np.int64) - int(start.astype("datetime64[M]").astype(np.int64))
        found, on = months // frequency.count, months % frequency.count == 0
        on &= _in_months(start, months, _day_rule(frequency, start)) == stamps
    elif frequency.unit == "B":
        days = stamps.astype("datetime64[D]")
        ahead = np.busday_count(start.astype("datetime64[D]"), days).astype(np.int64)
        found, on = ahead // frequency.count, ahead % frequency.count == 0
        on &= np.is_busday(days) & (stamps - days.astype(TIME) == start - start.astype("datetime64[D]").astype(TIME))
    else:
        since = (stamps - start).astype(np.int64)
        found, on = since // frequency.microseconds, since % frequency.microseconds == 0
    return np.where(on & (found >= 0), found, -1)


def features(start: str, name: str, count: int, begin: int = 0) -> npt.NDArray[np.float32]:
    """Where steps stand in the cycles of the calendar, ``[count, K]`` in [-0.5, 0.5]: half a sine and cosine of each.

    K is 0 where steps have no time, or are years. Arguments as of :func:`times`; names as of :func:`feature_names`.
    """
    names = _parts(name) if start else ()
    if not names:
        return np.zeros((count, 0), np.float32)
    stamps = times(start, name, count, begin)
    turns = np.stack([PARTS[part](stamps) for part in names], axis=1)
    waves = np.stack([np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)], axis=2)
    return (0.5 * waves).reshape(count, 2 * len(names)).astype(np.float32)


def feature_names(name: str) -> list[str]:
    """What the columns of :func:`features` stand for.

    Example:
        >>> feature_names("ME"), len(feature_names("h"))
        (['month of the year, sine', 'month of the year, cosine'], 8)
    """
    return [f"{part}, {wave}" for part in _parts(name) for wave in ("sine", "cosine")]


def _over(whole: str) -> Callable[[Times], npt.NDArray[np.float64]]:
    """The share of a unit that is over, for times."""
    size = CLOCK[whole]
    return lambda stamps: (stamps.astype(np.int64) % size).astype(np.float64) / size


def _day_of_month(stamps: Times) -> npt.NDArray[np.float64]:
    return (_days(stamps) - _days(stamps.astype("datetime64[M]"))) / 31.0


def _day_of_year(stamps: Times) -> npt.NDArray[np.float64]:
    return (_days(stamps) - _days(stamps.astype("datetime64[Y]"))) / 366.0


PARTS: dict[str, Callable[[Times], npt.NDArray[np.float64]]] = {
    "second of the minute": _over("min"),
    "minute of the hour": _over("h"),
    "hour of the day": _over("D"),
    "day of the week": lambda stamps: (_days(stamps) + 3) % 7 / 7.0,
    "day of the month": _day_of_month,
    "day of the year": _day_of_year,
    "month of the year": lambda stamps: stamps.astype("datetime64[M]").astype(np.int64) % 12 / 12.0,
}
"""By what a step's place in the calendar is told: the share of the longer unit that is over."""


@cache
def _parts(name: str) -> tuple[str, ...]:
    if not name:
        return ()
    found, every = parse(name), tuple(PARTS)
    if found.unit == "M":
        return every[6:] if found.count < 12 else ()
    if found.unit == "B":
        return every[3:6]
    size = found.microseconds
    first = 0 if size < CLOCK["min"] else 1 if size < CLOCK["h"] else 2 if size < CLOCK["D"] else 3
    return every[5:6] if size >= CLOCK["W"] else every[first:6]


def _days(stamps: Times) -> Integers:
    return stamps.astype("datetime64[D]").astype(np.int64)


def _weekday(time: np.datetime64) -> int:
    return int((time.astype("datetime64[D]").astype(np.int64) + 3) % 7)


def _month(time: np.datetime64) -> int:
    return int(time.astype("datetime64[M]").astype(np.int64) % 12)


def _day_rule(found: Frequency, start: np.datetime64) -> int:
    """The day of the month at which steps stand: 0 is the last."""
    return day_of(start) if found.day is None else found.day


def day_of(time: np.datetime64) -> int:
    """The day of the month: 1, 2, …; 0 for the last one."""
    day, month = time.astype("datetime64[D]"), time.astype("datetime64[M]")
    last = (day + 1).astype("datetime64[M]") != month
    return 0 if last else int((day - month.astype("datetime64[D]")).astype(np.int64)) + 1


def _in_months(first: np.datetime64, months: Integers, day: int) -> Times:
    """The times some months after a first one, at a day of the month; where a month is too short, at its last."""
    at = first.astype("datetime64[M]") + months.astype("timedelta64[M]")
    last = (at + 1).astype("datetime64[D]") - 1
    days = last if day == 0 else np.minimum(at.astype("datetime64[D]") + (day - 1), last)
    found: Times = days.astype(TIME) + (first - first.astype("datetime64[D]").astype(TIME))
    return found


def _counted(count: int, unit: str) -> str:
    return f"{count if count > 1 else ''}{unit}"


def _name_of_months(count: int, day: int, month: int) -> str:
    rule = {0: "E", 1: "S"}.get(day)
    if rule is None:
        return f"{_counted(count, 'M')}-{day}"
    unit = "Y" if count % 12 == 0 else "Q" if count % 3 == 0 else "M"
    times = count // CALENDAR[unit]
    usual = {"Y": 0 if day else 11, "Q": month - month % 3 if day else month - month % 3 + 2, "M": month}[unit]
    anchor = "" if month == usual else f"-{MONTHS[month % 3 if unit == 'Q' else month]}"
    return f"{_counted(times, unit + rule)}{anchor}"
