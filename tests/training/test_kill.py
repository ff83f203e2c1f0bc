"""The recipe that kills trainings and lets their disk fail, a little of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

RECIPE = Path(__file__).resolve().parents[2] / "benchmarks" / "recipes" / "kill.py"


def test_runs_that_are_killed_and_whose_disk_fails_end_in_the_same_bits(tmp_path: Path) -> None:
    command = [sys.executable, RECIPE, "--kills", "6", "--out", tmp_path / "kill.json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "kill.json").read_text())
    assert found["met"]["kills"] >= 6
    assert found["same_bits"] == found["met"]["runs"] >= 2
    assert [path.name for path in tmp_path.iterdir()] == ["kill.json"]
