"""A forecast of one series as a table, as JSON, or as it is drawn: quantiles of each step ahead.

Legend: H steps ahead, Q levels.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.data.series.frequency import times
from throughtime.errors import UserError, listed
from throughtime.files import write_chunks

Floats = npt.NDArray[np.float64]

SUFFIXES = (".csv", ".json", ".jsonl")
"""Of files that forecasts are written to."""

DIGITS = 9
"""Of a number in such a file."""


@dataclass(frozen=True)
class Fan:
    """What may come of a series.

    Attributes:
        name: Of the series.
        start: The time of the first value of the history, as ISO 8601; empty: steps have an order alone.
        frequency: What lies between two steps.
        history: What came, NaN where it is missing, ``[T]``.
        levels: Of the quantiles, between 0 and 1, rising.
        quantiles: ``[H, Q]``.
        actual: What came then, NaN where it is missing, ``[H]``; None: not known.
    """

    name: str
    start: str
    frequency: str
    history: Floats
    levels: tuple[float, ...]
    quantiles: Floats
    actual: Floats | None = None

    @property
    def has_times(self) -> bool:
        """Whether its steps have a time."""
        return bool(self.start and self.frequency)

    @property
    def median(self) -> Floats:
        """Of each step, ``[H]``: that of the level nearest to a half."""
        found: Floats = self.quantiles[:, int(np.argmin(np.abs(np.array(self.levels) - 0.5)))]
        return found

    def steps(self) -> npt.NDArray[Any]:
        """Where history and forecast stand, ``[T + H]``: times, or numbers from 1."""
        count = len(self.history) + len(self.quantiles)
        return times(self.start, self.frequency, count) if self.has_times else np.arange(1, count + 1)

    def bands(self) -> list[tuple[float, Floats, Floats]]:
        """Shares of what may come, and the quantiles between which they lie: the widest first.

        Example:
            >>> fan = Fan("a", "", "", np.zeros(1), (0.1, 0.5, 0.9), np.array([[1.0, 2.0, 4.0]]))
            >>> [(share, low.tolist(), high.tolist()) for share, low, high in fan.bands()]
            [(0.8, [1.0], [4.0])]
        """
        at = {round(level, 6): number for number, level in enumerate(self.levels)}
        pairs = [(low, round(1 - low, 6)) for low in sorted(at) if low < 0.5 and round(1 - low, 6) in at]
        return [(round(high - low, 6), self.quantiles[:, at[low]], self.quantiles[:, at[high]]) for low, high in pairs]


def check_forecasts(path: Path, option: str = "--out") -> None:
    """Refuses a file that forecasts cannot be written to.

    Raises:
        UserError: If its suffix is none of :data:`SUFFIXES`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{option}: expected a file that ends in {listed(SUFFIXES)}, got {path}")


def write_forecasts(path: Path, fans: Sequence[Fan]) -> None:
    """Writes forecasts; the suffix tells how: a row a step, an array of objects, or an object a line.

    Raises:
        UserError: If the suffix is none of :data:`SUFFIXES`.
    """
    check_forecasts(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        write_chunks(path, _table(fans))
    elif suffix == ".json":
        write_chunks(path, [f"{json.dumps([as_data(fan) for fan in fans], ensure_ascii=False)}\n".encode()])
    else:
        write_chunks(path, (f"{json.dumps(as_data(fan), ensure_ascii=False)}\n".encode() for fan in fans))


def as_data(fan: Fan) -> dict[str, Any]:
    """A forecast as plain data: its times or steps, and its quantiles by level.

    Example:
        >>> as_data(Fan("a", "2024-01-31", "ME", np.zeros(1), (0.5,), np.array([[2.0], [3.0]])))
        {'id': 'a', 'frequency': 'ME', 'time': ['2024-02-29', '2024-03-31'], 'quantiles': {'0.5': [2.0, 3.0]}}
    """
    quantiles = dict(zip(map(level_name, fan.levels), shortened(fan.quantiles.T).tolist(), strict=True))
    came = [] if fan.actual is None else shortened(fan.actual).tolist()
    actual = {} if fan.actual is None else {"actual": [None if math.isnan(value) else value for value in came]}
    frequency = {"frequency": fan.frequency} if fan.frequency else {}
    return {"id": fan.name, **frequency, _axis(fan): ahead_of(fan), "quantiles": quantiles, **actual}


def level_name(level: float) -> str:
    """A level as the heading of its column.

    Example:
        >>> level_name(0.5), level_name(0.025)
        ('0.5', '0.025')
    """
    return f"{level:.6g}"


def _axis(fan: Fan) -> str:
    return "time" if fan.has_times else "step"


def ahead_of(fan: Fan) -> list[Any]:
    """The times of the forecast, no finer than they need be; or its steps, from 1 after the history."""
    if not fan.has_times:
        return list(range(1, len(fan.quantiles) + 1))
    found = fan.steps()[len(fan.history) :]
    units = ("D", "s", "us")
    unit = next(unit for unit in units if (fan.steps() == fan.steps().astype(f"datetime64[{unit}]")).all())
    return [str(time) for time in found.astype(f"datetime64[{unit}]")]


def shortened(values: Floats) -> Floats:
    """Numbers to so many digits that mean something.

    Example:
        >>> shortened(np.array([1234.56789012, 0.0, np.nan, -1e-5 / 3])).tolist()
        [1234.56789, 0.0, nan, -3.33333333e-06]
    """
    sizes = np.abs(values)
    there = np.isfinite(values) & (sizes > 0)
    power = DIGITS - 1 - np.floor(np.log10(np.where(there, sizes, 1.0)))
    up, down = 10.0 ** np.maximum(power, 0), 10.0 ** np.maximum(-power, 0)
    found: Floats = np.where(there, np.round(values * up / down) / up * down, values)
    return found


def _table(fans: Sequence[Fan]) -> Iterator[bytes]:
    """A row a step of a series: its id, its time or step, and a column a level."""
    first = fans[0] if fans else None
    if first is None:
        return
    known = any(fan.actual is not None for fan in fans)
    yield _row(["id", _axis(first), *map(level_name, first.levels), *(["actual"] if known else [])])
    for fan in fans:
        actual = np.full(len(fan.quantiles), np.nan) if fan.actual is None else fan.actual
        for at, values, came in zip(ahead_of(fan), fan.quantiles, actual, strict=True):
            numbers = [f"{value:.{DIGITS}g}" for value in values]
            yield _row([fan.name, at, *numbers, *([("" if np.isnan(came) else f"{came:.{DIGITS}g}")] if known else [])])


def _row(cells: Sequence[Any]) -> bytes:
    line = StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()
