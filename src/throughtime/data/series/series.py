"""The record: one series of numbers over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Covariate = npt.NDArray[Any]
"""A value a step: numbers, NaN where one is missing, or categories, empty where one is missing."""


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers at equal steps of time.

    Attributes:
        name: The series' id.
        where: Where it stands: ``"train.csv:17"``, its first line.
        start: The time of the first value, as ISO 8601 without a zone: ``"2016-07-01T00:00:00"``. Empty where steps
            have an order alone.
        frequency: What lies between two steps, such as ``"h"``, ``"15min"``, ``"B"``, ``"W-MON"``, ``"ME"``; see
            :mod:`throughtime.data.series.frequency`. Empty where it is not known.
        values: A number a step, NaN where it is missing.
        static: What holds for the whole series: numbers or categories, by name.
        known: Covariates known ahead, by name; they may reach beyond the values.
        past: Covariates known as far as the values, by name.
    """

    name: str
    where: str
    start: str
    frequency: str
    values: Numbers
    static: Mapping[str, str | float] = field(default_factory=dict)
    known: Mapping[str, Covariate] = field(default_factory=dict)
    past: Mapping[str, Covariate] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, wherever they stand; what is missing in both is alike."""
        if not isinstance(other, Series):
            return NotImplemented
        return all(_alike(one, another) for one, another in zip(self._said(), other._said(), strict=True))

    __hash__ = None  # type: ignore[assignment]  # of arrays

    def _said(self) -> tuple[Any, ...]:
        return self.name, self.start, self.frequency, self.values, self.static, self.known, self.past


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    numbers = np.asarray(one).dtype.kind == np.asarray(other).dtype.kind == "f"
    return np.array_equal(one, other, equal_nan=numbers)
