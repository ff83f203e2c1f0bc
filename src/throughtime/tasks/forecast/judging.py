"""How good forecasts are, beside those that anybody can make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.applications.judging import forecasts as metrics
from throughtime.applications.judging.plain_forecasts import BASELINES, naive_2
from throughtime.applications.task import Report, Table
from throughtime.data.progress import counted
from throughtime.data.series.series import Series
from throughtime.tasks.forecast.fans import Fan

Floats = npt.NDArray[np.float64]

BANDS = {50: (0.25, 0.75), 80: (0.1, 0.9), 95: (0.025, 0.975)}
"""Levels of the edges of bands, by their share in percent."""

JUDGED = tuple(sorted({*metrics.LEVELS, *(level for edges in BANDS.values() for level in edges)}))
"""Levels that a judgement needs."""

HARDEST = 10

NAIVE = "naive 2"
"""What OWA is against."""

FITTED = ("theta", NAIVE)
"""Forecasts that are fitted to a history."""

HISTORY = 2000
"""Steps that they are fitted to at most: they forget what is older."""


@dataclass(frozen=True)
class Window:
    """A forecast, and what came.

    Attributes:
        series: Of which.
        origin: The last step that was known.
        said: Quantiles at :data:`JUDGED`, ``[H, Q]``; steps ahead that are over alone.
    """

    series: Series
    origin: int
    said: Floats

    def at(self, level: float) -> Floats:
        """The quantile of every step, ``[H]``."""
        return self.said[:, JUDGED.index(level)]


def fan_of(window: Window) -> Fan:
    """A forecast as it is drawn, with what came."""
    series, begin = window.series, window.origin + 1
    actual = series.values[begin : begin + len(window.said)]
    return Fan(series.name, series.start, series.frequency, series.values[:begin], JUDGED, window.said, actual)


COLUMNS = ("MASE", "sMAPE", "OWA", "CRPS")


class Tally:
    """The errors of one kind of forecast, window by window."""

    def __init__(self) -> None:
        self.mases: list[float] = []
        self.smapes: list[float] = []
        self.lost, self.size = 0.0, 0.0

    def add(self, actual: Floats, said: Floats, quantiles: Floats, scale: float) -> None:
        """A window: what came, the median, and quantiles at :data:`metrics.LEVELS`."""
        errors = np.abs(actual - said)
        there = not np.isnan(errors).all()
        self.mases.append(float(np.nanmean(errors)) / scale if there and scale > 0 else math.nan)
        self.smapes.append(metrics.smape(actual, said))
        self.lost += float(np.nansum(metrics.quantile_losses(actual, quantiles, metrics.LEVELS))) / len(metrics.LEVELS)
        self.size += float(np.nansum(np.abs(actual)))

    def figures(self, naive: Tally) -> dict[str, float]:
        """By the names of :data:`COLUMNS`; OWA is against this one."""
        mase, smape = metrics.mean_of(self.mases), metrics.mean_of(self.smapes)
        known = metrics.mean_of(naive.mases), metrics.mean_of(naive.smapes)
        owa = metrics.owa(mase, smape, *known) if min(known) > 0 else math.nan
        return dict(zip(COLUMNS, (mase, smape, owa, self.lost / self.size if self.size else math.nan), strict=True))


def judge(windows: Sequence[Window], season: int) -> Report:
    """MASE, sMAPE, OWA and CRPS of forecasts, coverage of their bands, each beside plain forecasts'.

    MASE and sMAPE are means over windows, as GIFT-Eval and M4 count them; CRPS is over all steps together.
    """
    tallies = {name: Tally() for name in ("model", *BASELINES, NAIVE)}
    covered: list[list[float]] = []
    for window in counted(windows, "windows"):
        history = window.series.values[: window.origin + 1]
        actual = window.series.values[window.origin + 1 : window.origin + 1 + len(window.said)]
        scale = metrics.scale_of(history, season)
        model = window.said[:, [JUDGED.index(level) for level in metrics.LEVELS]]
        tallies["model"].add(actual, window.at(0.5), model, scale)
        for name, make in {**BASELINES, NAIVE: naive_2}.items():
            plain = make(history[-HISTORY:] if name in FITTED else history, len(actual), season)
            tallies[name].add(actual, plain.values, plain.quantiles(metrics.LEVELS), scale)
        covered.append([metrics.coverage(actual, *map(window.at, edges)) for edges in BANDS.values()])
    found = {name: tally.figures(tallies[NAIVE]) for name, tally in tallies.items()}
    bands = [metrics.mean_of([row[at] for row in covered]) for at in range(len(BANDS))]
    figures: dict[str, Any] = {
        **{name.lower(): value for name, value in found["model"].items()},
        **{f"coverage_{band}": share for band, share in zip(BANDS, bands, strict=True)},
        "seasonal_naive_mase": found["seasonal naive"]["MASE"],
        "windows": len(windows),
    }
    rows: list[list[str]] = [[name, *map(_shown, found[name].values())] for name in ("model", *BASELINES)]
    beside = Table("beside plain forecasts", ["forecast", *COLUMNS], rows, COLUMNS)
    return Report(figures, [beside, _hardest(windows, tallies["model"].mases)])


def _hardest(windows: Sequence[Window], mases: Sequence[float]) -> Table:
    there = [(mase, window) for mase, window in zip(mases, windows, strict=True) if not math.isnan(mase)]
    rows: list[list[str | int | float]] = [
        [window.series.name, window.series.where, window.origin + 1, mase]
        for mase, window in sorted(there, key=lambda pair: -pair[0])[:HARDEST]
    ]
    return Table("hardest", ["series", "where", "step", "MASE"], rows)


def _shown(value: float) -> str:
    """With the digits by which forecasts are compared."""
    return "–" if math.isnan(value) else f"{value:.3f}"
