"""What the tests of the compiled engine share: calls held against the reference and the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from throughtime.cells import Cell
from throughtime.engine import Noise


@pytest.fixture(scope="session")
def call(unrolled: Callable[..., Any]) -> Callable[..., Any]:
    """``call(cell, values, engine, …)``: outputs and final states."""
    return unrolled


@pytest.fixture(scope="session")
def agree(run: Callable[..., Any], interpreted: Callable[..., Any], same: Callable[..., None]) -> Callable[..., None]:
    """``agree(cell, values, …)``: the compiled engine gives the reference's results, and the interpreter does."""

    def check(
        cell: Cell, values: dict[str, torch.Tensor], noise: Noise | None = None, recompute: bool = False, **options: Any
    ) -> None:
        tight = values["inputs"].dtype == torch.float64
        tolerance = {"rtol": 1e-8, "atol": 1e-10} if tight else {"rtol": 2e-3, "atol": 2e-4}
        got = run(cell, values, "compiled", noise=noise, recompute=recompute, **options)
        expected = run(cell, values, "reference", noise=noise, **options)
        same(got, expected, **tolerance)
        if tight and not options.keys() & {"resets", "mask"}:  # which the interpreter has not
            oracle = interpreted(cell, values, noise=noise, **options)
            same(oracle, expected, rtol=1e-12, atol=1e-12)
            same(got, oracle, **tolerance)

    return check


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two threads, even for a small call."""
    from throughtime.engine.compiled import frame

    monkeypatch.setattr(frame, "SERIAL", 0)
    monkeypatch.setattr(frame, "MEETING", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
