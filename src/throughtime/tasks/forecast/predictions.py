"""A forecast as it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.text import Text

from throughtime.applications.prediction import Prediction
from throughtime.tasks.forecast.fans import Fan, ahead_of, as_data

LINES = 12
"""Steps that are shown of a forecast; programs get all."""

EDGES = (0.1, 0.9)
"""Levels that are shown beside the median."""


@dataclass(frozen=True, repr=False, kw_only=True)
class Forecast(Prediction):
    """What is said of the steps ahead of a series.

    Attributes:
        median: What each step is as likely to exceed as not.
    """

    median: list[float]


def _nearest(levels: tuple[float, ...], wanted: float) -> float:
    return min(levels, key=lambda level: abs(level - wanted))


def shown(fan: Fan) -> Forecast:
    """For people the median with the middle of what is expected; for programs every quantile."""
    low, high = (_nearest(fan.levels, edge) for edge in EDGES)
    edges = [fan.quantiles[:, fan.levels.index(level)] for level in (low, high)]
    count = len(fan.quantiles)
    text = Text.assemble((fan.name, "bold"), f": {count:,} steps ahead, median ({low:g} to {high:g})")
    for at, time in enumerate(ahead_of(fan)[:LINES]):
        text.append(f"\n  {time}  {fan.median[at]:,.6g}")
        text.append(f"  ({edges[0][at]:,.6g} to {edges[1][at]:,.6g})", "dim")
    if count > LINES:
        text.append(f"\n  … and {count - LINES:,} more; --json tells all, --out writes them", "dim")
    data: dict[str, Any] = as_data(fan)
    return Forecast(text, data, median=fan.median.tolist())
