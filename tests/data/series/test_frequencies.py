"""Every frequency: its names, the times of its steps, and that it is found again by them."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.series.frequency import (
    cycles,
    feature_names,
    features,
    lags,
    parse,
    positions,
    season,
    times,
    times_from,
)
from throughtime.data.series.rhythm import order_step, rhythm_of
from throughtime.errors import UserError

FREQUENCIES = {
    "us": "2024-02-28T23:59:59.999997",
    "250ms": "2024-02-28T23:59:59.250000",
    "s": "2024-02-28T23:59:58",
    "4s": "2024-02-28T23:59:56",
    "min": "2024-02-28T23:59:00",
    "15min": "2024-02-28T23:45:00",
    "h": "2016-12-31T23:00:00",
    "6h": "2016-12-31T18:00:00",
    "D": "2024-02-28T00:00:00",
    "2D": "2024-02-28T06:30:00",
    "B": "2024-02-29T00:00:00",
    "W-SUN": "2024-02-25T00:00:00",
    "2W-MON": "2024-02-26T00:00:00",
    "MS": "2023-11-01T00:00:00",
    "ME": "2023-11-30T00:00:00",
    "M-15": "2023-11-15T12:00:00",
    "QS": "2023-10-01T00:00:00",
    "QS-FEB": "2023-11-01T00:00:00",
    "QE": "2023-12-31T00:00:00",
    "QE-JAN": "2023-10-31T00:00:00",
    "2QS": "2023-01-01T00:00:00",
    "YS": "1999-01-01T00:00:00",
    "YS-APR": "1999-04-01T00:00:00",
    "YE": "1999-12-31T00:00:00",
    "YE-JUN": "1999-06-30T00:00:00",
}


def stamp(text: str) -> np.datetime64:
    return np.datetime64(text, "us")


@pytest.mark.parametrize("name", FREQUENCIES)
@pytest.mark.parametrize("count", [12, 500])
def test_a_frequency_is_found_again_by_its_times(name: str, count: int) -> None:
    found, seen = rhythm_of([times(FREQUENCIES[name], name, count).astype(np.int64)])
    assert found is not None
    assert (found.name_at(stamp(FREQUENCIES[name])), seen) == (name, count - 1)
    assert parse(name).name_at(stamp(FREQUENCIES[name])) == name


@pytest.mark.parametrize("name", FREQUENCIES)
def test_a_frequency_is_found_where_steps_are_missing(name: str) -> None:
    kept = np.random.default_rng(0).random(200) < 0.8
    kept[:2] = True
    found, _ = rhythm_of([times(FREQUENCIES[name], name, 200)[kept].astype(np.int64)])
    assert found is not None
    assert found.name_at(stamp(FREQUENCIES[name])) == name
    assert (
        positions(stamp(FREQUENCIES[name]), found, times(FREQUENCIES[name], name, 200)[kept]) == np.flatnonzero(kept)
    ).all()


@pytest.mark.parametrize("name", FREQUENCIES)
@settings(max_examples=15, deadline=None)
@given(begin=st.integers(-40, 40), count=st.integers(0, 30))
def test_steps_are_counted_from_any_place(name: str, begin: int, count: int) -> None:
    whole = times(FREQUENCIES[name], name, 120, -40)
    assert (times(FREQUENCIES[name], name, count, begin) == whole[begin + 40 : begin + 40 + count]).all()
    assert (positions(whole[0], parse(name), whole) == np.arange(120)).all()
    off = whole + np.timedelta64(1, "us") if name != "us" else whole[:0]
    assert (positions(whole[0], parse(name), off) == -1).all()


def test_business_days_and_months_by_the_calendar() -> None:
    """Beside Python's own dates."""
    days = [datetime(2024, 2, 29) + timedelta(days=number) for number in range(60)]
    weekdays = [day for day in days if day.weekday() < 5][:30]
    assert times("2024-02-29", "B", 30).astype(object).tolist() == weekdays
    ends = [day - timedelta(days=1) for day in (datetime(2023 + m // 12, m % 12 + 1, 1) for m in range(1, 26))]
    assert times("2023-01-31", "ME", 25).astype(object).tolist() == ends
    assert [str(t)[:10] for t in times("2024-01-28", "M-28", 3)] == ["2024-01-28", "2024-02-28", "2024-03-28"]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        *[
            ("H", "h"),
            ("60T", "h"),
            ("3600S", "h"),
            ("24h", "D"),
            ("7D", "W"),
            ("half_hourly", "30min"),
            ("minutely", "min"),
        ],
        *[("4_seconds", "4s"), ("10_minutes", "10min"), ("quarterly", "Q"), ("yearly", "Y"), ("12M", "Y"), ("3M", "Q")],
        *[
            ("W-SUN", "W"),
            ("QE-MAR", "Q"),
            ("A", "Y"),
            ("BD", "B"),
            ("1000us", "ms"),
            ("monthly", "M"),
            ("90min", "90min"),
        ],
    ],
)
def test_other_names_mean_the_same(name: str, plain: str) -> None:
    assert parse(name).name == plain


@pytest.mark.parametrize(
    "name", ["", "0h", "hh", "W-XYZ", "h-MON", "fortnight", "-1h", "1.5h", "M-31", "9999999D", "ME-40"]
)
def test_what_is_no_frequency_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"expected a (frequency such as|day or a month behind)"):
        parse(name)


