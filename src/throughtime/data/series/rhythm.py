"""What lies between steps, found by the times that stand there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from throughtime.data.series.frequency import TIME, Frequency, Integers, day_of

DAY = 86400 * 10**6
FEW = 10
"""Differences of times by fewer of which a frequency is told to be a guess."""

UNITS = (("W", 7 * DAY), ("D", DAY), ("h", 3600 * 10**6), ("min", 60 * 10**6), ("s", 10**6), ("ms", 1000), ("us", 1))


def rhythm_of(series: Sequence[Integers]) -> tuple[Frequency | None, int]:
    """The frequency of series by their times in microseconds, sorted; and by how many differences it was found.

    Months where all stand at one day of the month, or at its end; business days where days follow each other and none
    is of a weekend though weekends lie between; else the commonest difference.

    Returns:
        None where no series has two times.

    Example:
        >>> days = np.array(["2024-01-31", "2024-02-29", "2024-03-31"], "datetime64[us]").astype(np.int64)
        >>> rhythm_of([days])
        (Frequency(count=1, unit='M', day=0, anchor=''), 2)
    """
    steps = [np.diff(np.unique(times)) for times in series]
    differences = np.concatenate([*steps, np.empty(0, np.int64)])
    if not len(differences):
        return None, 0
    times = np.unique(np.concatenate([np.unique(one) for one in series if len(one) > 1])).astype(TIME)
    same_clock = all(len(np.unique(one % DAY)) == 1 for one in series if len(one))
    if same_clock and differences.min() >= 28 * DAY and (months := _months(times, series)) is not None:
        return months, len(differences)
    common = _commonest(differences)
    if same_clock and common == DAY and _skips_weekends(times, differences):
        return Frequency(1, "B"), len(differences)
    unit, size = next((unit, size) for unit, size in UNITS if common % size == 0)
    return Frequency(common // size, unit), len(differences)


def order_step(series: Sequence[Integers]) -> int:
    """The commonest difference of numbers that count steps; 1 where there is none."""
    differences = np.concatenate([*(np.diff(np.unique(numbers)) for numbers in series), np.empty(0, np.int64)])
    return _commonest(differences) if len(differences) else 1


def _commonest(differences: Integers) -> int:
    """The commonest value; of several the smallest."""
    values, counts = np.unique(differences, return_counts=True)
    return int(values[np.argmax(counts)])


def _months(times: np.ndarray, series: Sequence[Integers]) -> Frequency | None:
    days = {day_of(time) for time in times[:1000]}
    firsts = {
        int(one) for one in (times.astype("datetime64[D]") - times.astype("datetime64[M]")).astype(np.int64)[:1000]
    }
    if days != {0} and len(firsts) > 1:
        return None
    day = 0 if days == {0} else min(firsts) + 1
    if day > 28:
        return None
    apart = [np.diff(np.unique(one).astype(TIME).astype("datetime64[M]").astype(np.int64)) for one in series]
    return Frequency(_commonest(np.concatenate(apart)), "M", day)


def _skips_weekends(times: np.ndarray, differences: Integers) -> bool:
    weekdays = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return bool((weekdays < 5).all() and (differences >= 3 * DAY).any())
