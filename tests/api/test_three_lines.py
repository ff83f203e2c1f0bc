"""Train, judge, use: from data in memory, from files and from the command line, to the same bits."""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import throughtime
from api.conftest import REVIEWS, SMALL, Reviews
from throughtime.applications.task import Table
from throughtime.cli import run as command_line
from throughtime.tasks import TASKS
from throughtime.training import Trainer

BITS = "model.safetensors"


class Series(list[Any]):
    """A column of a frame."""


class Frame:
    """What a frame of pandas and one of polars have in common."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self._data = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Series:
        return Series(self._data[name])


TEXTS, LABELS = ([row[n] for row in REVIEWS] for n in (0, 1))
FORMS: dict[str, Any] = {
    "rows": REVIEWS,
    "columns": (TEXTS, LABELS),
    "mappings": [{"text": text, "label": label} for text, label in REVIEWS],
    "frame": Frame({"label": LABELS, "text": TEXTS}),
}


def test_three_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = throughtime.train(Reviews, REVIEWS, out="runs/reviews", **SMALL)
    report = run.evaluate([("a fine film", "good"), ("a poor book", "bad")])
    found = throughtime.load("runs/reviews", task=Reviews).predict(["a fine film", "a poor book"])
    assert report.figures["accuracy"] == 100.0
    assert [prediction.data["label"] for prediction in found] == ["good", "bad"]
    assert run.predict("a fine film")[0].data == found[0].data
    assert "accuracy" in str(report)
    assert report._repr_html_().startswith('<div style="overflow-x: auto"><table>')
    assert repr(run).startswith("Run('runs/reviews', task='api.conftest:Reviews', steps=40, ")


def test_the_same_seed_gives_the_same_bits_from_the_command_line_files_and_memory(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--hidden", "8", "--embedding", "8", "--min-count", "1", "--batch", "8", "--steps", "40", "--lr", "0.02"]
    options += ["--dropout", "0.3"]
    assert command_line(["train", "sentiment", str(file), "--out", str(tmp_path / "line"), *options]) == 0
    given: dict[str, Any] = {**SMALL, "dropout": 0.3}
    throughtime.train("sentiment", file, out=tmp_path / "path", **given)
    for name, data in FORMS.items():
        throughtime.train(Reviews, data, out=tmp_path / name, **given)
    expected = (tmp_path / "line" / BITS).read_bytes()
    assert {name: (tmp_path / name / BITS).read_bytes() == expected for name in ("path", *FORMS)} == dict.fromkeys(
        ("path", *FORMS), True
    )
    capsys.readouterr()


def test_nothing_of_the_temporary_folder_stays(tmp_path: Path) -> None:
    throughtime.train(Reviews, REVIEWS, valid=REVIEWS[:4], test=REVIEWS[4:8], out=tmp_path / "run", **SMALL)
    kept = "".join(path.read_text() for path in (tmp_path / "run").glob("*.json*"))
    assert "/tmp" not in kept
    first = json.loads((tmp_path / "run" / "valid.jsonl").read_text().splitlines()[0])
    assert first["where"] == "example 1 of valid"
    parts = throughtime.load(tmp_path / "run", task=Reviews).read.parts
    assert {part: found.source for part, found in parts.items()} == dict.fromkeys(parts, "data in memory")
    with pytest.raises(throughtime.UserError, match=r"^example 1: ") as caught:
        throughtime.train(Reviews, [("", "")] * 9, out=tmp_path / "other", **SMALL)
    assert "throughtime-" not in str(caught.value)


def test_examples_of_the_tasks_own_type_are_taken_as_they_are(file: Path, tmp_path: Path) -> None:
    examples = list(Reviews.read([file], throughtime.train("sentiment", file, **SMALL).settings))
    one = throughtime.train("sentiment", examples, out=tmp_path / "one", **SMALL)
    throughtime.train("sentiment", file, out=tmp_path / "two", **SMALL)
    assert (tmp_path / "one" / BITS).read_bytes() == (tmp_path / "two" / BITS).read_bytes()
    assert one.evaluate(examples).figures == one.evaluate(file).figures


def test_a_run_without_a_folder_lives_until_it_is_saved(file: Path, tmp_path: Path) -> None:
    run = throughtime.train("sentiment", file, **SMALL)
    first, said = run.folder, run.predict("a fine film")[0].data
    assert first.exists()
    assert run.save(tmp_path / "kept") is run
    assert (run.folder, first.exists()) == (tmp_path / "kept", False)
    assert throughtime.load(run.folder).predict("a fine film")[0].data == said
    with pytest.raises(throughtime.UserError, match="already exists"):
        run.save(tmp_path / "kept")
    other = throughtime.train("sentiment", file, **SMALL)
    second = other.folder
    assert second.exists()
    del other
    gc.collect()
    assert not second.exists()


def test_what_is_wrong_leaves_nothing_behind(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with pytest.raises(throughtime.UserError):
        throughtime.train("sentiment", [("a", "b", "c")], **SMALL)
    with pytest.raises(throughtime.UserError):
        throughtime.train(Reviews, [("a", "b", "c")], **SMALL)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda file: throughtime.train("sentimnt", file), r"unknown task 'sentimnt' \(did you mean 'sentiment'\?\)"),
        (
            lambda file: throughtime.train(dict, file),
            "expected the name of a task, or an Application, got <class 'dict'>",
        ),
        (
            lambda file: throughtime.train("sentiment", file, hiden=3),
            r"unknown option 'hiden' \(did you mean 'hidden'\?\)",
        ),
        (lambda file: throughtime.train("sentiment", file, hidden=0), "--hidden: "),
        (lambda file: throughtime.train("sentiment"), "expected data to train on, got none"),
        (
            lambda file: throughtime.train("sentiment", file, cell="rnn,lstm"),
            "expected one cell, got 'rnn,lstm'; call train",
        ),
        (lambda file: throughtime.train("video", {"a": 1}), "."),
        (lambda file: throughtime.train("adding", file, cell="gru"), "task adding makes its data itself"),
        (
            lambda file: throughtime.train("adding"),
            "expected one cell, got 'rnn,gru-simplified,gru,lstm,lstm-peephole'",
        ),
        (lambda file: throughtime.load(file), "expected a model folder"),
    ],
)
def test_a_wrong_name_brings_the_nearest(file: Path, call: Callable[[Path], Any], message: str) -> None:
    with pytest.raises(throughtime.UserError, match=message):
        call(file)


def test_options_of_use_are_the_tasks_own(file: Path, tmp_path: Path) -> None:
    run = throughtime.train("sentiment", file, out=tmp_path / "run", **SMALL)
    assert run.predict("a fine film", explain=True)[0].data != run.predict("a fine film")[0].data
    with pytest.raises(
        throughtime.UserError, match=r"unknown option 'explian' \(did you mean 'explain'\?\); 'sentiment' has"
    ):
        run.predict("a fine film", explian=True)
    for call in (lambda: run.score(["a"]), lambda: run.sample("a"), lambda: run.evaluate([])):
        with pytest.raises(throughtime.UserError):
            call()


def test_progress_is_that_of_the_command_line_or_none(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    throughtime.train("sentiment", file, out=tmp_path / "one", **SMALL)
    assert capsys.readouterr() == ("", "")
    throughtime.train("sentiment", file, out=tmp_path / "two", **{**SMALL, "progress": True})
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"{tmp_path / 'two'}: train: 26 examples, ")
    assert "validation: " in shown.err


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {**SMALL, "dropout": 0.3}
    throughtime.train("sentiment", file, out=tmp_path / "whole", **given)
    step = Trainer._step

    def stopped(trainer: Trainer[Any], batch: Any) -> None:
        step(trainer, batch)
        if trainer.progress.step == 13:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", stopped)
        run = throughtime.train("sentiment", file, out=tmp_path / "run", **given)
    assert run.outcome is not None
    assert (run.outcome.finished, run.outcome.figures["steps"]) == ("", 13)
    assert signal.getsignal(signal.SIGINT) is handler
    assert run.resume(progress=False).outcome.figures["steps"] == 40  # type: ignore[union-attr]
    assert (tmp_path / "run" / BITS).read_bytes() == (tmp_path / "whole" / BITS).read_bytes()


def test_a_thread_trains_too(file: Path, tmp_path: Path) -> None:
    thread = threading.Thread(target=lambda: throughtime.train("sentiment", file, out=tmp_path / "run", **SMALL))
    thread.start()
    thread.join()
    assert throughtime.load(tmp_path / "run").predict("a fine film")[0].data["label"] == "good"


def test_a_training_that_diverges_says_so(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.models.Classifier.loss", lambda self, batch, carried: (self.pooled_nan(), None))
    monkeypatch.setattr(
        "throughtime.models.Classifier.pooled_nan",
        lambda self: next(self.parameters()).sum() * float("nan"),
        raising=False,
    )
    with pytest.raises(throughtime.TrainingDivergedError):
        throughtime.train("sentiment", file, out=tmp_path / "run", **SMALL)


def test_what_a_run_tells_of_itself(file: Path, tmp_path: Path) -> None:
    run = throughtime.train("sentiment", file, out=tmp_path / "run", **SMALL)
    assert isinstance(run.model, torch.nn.Module)
    assert not run.model.training
    assert run.model is run.model
    assert (run.settings.hidden, run.settings.steps) == (8, 40)  # type: ignore[attr-defined]
    history = run.history
    assert isinstance(history, Table)
    assert history.columns[:2] == ["event", "step"]
    assert history.rows[-1][1] == 40
    assert "event" in str(history)
    shown = run._repr_html_()
    assert ">sentiment</th>" in shown
    assert '">steps</td><td style="text-align: left; padding: 0 0.6em">40</td>' in shown
    assert {row[history.columns.index("best")] for row in history.rows} <= {"", "no", "yes"}
    assert run.task is TASKS["sentiment"]
