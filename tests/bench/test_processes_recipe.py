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
    row = recipe.foretold(1.0, 1_000_000, 64, alpha=1e-3, beta=1e-7)["8"]
    sums = 2 * 1e-3 * 3 + 2 * 0.1 * 7 / 8  # three messages there and back, and seven eighths of 0.1 s twice
    assert row["speed_up"] == pytest.approx(1 / (1 / 8 + sums))
    assert row["efficiency"] == pytest.approx(row["speed_up"] / 8)
    assert row["averaging_share"] == pytest.approx(sums / (1 / 8 + sums))
    half = recipe.foretold(row["rows_at_half_efficiency"] / 64, 1_000_000, 64, alpha=1e-3, beta=1e-7)["8"]
    assert half["efficiency"] == pytest.approx(0.5)
    free = recipe.foretold(1.0, 1_000_000, 64, alpha=0.0, beta=0.0)
    assert all(row["efficiency"] == pytest.approx(1.0) for row in free.values())
