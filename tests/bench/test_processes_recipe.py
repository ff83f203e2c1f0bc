"""The recipe of several processes fits what it measures, and foretells by it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RECIPES = Path(__file__).resolve().parents[2] / "benchmarks" / "recipes"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(RECIPES))
    yield importlib.import_module("processes")
    for name in ("record", "processes"):
        sys.modules.pop(name)


def test_alpha_and_beta(recipe: Any) -> None:
    alpha, beta = recipe.fitted({4 * n: 2 * 3e-5 + 8e-10 * 4 * n for n in recipe.SIZES})
    assert (alpha, beta) == pytest.approx((3e-5, 8e-10))


def test_foretold(recipe: Any) -> None:
    steps = {1: 0.1, 8: 0.2, 32: 0.55, 64: 1.0}
    row = recipe.foretold(steps, 1_000_000, alpha=1e-3, beta=1e-7)["8"]
    sums = 4 * 2 * 1e-3 * 7 + 2 * 0.1 * 7 / 8  # seven messages there and back, four sums; seven eighths of 0.1 s twice
    assert row["sums"] == pytest.approx(sums)
    assert row["speed_up"] == pytest.approx(1 / (0.2 + sums))
    assert row["efficiency_of_as_many_rows_each"] == pytest.approx(1 / (1 + sums))
    assert (
        row["least_rows_at_half_efficiency"] == 32
    )  # half a second's worth of rows in 0.55 + 0.231 s; 8 are worth 0.125
    free = recipe.foretold(steps, 1_000_000, alpha=0.0, beta=0.0)
    assert free["512"]["speed_up"] is None
    assert all(row["efficiency_of_as_many_rows_each"] == 1.0 for row in free.values())
