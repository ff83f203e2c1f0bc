"""What is known of steps beside their numbers, as numbers near 0: the calendar, and covariates as training saw them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from typing_extensions import TypedDict

from throughtime.applications.folder.learnt import LARGEST
from throughtime.data.series.frequency import feature_names, features, times
from throughtime.data.series.series import Covariate, Series
from throughtime.errors import UserError

Singles = npt.NDArray[np.float32]

MOST = 64
"""Categories of a covariate that are told apart, the commonest."""

FARTHEST = 10.0
"""Deviations from the mean that a covariate is read as at most."""

Kind = Literal["static", "known", "past"]

Real = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


class Learnt(TypedDict):
    """Of one covariate: its categories, or mean and deviation where it has none."""

    categories: list[str]
    mean: Real
    deviation: Annotated[float, Field(gt=0, le=LARGEST)]


Known = dict[str, Learnt]


def learn(train: Sequence[Series], kind: Kind) -> Known:
    """What covariates are like, in training data alone.

    Raises:
        UserError: If a series lacks one that another has.
    """
    names = {name: None for series in train for name in getattr(series, kind)}
    for series in train:
        for name in names:
            if name not in getattr(series, kind):
                raise UserError(f"{series.where}: expected the covariate {name!r}, which other series have, got none")
    return {name: _learnt(getattr(series, kind)[name] for series in train) for name in names}


def _learnt(values: Iterable[Any]) -> Learnt:
    parts = [np.atleast_1d(np.asarray(value)) for value in values]
    if any(part.dtype.kind in "US" for part in parts):
        counts = Counter(word for part in parts for word in part.tolist() if word != "")
        return Learnt(categories=sorted(word for word, _ in counts.most_common(MOST)), mean=0.0, deviation=1.0)
    numbers = np.concatenate([part.astype(np.float64) for part in parts])
    numbers = numbers[np.isfinite(numbers)]
    mean = float(numbers.mean()) if numbers.size else 0.0
    return Learnt(categories=[], mean=mean, deviation=float(numbers.std()) or 1.0 if numbers.size else 1.0)


def width(learnt: Known) -> int:
    """Numbers of a step."""
    return sum(len(each["categories"]) or 2 for each in learnt.values())


CYCLES = {
    "second of the minute": 60,
    "minute of the hour": 3600,
    "hour of the day": 86400,
    "day of the week": 7 * 86400,
    "day of the month": 30.44 * 86400,
    "day of the year": 365.25 * 86400,
    "month of the year": 365.25 * 86400,
}
"""Seconds after which a place in the calendar comes again."""

TURNS = 3
"""Times that a place in the calendar has come in a series that it is learnt from: what came once or twice is a date,
by which a network tells its training data by heart."""


def calendar_of(train: Sequence[Series], frequency: str) -> list[str]:
    """What of the calendar can be learnt from: nothing where a series has no times.

    Example:
        >>> hours = Series("a", "", "2024-01-01T00:00:00", "h", np.zeros(24 * 40))
        >>> calendar_of([hours], "h")
        ['hour of the day, sine', 'hour of the day, cosine', 'day of the week, sine', 'day of the week, cosine']
    """
    if not frequency or not all(series.start for series in train):
        return []
    longest = max(train, key=len)
    stamps = times(longest.start, frequency, len(longest))
    seconds = float((stamps[-1] - stamps[0]) / np.timedelta64(1, "s"))
    return [name for name in feature_names(frequency) if TURNS * CYCLES[name.rpartition(", ")[0]] <= seconds]


class Covariates:
    """What is read of steps beside their numbers.

    Args:
        frequency: Of the series.
        calendar: What is read of the calendar, by the names of its features.
        static: What was learnt of covariates of whole series.
        known: Of those known ahead.
        past: Of those known so far.
    """

    def __init__(self, frequency: str, calendar: Sequence[str], static: Known, known: Known, past: Known) -> None:
        self.frequency = frequency
        there = feature_names(frequency) if frequency else []
        self.columns = [there.index(name) for name in calendar]
        self.static, self.known, self.past = static, known, past
        self.times = len(self.columns)
        self.ahead = self.times + width(static) + width(known)
        self.so_far = width(past)

    def of_steps(self, series: Series, begin: int, end: int) -> Singles:
        """What is known ahead of steps, ``[end - begin, E]``."""
        count = end - begin
        calendar = np.zeros((count, self.times), np.float32)
        if self.times and series.start:
            calendar = features(series.start, self.frequency, count, begin)[:, self.columns]
        still = _coded(self.static, {name: np.atleast_1d(np.asarray(v)) for name, v in series.static.items()}, 0, 1)
        return np.concatenate(
            [calendar, np.repeat(still, count, 0), _coded(self.known, series.known, begin, end)], 1
        ).astype(np.float32)

    def so_far_of(self, series: Series, begin: int, end: int) -> Singles:
        """What is known of steps that are over, ``[end - begin, K]``."""
        return _coded(self.past, series.past, begin, end)

    def check(self, series: Series, end: int) -> None:
        """Refuses a series of which less is known than the model reads.

        Args:
            series: It.
            end: The last step, not included, that covariates known ahead are to reach.

        Raises:
            UserError: If one is missing, or ends too soon.
        """
        for kind in ("static", "known", "past"):
            for name in getattr(self, kind):
                if name not in getattr(series, kind):
                    raise UserError(f"{series.where}: expected the covariate {name!r}, as training had it, got none")
        for name in self.known:
            if len(series.known[name]) < end:
                raise UserError(
                    f"{series.where}: expected the covariate {name!r}, known ahead, for {end:,} steps, the horizon's "
                    f"among them, got {len(series.known[name]):,}; give the rows of the steps ahead, without values"
                )


def _coded(learnt: Known, given: Mapping[str, Covariate], begin: int, end: int) -> Singles:
    """Of each: numbers in deviations, and whether one is there; or which category it is."""
    found = np.zeros((end - begin, width(learnt)), np.float32)
    column = 0
    for name, one in learnt.items():
        values = np.asarray(given[name])[begin:end] if name in given else np.zeros(0)
        if one["categories"]:
            words = values.astype(np.str_)
            for number, word in enumerate(one["categories"]):
                found[: len(words), column + number] = words == word
            column += len(one["categories"])
        else:
            numbers = values.astype(np.float64)
            there = np.isfinite(numbers)
            apart = (np.where(there, numbers, one["mean"]) - one["mean"]) / one["deviation"]
            found[: len(numbers), column] = np.clip(apart, -FARTHEST, FARTHEST)
            found[: len(numbers), column + 1] = there
            column += 2
    return found
