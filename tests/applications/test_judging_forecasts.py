"""Figures of forecasts equal hand-computed cases and published ones; what is missing counts nowhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.applications.judging.forecasts import (
    LEVELS,
    coverage,
    crps,
    mase,
    origins,
    owa,
    quantile_losses,
    scale_of,
    smape,
    windows_for,
)
from throughtime.applications.judging.plain_forecasts import (
    BASELINES,
    drift,
    is_seasonal,
    naive,
    naive_2,
    seasonal_naive,
    theta,
)
from throughtime.errors import UserError

NAN = math.nan

numbers = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-3)


def test_the_scale_is_of_pairs_that_are_there() -> None:
    assert scale_of([1, 2, NAN, 7, 9], 1) == 1.5  # |2 - 1| and |9 - 7|
    assert scale_of([1, 2, 4, 7], 2) == 4.0  # |4 - 1| and |7 - 2|
    assert scale_of([1, 2, 4], 3) == 1.5  # no longer than a season: from step to step
    assert math.isnan(scale_of([1], 1))
    assert math.isnan(scale_of([NAN, NAN, NAN], 1))


def test_mase_by_hand() -> None:
    assert mase([10, NAN, 14], [11, 0, 11], [1, 3, 5, 9], 2) == pytest.approx((1 + 3) / 2 / ((4 + 6) / 2))
    assert math.isnan(mase([1], [2], [5, 5, 5], 1))
    assert math.isnan(mase([NAN], [2], [1, 2], 1))


def test_smape_by_hand() -> None:
    assert smape([2, 10], [6, 10]) == pytest.approx((200 * 4 / 8 + 0) / 2)
    assert smape([0, -1], [0, 1]) == pytest.approx(100.0)
    assert smape([NAN, 1], [5, 3]) == pytest.approx(100.0)


def test_owa_by_hand() -> None:
    assert owa(0.893, 9.328, 2.395, 18.383) == pytest.approx(0.440, abs=5e-4)  # of ES-RNN on M4's hours, as published


def test_quantile_losses_by_hand() -> None:
    losses = quantile_losses([5.0, NAN], [[4.0, 6.0], [0.0, 0.0]], [0.25, 0.75])
    assert losses[0].tolist() == [0.5, 0.5]  # 2 · 0.25 · 1 above, 2 · 0.25 · 1 below
    assert np.isnan(losses[1]).all()
    assert crps([5.0, NAN], [[4.0, 6.0], [0.0, 0.0]], [0.25, 0.75]) == pytest.approx((0.5 + 0.5) / 2 / 5)
    with pytest.raises(UserError, match=r"expected quantiles of shape \(2, 2\), got \(2, 3\)"):
        quantile_losses([1.0, 2.0], np.zeros((2, 3)), [0.1, 0.9])


def test_the_crps_of_many_levels_is_that_of_the_distribution() -> None:
    """Of a uniform distribution on [0, 1] at 0.5 it is 1 / 12 (Gneiting and Raftery 2007)."""
    levels = [(number + 0.5) / 1000 for number in range(1000)]
    assert 0.5 * crps([0.5], [levels], levels) == pytest.approx(1 / 12, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=6), st.lists(numbers, min_size=1, max_size=5))
def test_the_loss_is_least_where_all_quantiles_are_what_came(actual: list[float], offs: list[float]) -> None:
    offs = sorted(offs)
    levels = [(number + 1) / (len(offs) + 1) for number in range(len(offs))]
    right = np.repeat(np.array(actual)[:, None], len(offs), axis=1)
    assert (quantile_losses(actual, right, levels) == 0).all()
    assert (quantile_losses(actual, right + np.array(offs), levels) >= 0).all()


def test_coverage_by_hand() -> None:
    assert coverage([1, 2, 3, NAN], [1, 0, 4, 0], [1, 3, 5, 9]) == pytest.approx(2 / 3)


def test_windows_stand_at_the_end_a_horizon_apart() -> None:
    assert origins(1000, 48, 3) == [856, 904, 952]
    assert origins(49, 48, 1) == [1]
    assert (windows_for(1000, 48), windows_for(10**6, 48), windows_for(30, 48)) == (3, 20, 1)
    with pytest.raises(UserError, match=r"a\.csv:3: expected more than 96 steps for 2 forecasts of 48 steps, got 96"):
        origins(96, 48, 2, "a.csv:3")


def test_plain_forecasts_by_hand() -> None:
    assert naive([1, 2, 4, NAN], 2).values.tolist() == [4, 4]
    assert naive([1, 3, 5], 4).spread.tolist() == [2, 2 * 2**0.5, 2 * 3**0.5, 4]
    assert seasonal_naive([9, 9, 9, 1, 2, NAN], 4, 3).values.tolist() == [1, 2, 9, 1]
    assert seasonal_naive([1, 2], 2, 24).values.tolist() == [2, 2]
    assert seasonal_naive([1, 2, 3, 5], 4, 2).spread.tolist() == pytest.approx([(13 / 2) ** 0.5] * 2 + [13**0.5] * 2)
    assert drift([NAN, 2, 3, 6], 2).values.tolist() == [8, 10]
    assert drift([7], 2).values.tolist() == [7, 7]


def test_theta_of_a_line_is_half_its_slope() -> None:
    """Line 0 goes on, line 2 is smoothed to its last level, whatever lies twice as far from a line: the line itself."""
    found = theta(np.arange(50.0), 3, 1)
    assert found.values == pytest.approx([49.5, 50, 50.5], abs=1e-2)


def test_theta_takes_the_season_out_and_puts_it_back() -> None:
    wave = np.tile([10.0, 20.0, 30.0, 40.0], 10)
    assert is_seasonal(wave, 4)
    assert theta(wave, 6, 4).values == pytest.approx([10, 20, 30, 40, 10, 20], rel=1e-3)
    assert theta(wave - 100, 6, 4).values == pytest.approx([-90, -80, -70, -60, -90, -80], rel=1e-3)
    assert naive_2(wave, 4, 4).values == pytest.approx([10, 20, 30, 40])


@pytest.mark.parametrize("name", BASELINES)
@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.one_of(st.just(NAN), numbers), min_size=1, max_size=40).filter(
        lambda values: not all(map(math.isnan, values))
    ),
    horizon=st.integers(1, 9),
    season=st.integers(1, 12),
)
def test_any_history_has_a_forecast(name: str, values: list[float], horizon: int, season: int) -> None:
    found = BASELINES[name](values, horizon, season)
    quantiles = found.quantiles(LEVELS)
    assert quantiles.shape == (horizon, 9)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()


@pytest.mark.parametrize("name", BASELINES)
def test_a_history_of_nothing_is_refused(name: str) -> None:
    for values in ([], [NAN, NAN]):
        with pytest.raises(UserError, match="expected a history with at least one value, got none"):
            BASELINES[name](values, 2, 1)