@pytest.mark.parametrize(
    ("name", "start", "expected"),
    [
        ("W-SUN", "2024-02-26", "SUN"),
        ("B", "2024-02-25", "a business day"),
        ("ME", "2024-02-28", "the end of a month"),
        ("MS", "2024-02-02", "the start of a month"),
        ("M-15", "2024-02-16", "day 15 of a month"),
        ("QE-MAR", "2024-02-29", "MAR"),
        ("YS-APR", "2024-03-01", "APR"),
        ("QE-MAR", "2024-06-30", None),
        ("W", "2024-02-26", None),
    ],
)
def test_a_first_time_beside_the_anchor_is_seen(name: str, start: str, expected: str | None) -> None:
    assert parse(name).misses(stamp(start)) == expected


def test_seasons_are_those_of_published_figures() -> None:
    names = ["s", "min", "15min", "h", "6h", "5h", "D", "B", "W", "M", "Q", "2QS", "YE", ""]
    assert [season(name) for name in names] == [3600, 1440, 96, 24, 4, 1, 1, 5, 1, 12, 4, 2, 1, 1]
    assert cycles("min") == (60, 1440, 10080)
    assert (cycles("D"), cycles("B"), cycles("W-MON"), cycles("6h")) == ((7,), (5,), (52,), (4, 28))
    assert lags("D") == [1, 2, 3, 6, 7, 8, 13, 14, 15]
    assert lags("", 2) == [1, 2]


@pytest.mark.parametrize("name", FREQUENCIES)
def test_features_are_waves_within_a_half(name: str) -> None:
    found = features(FREQUENCIES[name], name, 50, -10)
    assert found.shape == (50, len(feature_names(name)))
    assert (np.abs(found) <= 0.5 + 1e-6).all()
    waves = found.reshape(50, -1, 2)
    np.testing.assert_allclose((waves**2).sum(axis=2), 0.25, rtol=1e-5)


def test_features_by_hand() -> None:
    found = features("2024-01-01T06:00:00", "h", 1)[0]  # a Monday, the first of the month and of the year
    assert feature_names("h")[::2] == [
        f"{part}, sine" for part in ("hour of the day", "day of the week", "day of the month", "day of the year")
    ]
    np.testing.assert_allclose(found, [0.5, 0, 0, 0.5, 0, 0.5, 0, 0.5], atol=1e-6)
    assert features("", "h", 3).shape == (3, 0)
    assert features("2024-01-01", "YS", 3).shape == (3, 0)


def test_an_order_has_a_step() -> None:
    assert order_step([np.array([0, 5, 10, 20])]) == 5
    assert order_step([np.array([3])]) == 1


def test_few_times_are_no_business_days() -> None:
    friday = times_from(stamp("2024-03-01"), parse("D"), np.arange(2))
    assert rhythm_of([friday.astype(np.int64)])[0] == parse("D")
    assert rhythm_of([friday[:1].astype(np.int64)]) == (None, 0)
