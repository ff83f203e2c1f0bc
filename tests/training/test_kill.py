"""The recipe that kills trainings and lets their disk fail, a little of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from forked import Forked, execute

RECIPE = Path(__file__).resolve().parents[2] / "benchmarks" / "recipes" / "kill.py"


TORMENT = """
import runpy, sys, tempfile
tempfile.tempdir = {folder!r}
sys.argv = [{recipe!r}, "--kills", "6", "--out", {folder!r} + "/kill.json"]
sys.path.insert(0, {recipes!r})
runpy.run_path({recipe!r}, run_name="__main__")
"""


def test_runs_that_are_killed_and_whose_disk_fails_end_in_the_same_bits(
    forked: Callable[..., Forked], tmp_path: Path
) -> None:
    code = TORMENT.format(folder=str(tmp_path), recipe=str(RECIPE), recipes=str(RECIPE.parent))
    ended = forked(execute, code).end()
    assert ended.status == 0, ended.err
    found = json.loads((tmp_path / "kill.json").read_text())
    assert found["met"]["kills"] >= 6
    assert found["same_bits"] == found["met"]["runs"] >= 2
    assert [path.name for path in tmp_path.iterdir()] == ["kill.json"]
