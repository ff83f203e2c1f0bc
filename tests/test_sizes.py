"""A model folder takes no more memory than its files: sizes of a config are compared before memory is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from throughtime.tasks import TASKS

HERE = Path(__file__).parent
UNBOUNDED = {"steps", "warmup", "evaluate_every", "patience", "min_count", "least_steps"}
"""Counts that no memory depends on."""


def test_no_number_of_a_config_takes_memory_that_its_weights_do_not(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "hostile_sizes.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True True\n"


@pytest.mark.parametrize("task", TASKS)
def test_every_size_among_the_settings_has_a_bound(task: str) -> None:
    properties = TASKS[task].settings.model_json_schema()["properties"]
    forms = [(name, form) for name, field in properties.items() for form in (field, *field.get("anyOf", ()))]
    whole = {name: form for name, form in forms if form.get("type") == "integer"}
    assert {name for name, form in whole.items() if not {"maximum", "exclusiveMaximum"} & form.keys()} <= UNBOUNDED
    assert "batch" in whole
