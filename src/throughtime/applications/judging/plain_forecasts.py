"""Forecasts that anybody can make, which stand beside a model's: the last value, the last season, a line, Theta.

Each takes a history, NaN where a value is missing, the steps ahead and the steps of a season, and looks at nothing
else. Spreads are those that go with the method where its errors are independent and normal (Hyndman and
Athanasopoulos, Forecasting: Principles and Practice, 5.5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError

Floats = npt.NDArray[np.float64]

CRITICAL = 1.645
"""Of M4's test for a season, at 90 %."""

RATES = 48
"""Rates of smoothing that are tried at once."""


@dataclass(frozen=True)
class Plain:
    """A forecast: what is expected of each step, and how far off it may be.

    Attributes:
        values: ``[H]``.
        spread: Standard deviations, ``[H]``.
    """

    values: Floats
    spread: Floats

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """``[H, Q]``.

        Example:
            >>> Plain(np.array([1.0]), np.array([2.0])).quantiles([0.5, 0.975]).round(2).tolist()
            [[1.0, 4.92]]
        """
        z = np.array([NormalDist().inv_cdf(level) for level in levels])
        found: Floats = self.values[:, None] + self.spread[:, None] * z
        return found


def naive(history: npt.ArrayLike, horizon: int, season: int = 1) -> Plain:
    """The last value that is there, again and again.

    Example:
        >>> naive([1.0, 3.0, float("nan")], 2).values.tolist()
        [3.0, 3.0]
    """
    return seasonal_naive(history, horizon, 1)


def seasonal_naive(history: npt.ArrayLike, horizon: int, season: int) -> Plain:
    """The value of a season ago; where that is missing, of the season before it.

    Where the history is no longer than a season, the last value, as GluonTS takes it.

    Example:
        >>> seasonal_naive([1.0, 2.0, 3.0, 4.0, float("nan")], 3, 2).values.tolist()
        [4.0, 3.0, 4.0]
    """
    values = _checked(history)
    back = season if season <= len(values) else 1
    last = np.array([_last(values[len(values) - back + at :: -back]) for at in range(back)])
    last = np.where(np.isnan(last), _last(values[::-1]), last)
    steps = np.arange(horizon)
    spread = _spread(values[back:] - values[:-back]) * np.sqrt(steps // back + 1)
    return Plain(last[steps % back], spread)


def drift(history: npt.ArrayLike, horizon: int, season: int = 1) -> Plain:
    """The line through the first and the last value.

    Example:
        >>> drift([1.0, 2.0, 5.0], 2).values.tolist()
        [7.0, 9.0]
    """
    values = _checked(history)
    at = np.flatnonzero(~np.isnan(values))
    run = max(1, int(at[-1] - at[0]))
    slope = (values[at[-1]] - values[at[0]]) / run
    ahead = np.arange(len(values), len(values) + horizon) - at[-1]
    spread = _spread(np.diff(values) - slope) * np.sqrt(ahead * (1 + ahead / run))
    return Plain(values[at[-1]] + slope * ahead, spread)


def naive_2(history: npt.ArrayLike, horizon: int, season: int) -> Plain:
    """The last value, seasonally adjusted where M4's test finds a season: what M4's OWA compares with."""
    values = _filled(_checked(history))
    adjusted, season_of = _adjusted(values, season)
    return season_of(naive(adjusted, horizon), horizon)


def theta(history: npt.ArrayLike, horizon: int, season: int) -> Plain:
    """Theta (Assimakopoulos and Nikolopoulos 2000), as M4's benchmark does it: seasonally adjusted, lines 0 and 2.

    The mean of a line through all values and of the exponential smoothing of what lies twice as far from that line.
    Values that are missing are taken from the line between their neighbours.
    """
    values = _filled(_checked(history))
    adjusted, season_of = _adjusted(values, season)
    steps = np.arange(1, len(values) + 1, dtype=np.float64)
    middle, centre = adjusted.mean(), steps - steps.mean()
    slope = float(centre @ adjusted) / max(1.0, float(centre @ centre))
    line = middle + slope * centre
    rate, level, errors = _smoothed(2 * adjusted - line)
    ahead = np.arange(1, horizon + 1)
    straight = middle + slope * (steps[-1] + ahead - steps.mean())
    spread = _spread(errors) / 2 * np.sqrt(1 + (ahead - 1) * rate**2)
    return season_of(Plain((straight + level) / 2, spread), horizon)


BASELINES: dict[str, Callable[[npt.ArrayLike, int, int], Plain]] = {
    "naive": naive,
    "seasonal naive": seasonal_naive,
    "drift": drift,
    "theta": theta,
}
"""What stands beside a model, by name."""


def _checked(history: npt.ArrayLike) -> Floats:
    values = np.asarray(history, np.float64)
    if values.ndim != 1 or np.isnan(values).all():
        raise UserError("expected a history with at least one value, got none")
    return values


def _last(values: Floats) -> float:
    """The first that is there."""
    there = values[~np.isnan(values)]
    return float(there[0]) if there.size else np.nan


def _spread(errors: Floats) -> float:
    """The root of the mean square of what is there."""
    there = errors[~np.isnan(errors)]
    return float(np.sqrt((there**2).mean())) if there.size else 0.0


def _filled(values: Floats) -> Floats:
    there = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(len(values)), there, values[there])


