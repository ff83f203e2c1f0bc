"""The recipe of the full grid goes on where it was cut off."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

RECIPES = Path(__file__).resolve().parents[2] / "benchmarks" / "recipes"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The recipe with a small part, in a folder of its own."""
    monkeypatch.syspath_prepend(str(RECIPES))
    record, speed = importlib.import_module("record"), importlib.import_module("speed")
    for module in (record, speed):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    axes = {"what": ("training",), "cells": ("gru", "mgu"), "batch": (1, 2), "time": (3,), "hidden": (4,)}
    monkeypatch.setitem(speed.PARTS, "torch", axes)
    monkeypatch.setattr("throughtime.bench.run.peak_gflops", lambda number, *shortly: 10.0)
    yield speed
    for name in ("record", "speed"):
        sys.modules.pop(name)


def test_a_run_that_was_cut_off_goes_on(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = recipe.measure_cases
    measured: list[str] = []

    def cut(cases: Any, plan: Any, peaks: Any) -> Any:
        for case, row in zip(cases, whole(cases, plan, peaks), strict=True):
            measured.append(f"{case.cell} {case.shape.batch}")
            yield row
            if len(measured) == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "measure_cases", cut)
    with pytest.raises(KeyboardInterrupt):
        recipe.measure_part("torch", (1,), 0.001, "auto", again=False, narrow={})
    path = recipe.measure_part("torch", (1,), 0.001, "auto", again=False, narrow={})
    assert measured == ["gru 1", "gru 2", "mgu 1", "mgu 2"]
    result = json.loads(path.read_text())
    assert [(row["cell"], row["batch"]) for row in result["rows"]] == [("gru", 1), ("gru", 2), ("mgu", 1), ("mgu", 2)]
    assert all(row["share_of_peak"] > 0 for row in result["rows"])
    assert [line["rows"] for line in result["summary"]] == [2, 2, 2]
    before = path.read_text()
    recipe.measure_part("torch", (1,), 0.001, "auto", again=False, narrow={})
    assert (path.read_text(), len(measured)) == (before, 4)
    path.write_text(json.dumps({**result, "rows": []}))
    monkeypatch.setattr(recipe, "commit", lambda root: "abc1234")
    with pytest.raises(SystemExit, match=r"speed-torch.json is of commit None, this is abc1234; pass --again"):
        recipe.measure_part("torch", (1,), 0.001, "auto", again=False, narrow={})


def test_the_grid_is_the_whole_grid(recipe: Any) -> None:
    cases = list(recipe.Plan(**recipe.PARTS["loop"], threads=(1, 2)).cases())
    assert len(cases) == 5 * 4 * 3 * 5 * 2
    assert {case.shape.input - case.shape.hidden for case in cases} == {0}
    for part in recipe.PARTS:
        recipe.Plan(**recipe.PARTS[part]).check()


def test_a_part_of_the_grid_goes_before_the_rest(recipe: Any) -> None:
    path = recipe.measure_part("torch", (1,), 0.001, "auto", again=False, narrow={"batch": (2,), "unknown": (7,)})
    assert {row["batch"] for row in json.loads(path.read_text())["rows"]} == {2}
    recipe.measure_part("torch", (1,), 0.001, "auto", again=False, narrow={})
    assert [row["batch"] for row in json.loads(path.read_text())["rows"]] == [2, 2, 1, 1]
