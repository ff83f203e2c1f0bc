"""Figures beside a model's: those of every task are known as such, and explained where the model's is the worse."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline, explained
from throughtime.applications.reading.verdict import remarks_on
from throughtime.applications.supervised import Supervised
from throughtime.tasks import TASKS

FOLDERS = Path(__file__).parents[1] / "folders"

NO_MODEL = re.compile(
    "chance|memoryless_nats|.*_without_time|(majority|unigram|repeat|commonest|letterwise|seasonal_naive|memory|copy|open_frames"
    "|all_coding)_.*(?<!signature)|mean_rmse"
)
"""Names of figures that no model of ours makes."""


def reports() -> list[tuple[str, dict[str, Any]]]:
    """What ``evaluate`` said of the recorded model folders, by task."""
    found = []
    for archive in sorted(FOLDERS.glob("*.tar.xz")):
        with tarfile.open(archive) as file:
            record, config = (json.load(file.extractfile(name)) for name in ("record.json", "run/config.json"))
        judged = [asked["finished"] for asked in record["asked"] if asked["command"][0] == "evaluate"]
        found += [(config["task"], report) for told in judged for report in told]
    return found


REPORTS = reports()
APPLICATIONS = {name: task.application for name, task in TASKS.items() if isinstance(task, Supervised)}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_every_figure_of_guessing_stands_beside_one_of_the_model(name: str) -> None:
    told = [report for task, report in REPORTS if task == name]
    there = {figure for report in told for figure in report if NO_MODEL.fullmatch(figure)}
    declared = APPLICATIONS[name].baselines
    assert there == {baseline.name for baseline in declared}
    assert there
    for baseline in declared:
        assert any({baseline.figure, baseline.name} <= report.keys() for report in told), baseline.figure
        assert len(baseline.means) > 60, "a sentence"
        assert not baseline.means.endswith((".", ":")), "it stands in a line"


def test_what_is_worse_is_explained_and_nothing_else() -> None:
    rising, falling = Baseline("f1", "memory_f1", "so"), Baseline("word_error", "copy_word_error", "thus", higher=False)
    figures = {"f1": 20.0, "memory_f1": 30.0, "word_error": 20.0, "copy_word_error": 30.0}
    assert explained([rising, falling], figures) == ["f1 20.0 % is worse than memory f1 30.0 %: so"]
    turned = {"f1": 30.0, "memory_f1": 20.0, "word_error": 30.123, "copy_word_error": 20.0}
    assert explained([rising, falling], turned) == ["word error 30.1 % is worse than copy word error 20.0 %: thus"]
    assert explained([rising, falling], {**turned, "copy_word_error": 30.123}) == []  # as good
    assert explained([rising], {"f1": 20.0}) == []
    assert explained([rising], {"f1": float("nan"), "memory_f1": 20.0}) == []


def test_the_frame_accuracy_of_keys_says_what_decides() -> None:
    figures = {"nats_per_frame": 3.0, "repeat_nats_per_frame": 4.0, "frame_accuracy": 50.0, "repeat_frame_accuracy": 60}
    (line,) = explained(APPLICATIONS["music"].baselines, figures)
    assert line.startswith(
        "frame accuracy 50.0 % is worse than repeat frame accuracy 60.0 %: a key counts as said only if"
    )
    assert "Nats per frame judge the probabilities themselves" in line


@pytest.mark.parametrize(
    ("accuracy", "begins"),
    [
        (40.0, ["no better than guessing: accuracy 40", "accuracy 40.0 % is worse than majority"]),
        (50.0, ["no better than guessing: accuracy 50"]),
        (60.0, []),
    ],
)
def test_guessing_is_told_where_it_is_as_good(accuracy: float, begins: list[str]) -> None:
    rival = Guess("accuracy", 50.0, "always saying 'a'", higher=True)
    beside = APPLICATIONS["sentiment"].baselines
    lines = remarks_on({"accuracy": accuracy, "majority_accuracy": 50.0}, beside, rival)
    assert [line[: len(start)] for line, start in zip(lines, begins, strict=True)] == begins
