"""Histories: in pieces as a whole, nothing ahead is looked at, what is missing or constant stays finite."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.series.history import Lookback, Question, Read, ScaleName, past_at, read

Floats = npt.NDArray[np.float64]
FIELDS = tuple(Question.__dataclass_fields__)


def made(seed: int, count: int, missing: float = 0.1) -> Floats:
    random = np.random.default_rng(seed)
    values = np.cumsum(random.normal(size=count)) + 5 * np.sin(np.arange(count) * 2 * np.pi / 7) + 1e4
    values[random.random(count) < missing] = np.nan
    values[count // 2 : count // 2 + count // 4] = np.nan  # longer than what is kept
    return values


def same(one: Read, other: Read, begin: int) -> None:
    count = one.scales.shape[-1]
    np.testing.assert_allclose(one.features, other.features[begin : begin + count], atol=1e-5)
    np.testing.assert_allclose(one.scales, other.scales[begin : begin + count], rtol=1e-12)
    places = np.arange(count)
    mine, theirs = one.ask(places), other.ask(places + begin)
    for name in FIELDS:
        np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=1e-5, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.lists(st.integers(0, 30), min_size=1, max_size=8), st.sampled_from(["mean", "robust"]))
def test_pieces_tell_what_the_whole_tells(seed: int, cuts: list[int], scale: str) -> None:
    look = Lookback.of("", 3, 4, scale=cast(ScaleName, scale))
    values = made(seed, sum(cuts))
    whole, past, begin = read(look, values, look.begin()), look.begin(), 0
    for count in cuts:
        found = read(look, values[begin : begin + count], past)
        same(found, whole, begin)
        past, begin = found.past, begin + count
        kept = past_at(look, values, begin)
        for name in vars(past):
            np.testing.assert_allclose(getattr(kept, name), getattr(past, name), rtol=1e-12, atol=1e-9)


def test_rows_are_read_as_each_alone() -> None:
    look = Lookback.of("h", 24, 5)
    rows = np.stack([made(seed, 300) for seed in (1, 2)])
    both = read(look, rows, look.begin((2,)))
    question = both.ask(np.array([200, 250, 299]), np.array([0, 1, 1]))
    for row in (0, 1):
        alone = read(look, rows[row], look.begin())
        np.testing.assert_array_equal(both.features[row], alone.features)
        mine = [at for at, of in enumerate((0, 1, 1)) if of == row]
        theirs = alone.ask(np.array([200, 250, 299])[mine])
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(question, name)[mine], getattr(theirs, name))


@pytest.mark.parametrize("frequency", ["h", "D", "ME", "YE", ""])
def test_what_comes_later_changes_nothing(frequency: str) -> None:
    look = Lookback.of(frequency, 1, 6)
    values = made(3, 200)
    other = np.concatenate([values[:150], values[150:] * -7 + 1])
    one, two = (read(look, each, look.begin()) for each in (values, other))
    np.testing.assert_array_equal(one.features[:150], two.features[:150])
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one.ask(np.arange(150)), name), getattr(two.ask(np.arange(150)), name))
    assert not np.array_equal(one.features[150:], two.features[150:])


def test_candidates_are_those_of_the_same_place_of_earlier_cycles() -> None:
    look = Lookback.of("", 3, 5)
    values = np.arange(20.0) ** 2
    found = read(look, values, look.begin())
    question = found.ask(np.array([10]))
    level, scale = values[8:11].mean(), np.abs(values[3:11] - values[:8]).mean()
    assert question.levels[0] == pytest.approx(level)
    assert question.scales[0] == pytest.approx(scale)
    for ahead in range(1, 6):
        begin = 10 + ahead - 3 * -(-ahead // 3)
        for number in range(4):
            at = begin - 3 * number
            assert question.there[0, ahead - 1, number] == (at >= 0)
            said = (values[at] - level) / scale if at >= 0 else 0.0
            assert question.candidates[0, ahead - 1, number] == pytest.approx(said, rel=1e-6)


@pytest.mark.parametrize(
    "values", [[], [3.0], [np.nan] * 9, [2.0] * 50, [np.nan, 4.0, np.nan], [0.0, 1e30, -1e30, 0.0]]
)
def test_little_or_nothing_stays_finite(values: list[float]) -> None:
    look = Lookback.of("h", 24, 3)
    found = read(look, np.array(values), look.begin())
    question = found.ask(np.arange(len(values)))
    assert np.isfinite(found.features).all()
    assert all(np.isfinite(getattr(question, name).astype(float)).all() for name in FIELDS)
    assert question.there[..., -2:].all()
    if len(set(values)) <= 1 or np.isnan(values).sum() >= len(values) - 1:
        assert (question.scales == 0).all()
