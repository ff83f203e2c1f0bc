"""How good forecasts of numbers are: errors of points, of quantiles and of bands, over what was observed.

Legend: H steps ahead, Q levels, any axes before them. What was not observed is NaN, and counts nowhere. A figure of
which nothing is left is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError

Floats = npt.NDArray[np.float64]

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Quantiles by which distributions are judged, as GIFT-Eval and GluonTS take them."""

WINDOWS = 20
"""Of a back-test, at most."""


def scale_of(insample: npt.ArrayLike, season: int) -> float:
    """The mean absolute difference from a season before, in what the forecast knows: the unit of :func:`mase`.

    Where the history is no longer than a season, the difference from the step before, as GluonTS takes it. NaN where no
    two such values were observed.

    Example:
        >>> scale_of([1.0, 2.0, 4.0, float("nan"), 5.0], 1), scale_of([1.0, 2.0, 4.0, 8.0], 2)
        (1.5, 4.5)
    """
    values = np.asarray(insample, np.float64)
    back = season if season < len(values) else 1
    return mean_of(np.abs(values[back:] - values[:-back]))


def mase(actual: npt.ArrayLike, forecast: npt.ArrayLike, insample: npt.ArrayLike, season: int) -> float:
    """Mean absolute scaled error (Hyndman and Koehler 2006): 1 is as far off as a season ago within the history.

    Args:
        actual: What came, ``[H]``.
        forecast: What was said, ``[H]``.
        insample: The history up to the forecast.
        season: Steps of a season; 1: against the step before.

    Returns:
        The figure; NaN where the history is constant, and so has no scale.

    Example:
        >>> mase([6.0, 9.0], [5.0, 7.0], [1.0, 2.0, 4.0, 5.0], 1)  # a mean error of 1.5, a mean step of 4 / 3
        1.125
        >>> mase([6.0], [5.0], [3.0, 3.0, 3.0], 1)
        nan
    """
    scale = scale_of(insample, season)
    return mean_of(np.abs(_errors(actual, forecast))) / scale if scale > 0 else math.nan


def smape(actual: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Symmetric mean absolute percentage error as M4 counts it, 0 to 200; where both are 0 it is 0.

    Example:
        >>> smape([1.0, 0.0, 2.0], [3.0, 0.0, float("nan")])  # 200 · 2 / 4 and 0
        50.0
    """
    errors = np.abs(_errors(actual, forecast))
    sizes = np.abs(np.asarray(actual, np.float64)) + np.abs(np.asarray(forecast, np.float64))
    return 200 * mean_of(np.divide(errors, sizes, out=np.where(np.isnan(errors), np.nan, 0.0), where=sizes > 0))


def owa(mase: float, smape: float, naive_mase: float, naive_smape: float) -> float:
    """Overall weighted average of M4: 1 is as good as its naive forecast, seasonally adjusted (``naive 2``).

    Args:
        mase: Mean over all series.
        smape: Mean over all series.
        naive_mase: Those of the naive forecast.
        naive_smape: Those of the naive forecast.

    Example:
        >>> owa(0.5, 10.0, 1.0, 10.0)
        0.75
    """
    return (mase / naive_mase + smape / naive_smape) / 2


def quantile_losses(actual: npt.ArrayLike, quantiles: npt.ArrayLike, levels: Sequence[float]) -> Floats:
    """Twice the pinball loss of every quantile, ``[..., H, Q]``: its mean over all levels is the CRPS.

    Args:
        actual: What came, ``[..., H]``.
        quantiles: What was said, ``[..., H, Q]``.
        levels: Of the quantiles, between 0 and 1.

    Raises:
        UserError: If the shapes do not fit.

    Example:
        >>> quantile_losses([3.0], [[1.0, 2.0, 4.0]], [0.1, 0.5, 0.9]).round(6).tolist()
        [[0.4, 1.0, 0.2]]
    """
    came, said = np.asarray(actual, np.float64), np.asarray(quantiles, np.float64)
    if said.shape != (*came.shape, len(levels)):
        raise UserError(f"expected quantiles of shape {(*came.shape, len(levels))}, got {said.shape}")
    above = came[..., None] - said
    taus = np.asarray(levels, np.float64)
    losses: Floats = 2 * np.maximum(taus * above, (taus - 1) * above)
    return losses


def crps(actual: npt.ArrayLike, quantiles: npt.ArrayLike, levels: Sequence[float] = LEVELS) -> float:
    """The continuous ranked probability score as GIFT-Eval counts it: the weighted quantile loss, mean over levels.

    It is the sum of all losses over the sum of the sizes of what came: over many series give them together.

    Example:
        >>> said = [[[1.0, 3.0, 4.0]], [[-1.0, -1.0, -1.0]]]
        >>> round(crps([[3.0], [-1.0]], said, [0.1, 0.5, 0.9]), 6)  # (0.4 + 0 + 0.2) / 3 / 4
        0.05
    """
    losses = quantile_losses(actual, quantiles, levels)
    whole = float(np.nansum(np.abs(np.asarray(actual, np.float64))[~np.isnan(losses).any(axis=-1)]))
    return float(np.nansum(losses)) / len(levels) / whole if whole > 0 else math.nan


def coverage(actual: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike) -> float:
    """The share of what came that lies within a band, its edges included; that of a good band is its own.

    Example:
        >>> coverage([1.0, 2.0, 5.0, float("nan")], [1.0, 1.0, 1.0, 1.0], [2.0, 3.0, 4.0, 5.0])
        0.6666666666666666
    """
    came = np.asarray(actual, np.float64)
    inside = (came >= np.asarray(low)) & (came <= np.asarray(high))
    return mean_of(np.where(np.isnan(came), np.nan, inside))


def windows_for(shortest: int, horizon: int) -> int:
    """Windows of a back-test, as GIFT-Eval counts them: a tenth of the shortest series, 1 to 20.

    Example:
        >>> windows_for(17420, 48), windows_for(748, 48), windows_for(2000, 48)
        (20, 2, 5)
    """
    return min(WINDOWS, max(1, math.ceil(shortest / 10 / horizon)))


def origins(length: int, horizon: int, windows: int, where: str = "the series") -> list[int]:
    """Where the forecasts of a back-test begin: windows at the end, one horizon apart.

    What a forecast may know lies before its origin, what it is judged by begins there.

    Args:
        length: Steps of the series.
        horizon: Steps ahead.
        windows: How many.
        where: What messages call the series.

    Raises:
        UserError: If no history is left before the first.

    Example:
        >>> origins(100, 10, 3)
        [70, 80, 90]
    """
    first = length - horizon * windows
    if first < 1:
        raise UserError(
            f"{where}: expected more than {horizon * windows:,} steps for {windows} forecasts of {horizon:,} steps, "
            f"got {length:,}; pass a shorter --horizon, or fewer --windows"
        )
    return list(range(first, length, horizon))


def _errors(actual: npt.ArrayLike, forecast: npt.ArrayLike) -> Floats:
    came, said = np.asarray(actual, np.float64), np.asarray(forecast, np.float64)
    if came.shape != said.shape:
        raise UserError(f"expected forecasts of the shape of what came, {came.shape}, got {said.shape}")
    errors: Floats = came - said
    return errors


def mean_of(values: npt.ArrayLike) -> float:
    """The mean of what is there.

    Example:
        >>> mean_of([1.0, float("nan"), 2.0])
        1.5
    """
    there = np.asarray(values, np.float64)
    there = there[~np.isnan(there)]
    return float(there.mean()) if there.size else math.nan
