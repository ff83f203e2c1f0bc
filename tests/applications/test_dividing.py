"""What every task does with --folds, --group and --held-out: divides its examples so, or says why it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.test_every_task import settings_of
from made_data import MAKERS
from throughtime.applications.folder.folds import Folds
from throughtime.applications.supervised import Supervised
from throughtime.errors import UserError
from throughtime.tasks import TASKS
from throughtime.training import Trainer

DIVIDED = [name for name, task in TASKS.items() if "folds" in task.settings.model_fields]
WHOLE = [name for name in TASKS if name not in DIVIDED]


def data_of(task: str, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Examples that differ, of training alone; settings of a small model."""
    made = MAKERS[task](folder, "plain")
    for path in made.data:
        for other in [*path.glob("dev*"), *path.glob("test*"), *path.glob("valid*")] if path.is_dir() else []:
            other.rename(folder / f"left-{other.name}")
    if task == "entities":
        sentences = [f"Anna\tB-plain\nsaw\tO\nroom{number}\tO\n" for number in range(9)]
        (made.data[0] / "train.conll").write_text("\n".join(sentences))
    if task == "sentiment-trees":
        trees = [f"({n % 3} (2 plain) ({n % 3} room{n}))" for n in range(12)]
        (made.data[0] / "train.txt").write_text("\n".join(trees))
    return list(map(str, made.data)), settings_of(made)


def examples(run: Path, *parts: str) -> list[str]:
    return [line for part in parts for line in (run / f"{part}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("task", DIVIDED)
def test_folds_of_a_task_hold_every_example_once(task: str, tmp_path: Path) -> None:
    paths, settings = data_of(task, tmp_path)
    TASKS[task].start_folds(paths, tmp_path / "run", {**settings, "folds": 3, "held_out": 0})
    runs = [tmp_path / "run" / f"fold-{number}" for number in (1, 2, 3)]
    tested = [examples(run, "test") for run in runs]
    assert list(map(len, tested)) == list(Folds.load(tmp_path / "run").examples)
    assert max(map(len, tested)) - min(map(len, tested)) <= max(2, len(tested[0]) // 2)
    whole = sorted(line for test in tested for line in test)
    for run in runs:
        assert sorted(examples(run, "train", "test")) == whole
        assert not (run / "valid.jsonl").exists()


def test_a_label_that_one_fold_alone_has_is_told_with_the_fold(tmp_path: Path) -> None:
    paths, settings = data_of("sentiment-trees", tmp_path)
    with Path(paths[0], "train.txt").open("a") as file:
        file.write("\n(4 (2 plain) (4 cat))")
    with pytest.raises(UserError, match=r"train\.txt:13: unknown label '4'.*; it is held out in fold \d of 3: with"):
        TASKS["sentiment-trees"].start_folds(paths, tmp_path / "run", {**settings, "folds": 3})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", DIVIDED)
def test_a_group_of_a_task_is_never_divided(task: str, tmp_path: Path) -> None:
    """All files begin with the same letter, so that all examples are of one group."""
    paths, settings = data_of(task, tmp_path)
    with pytest.raises(UserError, match=r"--folds: expected at most 1, .* or of one group, stay together\), got 3"):
        TASKS[task].start_folds(paths, tmp_path / "run", {**settings, "folds": 3, "group": "^(.)"})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", TASKS)
def test_a_task_that_holds_nothing_out_keeps_the_last_weights_and_says_so(task: str, tmp_path: Path) -> None:
    paths, settings = data_of(task, tmp_path)
    given = {**settings, "held_out": 0, "steps": 1}
    trainer = TASKS[task].start(paths, tmp_path / "run", given)
    assert trainer.evaluate is None
    assert "nothing is held out to validate on: the last weights are kept" in TASKS[task].describe(trainer)
    trainer.run()
    assert (tmp_path / "run" / "model.safetensors").exists()
    with pytest.raises(UserError, match="--patience 2: goes by validation, and nothing is held out"):
        TASKS[task].start(paths, tmp_path / "other", {**given, "patience": 2})
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("option", ["folds", "fold", "group"])
@pytest.mark.parametrize("task", WHOLE)
def test_a_task_without_examples_to_divide_says_why(
    task: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from throughtime.cli import run as command_line

    assert isinstance(TASKS[task], Supervised) == (task != "text")
    monkeypatch.setattr(Trainer, "run", lambda self: pytest.fail("it trains"))
    paths, settings = data_of(task, tmp_path)
    reason = TASKS[task].settings.lacking[option]
    assert command_line(["train", task, *paths, f"--{option}", "2", "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err == f"throughtime: --{option}: {reason}\n"
    with pytest.raises(UserError, match=f"^--{option}: "):
        TASKS[task].start(paths, tmp_path / "run", {**settings, option: 2})
    assert not (tmp_path / "run").exists()
