"""What a series tells of itself up to each step: its level, its scale, how it moved, and how the same places of its
cycles looked before. Nothing here looks ahead, and a history that comes in pieces gives what it gives as a whole.

Legend::

    …  rows        T  new steps        P  steps that are kept        N  origins        H  steps ahead
    C  candidates: the values at the same place of earlier cycles, the last value, and the level
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from throughtime.data.series.frequency import cycles, lags

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Booleans = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

ScaleName = Literal["mean", "robust"]

MANY, FEW = 7, 4
"""Cycles that are looked back on: of a shorter one than the longest, such as days in a week, and of the longest."""

LONGEST = 20_000
"""Steps of a cycle that is looked back on, at most: what is kept of a history is four of it."""

OWN = 2
"""Candidates that there always are: the last value and the level."""


@dataclass(frozen=True)
class Lookback:
    """How far a forecast looks back, and by what.

    Attributes:
        horizon: H.
        season: Steps of the season by which the scale is measured.
        cycles: Steps of each cycle, the shortest first.
        lags: Steps back from the next one, whose values are inputs of every step.
        scale: ``"mean"`` of the absolute differences from a season before; or ``"robust"``, the square of their mean
            root, on which single outliers count less.
    """

    horizon: int
    season: int
    cycles: tuple[int, ...]
    lags: tuple[int, ...]
    scale: ScaleName = "mean"

    @classmethod
    def of(
        cls,
        frequency: str,
        season: int,
        horizon: int,
        given: Sequence[int] = (),
        scale: ScaleName = "mean",
        longest: int = LONGEST,
    ) -> Lookback:
        """As a frequency suggests, with lags of the user's, and without cycles of more steps than the longest.

        Example:
            >>> found = Lookback.of("h", 24, 48)
            >>> found.cycles, found.candidates, found.reach
            ((24, 168), 13, 696)
            >>> Lookback.of("", 7, 3).cycles, Lookback.of("YE", 1, 6).candidates, Lookback.of("s", 1, 6).cycles
            ((7,), 2, (3600,))
        """
        found = tuple(cycle for cycle in cycles(frequency) if cycle <= longest)
        if season > 1 and season not in found:
            found = tuple(sorted({season, *(cycle for cycle in found if cycle > season)}))
        usual = (
            lags(frequency, 2 * max(found, default=1) + 1)
            if frequency
            else sorted({1, 2, 3} | {c + d for c in found for d in (-1, 0, 1)})
        )
        return cls(horizon, max(1, season), found, tuple(given or (lag for lag in usual if lag > 0)), scale)

    @cached_property
    def back(self) -> Places:
        """How far before the step that is forecast each candidate of the cycles lies, ``[H, C - 2]``."""
        ahead = np.arange(1, self.horizon + 1)
        last = self.cycles[-1:]
        columns = [
            cycle * (-(-ahead // cycle) + number)
            for cycle in self.cycles
            for number in range(FEW if cycle in last else MANY)
        ]
        return np.stack(columns, 1) if columns else np.zeros((self.horizon, 0), np.int64)

    @property
    def candidates(self) -> int:
        """C."""
        return int(self.back.shape[1]) + OWN

    @property
    def features(self) -> int:
        """Numbers of a step."""
        return 4 + len(self.lags) + 2 * len(self.cycles)

    @property
    def reach(self) -> int:
        """P: the furthest candidate, and the season in which its level is measured."""
        furthest = max([1, *self.lags, *self.cycles, *self.back.ravel().tolist()])
        return furthest + self.season

    def begin(self, rows: tuple[int, ...] = ()) -> Past:
        """Before the first step."""
        empty = np.full((*rows, self.reach), np.nan)
        return Past(empty, empty, np.zeros((*rows, 4)), np.full(rows, np.nan), np.zeros(rows))


@dataclass(frozen=True)
class Past:
    """What is kept of a history.

    Attributes:
        values: The last ones, ``[…, P]``, NaN where one is missing.
        levels: Of the same steps.
        sums: Of the differences from a season and from a step before, as the scale takes them, each with how many
            there were, ``[…, 4]``.
        last: The last value that was there, ``[…]``; NaN where none was.
        count: Values that were there, ``[…]``.
    """

    values: Floats
    levels: Floats
    sums: Floats
    last: Floats
    count: Floats

    def repeated(self, times: int) -> Past:
        """Each row so many times."""
        return replace(self, **{name: np.repeat(value, times, 0) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Read:
    """New steps, as their past shows them.

    Attributes:
        lookback: How.
        values: With what was kept before them, ``[…, P + T]``.
        levels: The mean of the season up to each of them, ``[…, P + T]``; NaN before the first value.
        scales: ``[…, T]``; 0 where no two values differed yet.
        features: ``[…, T, F]``: finite, near 0.
        past: What is kept of all.
    """

    lookback: Lookback
    values: Floats
    levels: Floats
    scales: Floats
    features: Singles
    past: Past

    def ask(self, places: Places, rows: Places | None = None) -> Question:
        """What is known of the steps ahead at origins, each the last step that is known.

        Args:
            places: New steps, ``[N]``, from 0 to T - 1.
            rows: Of which row, ``[N]``; None: there is one.
        """
        look = self.lookback
        whole, levels, scales = (np.atleast_2d(each) for each in (self.values, self.levels, self.scales))
        rows = np.zeros_like(places) if rows is None else rows
        at = places + whole.shape[-1] - scales.shape[-1]
        level, scale, last = levels[rows, at], scales[rows, places], whole[rows, at]
        unit, row = _unit(scale)[:, None, None], rows[:, None, None]
        before = at[:, None, None] - look.back
        index = before + np.arange(1, look.horizon + 1)[:, None]
        values = whole[row, np.maximum(index, 0)] - level[:, None, None]
        moved = level[:, None, None] - levels[row, np.maximum(before, 0)]
        there = (index >= 0) & ~np.isnan(values)
        own = np.zeros((len(places), look.horizon, OWN))
        own[..., 0] = np.where(np.isnan(last), 0.0, (last - level) / unit[:, 0, 0])[:, None]
        found = np.where(there, values / unit, 0.0)
        drift = np.where(there & ~np.isnan(moved), moved / unit, 0.0)
        return Question(
            np.concatenate([found, own], -1).astype(np.float32),
            np.concatenate([drift, np.zeros_like(own)], -1).astype(np.float32),
            np.concatenate([there, np.ones_like(own, dtype=bool)], -1),
            np.where(np.isnan(level), 0.0, level),
            scale,
        )


@dataclass(frozen=True)
class Question:
    """What is known of the steps ahead of N origins.

    Attributes:
        candidates: ``[N, H, C]``, scales away from the level.
        drifts: How far the level moved since each of them, in scales.
        there: Which there are.
        levels: ``[N]``.
        scales: ``[N]``.
    """

    candidates: Singles
    drifts: Singles
    there: Booleans
    levels: Floats
    scales: Floats

    @classmethod
    def of(cls, questions: Sequence[Question]) -> Question:
        """Several as one."""
        names = cls.__dataclass_fields__
        return cls(*(np.concatenate([getattr(each, name) for each in questions]) for name in names))

    def __len__(self) -> int:
        return len(self.levels)


def read(lookback: Lookback, values: Floats, past: Past) -> Read:
    """Goes on with a history.

    Args:
        lookback: What is looked at.
        values: New ones, ``[…, T]``, NaN where one is missing.
        past: What was kept of those before.
    """
    new = values.shape[-1]
    whole = np.concatenate([past.values, values], -1)
    levels = np.concatenate([past.levels, _levels(whole, lookback.season, past.last, new)], -1)
    sums = past.sums[..., None, :] + np.cumsum(_terms(lookback, whole, new), axis=-2)
    power = 2.0 if lookback.scale == "robust" else 1.0
    season, step = (sums[..., at] / np.maximum(sums[..., at + 1], 1) for at in (0, 2))
    scales = np.where(sums[..., 1] > 0, season, step) ** power
    there = ~np.isnan(values)
    counts = past.count[..., None] + there.cumsum(-1)
    features = _features(lookback, whole, levels, scales, counts)
    last = _carried(values, past.last)[..., -1] if new else past.last
    after = Past(
        whole[..., new:].copy(),
        levels[..., new:].copy(),
        sums[..., -1, :] if new else past.sums,
        last,
        counts[..., -1] if new else past.count,
    )
    return Read(lookback, whole, levels, scales, features, after)


def past_at(lookback: Lookback, values: Floats, step: int) -> Past:
    """What is kept of a history of one row, ``[T]``, before a step; what came at it or later is not looked at."""
    begin, values = lookback.begin(), values[:step]
    if not step:
        return begin
    whole = np.concatenate([begin.values, values])
    levels = np.concatenate([begin.levels, _levels(whole, lookback.season, begin.last, step)])
    there = ~np.isnan(values)
    return Past(
        whole[-lookback.reach :].copy(),
        levels[-lookback.reach :].copy(),
        _terms(lookback, whole, step).sum(0),
        np.asarray(values[there][-1] if there.any() else np.nan),
        np.asarray(float(there.sum())),
    )


def _terms(lookback: Lookback, whole: Floats, new: int) -> Floats:
    """What every new step adds to the sums of the scale, ``[…, T, 4]``."""
    now = whole[..., whole.shape[-1] - new :]
    found = []
    for back in (lookback.season, 1):
        before = whole[..., whole.shape[-1] - new - back : whole.shape[-1] - back]
        size = np.abs(now - before)
        there = ~np.isnan(size)
        size = np.where(there, size, 0.0)
        found += [np.sqrt(size) if lookback.scale == "robust" else size, there.astype(np.float64)]
    return np.stack(found, -1)


def _levels(whole: Floats, season: int, last: Floats, new: int) -> Floats:
    """The mean of what is there of the last season, at new steps; where nothing is, the last value before it."""
    near = whole[..., whole.shape[-1] - new - season :]
    there = ~np.isnan(near)
    carried = _carried(near[..., season:], last)
    anchor = np.where(np.isnan(last), 0.0, last)[..., None]  # so that sums of large numbers lose no digits
    apart = np.where(there, near - anchor, 0.0)
    sums, counts = (_windowed(each, season)[..., season:] for each in (apart, there.astype(np.float64)))
    return np.where(counts > 0, sums / np.maximum(counts, 1) + anchor, carried)


def _windowed(values: Floats, width: int) -> Floats:
    """The sum of the last so many, at every step."""
    sums = np.cumsum(values, -1)
    found = sums.copy()
    found[..., width:] -= sums[..., :-width]
    return found


def _carried(values: Floats, last: Floats) -> Floats:
    """Every value that is missing as the last one before it."""
    there = ~np.isnan(values)
    place = np.where(there, np.arange(values.shape[-1]), -1)
    place = np.maximum.accumulate(place, -1)
    found = np.take_along_axis(values, np.maximum(place, 0), -1)
    return np.where(place >= 0, found, last[..., None])


def _features(lookback: Lookback, whole: Floats, levels: Floats, scales: Floats, counts: Floats) -> Singles:
    """What the network reads of every new step."""
    new = scales.shape[-1]
    first = whole.shape[-1] - new

    def back(of: Floats, steps: int) -> Floats:
        return of[..., first - steps : first - steps + new]

    now, level, unit = back(whole, 0), back(levels, 0), _unit(scales)
    size = np.log(unit) - np.log(np.maximum(np.abs(level), 1e-9))
    found = [
        now - back(whole, 1),
        *(back(whole, lag - 1) - level for lag in lookback.lags),
        *(now - back(whole, cycle) for cycle in lookback.cycles),
        *(level - back(levels, cycle) for cycle in lookback.cycles),
    ]
    moved = np.stack(found, -1) / unit[..., None]
    moved = np.sign(moved) * np.log1p(np.abs(moved))
    facts = np.stack([np.isnan(now), np.clip(size, -10, 10) / 4, np.log1p(counts) / 8], -1)
    read: Singles = np.nan_to_num(np.concatenate([moved, facts], -1), nan=0.0).astype(np.float32)
    return read


def _unit(scales: Floats) -> Floats:
    """What is divided by: of a series that is constant so far all differences are 0, whatever they are divided by."""
    return np.where(scales > 0, scales, 1.0)
