"""A classifier that has learnt noise by heart is too sure; what validation says of it is kept, and told."""

from __future__ import annotations

import random
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest

import throughtime
import throughtime.tasks
from made_data import MAKERS
from throughtime.applications.prediction import Prediction
from throughtime.training import load_tensors

PLAN: dict[str, Any] = {
    "hidden": 12,
    "embedding": 12,
    "steps": 60,
    "lr": 0.02,
    "weight_decay": 0.0,
    "dropout": 0.0,
    "word_dropout": 0.0,
    "min_count": 1,
    "evaluate_every": 60,
    "device": "cpu",
}


def noisy(folder: Path, counts: dict[str, int]) -> list[Path]:
    """Texts of which a fifth have the other label, and words to tell them apart by."""
    draw = random.Random(1)
    folder.mkdir()
    for part, count in counts.items():
        rows = ["text,label"]
        for _ in range(count):
            good = draw.random() < 0.5
            words = [f"w{draw.randrange(300)}" for _ in range(4)]
            words.insert(draw.randrange(5), "fine" if good else "poor")
            rows.append(f"{' '.join(words)},{'good' if good != (draw.random() < 0.2) else 'bad'}")
        (folder / f"{part}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return [folder]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return noisy(tmp_path_factory.mktemp("noise") / "data", {"train": 150, "dev": 120, "test": 200})


@pytest.fixture(scope="module")
def run(data: list[Path], tmp_path_factory: pytest.TempPathFactory) -> throughtime.Run:
    return throughtime.train("sentiment", data, out=tmp_path_factory.mktemp("run") / "run", progress=False, **PLAN)


def test_validation_makes_it_less_sure_and_more_often_right_about_itself(run: throughtime.Run) -> None:
    temperature = run.model.temperature
    assert temperature > 1.5
    assert run.outcome is not None
    figures = run.outcome.figures
    assert figures["temperature"] == temperature
    assert figures["calibration_error"] < figures["calibration_error_without"] / 2
    after, lines = run.evaluate().figures, ["fine w1 w2 w3", "poor w9", "", "nothing known here"]
    told = run.predict(lines)
    run.model.temperature = 1.0
    before, plain = run.evaluate().figures, run.predict(lines)
    run.model.temperature = temperature
    assert after["temperature"] == temperature
    assert "temperature" not in before
    assert after["calibration_error"] < before["calibration_error"] / 2  # of test data, which it has not seen
    assert after["nats"] < before["nats"]
    for name in ("accuracy", "macro_f1"):
        assert after[name] == before[name]
    for one, other in zip(told, plain, strict=True):
        assert [*one.data["probabilities"]] == [*other.data["probabilities"]]  # the same order
        assert 0.5 < max(one.data["probabilities"].values()) < max(other.data["probabilities"].values())


def test_it_is_told_at_the_end_and_lies_with_the_weights(
    data: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    throughtime.train("sentiment", data, out=out, **PLAN)
    temperature = load_tensors(out / "model.safetensors")[1]["temperature"]
    lines = [line for line in capfd.readouterr().err.splitlines() if "calibration error" in line]
    assert lines[-1].startswith(f"{out}: temperature {temperature:.3g} (validation: calibration error ")
    assert lines[-1].endswith(" points)")
    assert "temperature" not in load_tensors(out / "checkpoint.safetensors")[1]  # training goes on without it
    throughtime.load(out).resume(progress=False, steps=120, evaluate_every=120)
    again = load_tensors(out / "model.safetensors")[1].get("temperature")
    events = [row for row in throughtime.load(out).history.rows if row[0] == "evaluation"]
    assert len(events) == 2
    assert throughtime.load(out).model.temperature == (again or 1.0)


@pytest.mark.parametrize("how", [{"calibrate": False}, {"valid": "few"}])
def test_none_is_fitted_where_that_is_not_wanted_or_few_examples_tell(
    how: dict[str, Any], data: list[Path], tmp_path: Path
) -> None:
    if "valid" in how:
        how = {"valid": noisy(tmp_path / "data", {"dev": 20})[0] / "dev.csv"}
    run = throughtime.train("sentiment", data[0] / "train.csv", progress=False, **{**PLAN, "steps": 20, **how})
    assert run.model.temperature == 1.0
    assert run.outcome is not None
    assert "temperature" not in run.outcome.figures
    assert run.outcome.figures["calibration_error"] > 0.0


def test_nothing_held_out_fits_none(data: list[Path]) -> None:
    run = throughtime.train("sentiment", data[0] / "train.csv", progress=False, **{**PLAN, "steps": 20, "held_out": 0})
    assert run.model.temperature == 1.0


def kinds(kind: type[Prediction]) -> set[type[Prediction]]:
    """A kind of result and those that are made of it."""
    return {kind}.union(*(kinds(inner) for inner in kind.__subclasses__()))


def test_whatever_tells_probabilities_is_judged_by_them(tmp_path: Path) -> None:
    """A new kind of result that tells some is named here, with data of its task: ``evaluate`` must print the error."""
    for module in walk_packages(throughtime.tasks.__path__, "throughtime.tasks."):
        import_module(module.name)
    telling = {kind.__name__ for kind in kinds(Prediction) if "probabilities" in {f.name for f in fields(kind)}}

    def made(task: str) -> list[Path]:
        (tmp_path / task).mkdir()
        return MAKERS[task](tmp_path / task, "plain").data

    tasks = {
        "SentimentPrediction": ("sentiment", made("sentiment")),
        "TreePrediction": ("sentiment-trees", made("sentiment-trees")),
        "SequencePrediction": ("dna", made("dna")),
        "SeriesPrediction": ("series", made("series")),
        "PointsPrediction": ("video", made("video")),
        "VideoPrediction": ("video", []),  # the same, of another kind of file
    }
    assert telling == tasks.keys()
    for task, data in tasks.values():
        if data:
            run = throughtime.train(task, data, hidden=4, steps=2, batch=4, progress=False)
            figures = run.evaluate().figures
            assert figures["nats"] > 0, task
            assert 0 < figures["calibration_error"] < 100, task
