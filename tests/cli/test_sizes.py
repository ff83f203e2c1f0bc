"""A model folder takes no more memory than its files: sizes of a config are compared before memory is taken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import hostile_sizes
from forked import Forked
from throughtime.tasks import TASKS

UNBOUNDED = {"steps", "warmup", "evaluate_every", "patience", "min_count", "least_steps"}
"""Counts that no memory depends on."""


def test_no_number_of_a_config_takes_memory_that_its_weights_do_not(
    forked: Callable[..., Forked], folders: dict[str, Path], tmp_path: Path
) -> None:
    runs = {task: Path(shutil.copytree(run, tmp_path / task)) for task, run in folders.items()}
    ended = forked(hostile_sizes.main, runs).end()
    assert (ended.status, ended.out) == (0, "True True\n"), ended.err


@pytest.mark.parametrize("task", TASKS)
def test_every_size_among_the_settings_has_a_bound(task: str) -> None:
    properties = TASKS[task].settings.model_json_schema()["properties"]
    forms = [(name, form) for name, field in properties.items() for form in (field, *field.get("anyOf", ()))]
    whole = {name: form for name, form in forms if form.get("type") == "integer"}
    assert {name for name, form in whole.items() if not {"maximum", "exclusiveMaximum"} & form.keys()} <= UNBOUNDED
    assert "batch" in whole