def is_seasonal(values: Floats, season: int) -> bool:
    """M4's test: whether the autocorrelation at a season's distance is beyond chance (90 %, Bartlett's formula)."""
    if season < 2 or len(values) < 3 * season:
        return False
    centred = values - values.mean()
    whole = float(centred @ centred)
    if whole <= 0:
        return False
    correlations = np.array([float(centred[lag:] @ centred[:-lag]) / whole for lag in range(1, season + 1)])
    limit = CRITICAL * np.sqrt((1 + 2 * (correlations[:-1] ** 2).sum()) / len(values))
    return bool(abs(correlations[-1]) > limit)


def _adjusted(values: Floats, season: int) -> tuple[Floats, Callable[[Plain, int], Plain]]:
    """Values without their season, if they have one, and what puts it back onto a forecast.

    Classical decomposition by centred moving averages; by factors where all values are positive, else by terms.
    """
    if not is_seasonal(values, season):
        return values, lambda plain, horizon: plain
    weights = np.ones(season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5]
    trend, side = np.convolve(values, weights / season, "valid"), (len(weights) - 1) // 2
    inner, phases = values[side : side + len(trend)], np.arange(side, side + len(trend)) % season
    factors = bool((values > 0).all())
    beside = inner / trend if factors else inner - trend
    figure = np.bincount(phases, beside, season) / np.bincount(phases, minlength=season)
    figure = figure / figure.mean() if factors else figure - figure.mean()
    own = figure[np.arange(len(values)) % season]

    def put_back(plain: Plain, horizon: int) -> Plain:
        ahead = figure[np.arange(len(values), len(values) + horizon) % season]
        return (
            Plain(plain.values * ahead, plain.spread * ahead) if factors else Plain(plain.values + ahead, plain.spread)
        )

    return (values / own if factors else values - own), put_back


def _smoothed(values: Floats) -> tuple[float, float, Floats]:
    """Simple exponential smoothing with the rate and the first level of the least squared error.

    Returns:
        The rate, the last level, and the errors one step ahead.
    """
    low, high = 1e-4, 1 - 1e-4
    for _ in range(2):
        rates = np.linspace(low, high, RATES)
        sums, _, _ = _run(values, rates)
        best = int(np.argmin(sums))
        low, high = rates[max(0, best - 1)], rates[min(RATES - 1, best + 1)]
    rate = rates[best : best + 1]
    _, levels, errors = _run(values, rate)
    return float(rate[0]), float(levels[0]), errors[:, 0]


def _run(values: Floats, rates: Floats) -> tuple[Floats, Floats, Floats]:
    """Squared errors, last levels and errors ``[T, R]`` of smoothing by each rate, each from its best first level."""
    level, keeps = np.zeros_like(rates), 1 - rates
    errors = np.empty((len(values), len(rates)))
    for step, value in enumerate(values):  # from level 0: what another first level changes is added below
        errors[step] = value - level
        level = keeps * level + rates * value
    fading = keeps ** np.arange(len(values))[:, None]
    first = (errors * fading).sum(axis=0) / (fading**2).sum(axis=0)
    errors -= fading * first
    return (errors**2).sum(axis=0), level + first * keeps ** len(values), errors
