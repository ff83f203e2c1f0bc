"""The task of series: what it learns of training data, what its models see, and what they tell."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import throughtime
from throughtime.data.ragged import RaggedBatch
from throughtime.data.series.labelled.augment import SeriesChanges
from throughtime.data.series.labelled.frames import Framing
from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.errors import UserError
from throughtime.tasks.series.labels import SeriesLabels
from throughtime.tasks.series.learning import learn_labels
from throughtime.tasks.series.predictions import by_step
from throughtime.tasks.series.settings import SeriesSettings
from throughtime.tasks.series.task import SeriesTask

SMALL: dict[str, Any] = {"hidden": 8, "features": 8, "batch": 8, "steps": 40, "lr": 0.02, "progress": False}


def wave(number: int, steps: int = 20) -> list[float]:
    """Up first, or down first, from anywhere."""
    draw = np.random.default_rng(number)
    sign = 1 - 2 * (number % 2)
    return (sign * np.sin(np.arange(steps + number % 5) / 3) + draw.normal(0, 0.2, steps + number % 5)).tolist()


def made(values: list[list[float | None]], label: str = "", labels: list[str] | None = None) -> LabelledSeries:
    return LabelledSeries(values, label, labels or [], "a.csv:1", "1")


WAVES = [(wave(number), ("up", "down")[number % 2]) for number in range(24)]


@pytest.fixture(scope="module")
def run() -> throughtime.Run:
    return throughtime.train("series", WAVES, test=WAVES[:8], **SMALL)


def test_classes_are_learnt(run: throughtime.Run) -> None:
    figures = run.evaluate().figures
    assert figures["accuracy"] == 100.0
    assert figures["balanced_accuracy"] == 1.0
    assert "valid" not in run.read.parts
    found = run.predict([wave(30), np.array(wave(31))[:, None]], explain=True)
    assert [one.data["label"] for one in found] == ["up", "down"]
    assert [len(one.data["attention"]) for one in found] == [20, 21]
    assert [math.isclose(sum(one.data["attention"]), 1, rel_tol=1e-5) for one in found] == [True, True]
    assert "attention ▁" in str(found[0]) or "attention " in str(found[0])


def test_units_are_those_of_the_training_data_alone() -> None:
    """A value that is planted in held-out data changes nothing of what is learnt."""
    clean = [(values, label) for values, label in WAVES]
    planted = [([1e6, *values[1:]], label) for values, label in WAVES[:8]]
    learnt = [
        throughtime.train("series", clean, valid=valid, test=valid, **{**SMALL, "steps": 1})
        for valid in (clean[:8], planted)
    ]
    one, other = ((each.folder / "vocabulary.json").read_text() for each in learnt)
    assert one == other
    found = learn_labels([made([[1.0, 3.0, None]], "a"), made([[5.0]], "b")], SeriesSettings())
    assert (found["means"], found["missing"]) == ([3.0], True)
    assert found["scales"] == pytest.approx([math.sqrt(8 / 3)])
    assert found["moves"] == pytest.approx([2 / math.sqrt(8 / 3)])
    constant = learn_labels([made([[4.0, 4.0]], "a"), made([[4.0]], "b")], SeriesSettings())
    assert (constant["scales"], constant["moves"], constant["missing"]) == ([1.0], [1.0], False)


def test_frames_hold_what_is_around_a_step() -> None:
    values = torch.tensor([[[1.0], [float("nan")], [4.0], [6.0]], [[2.0], [3.0], [0.0], [0.0]]])
    framing = Framing(window=3, stride=1, one_way=False, masks=True, moves=(2.0,))
    found = framing(RaggedBatch(values, torch.tensor([4, 2])))
    rows = {
        (0, 0): [1, 0, 1],
        (0, 1): [0, 0, 0],
        (0, 2): [4, 0, 1],
        (0, 3): [6, 1, 1],
        (1, 0): [2, 0, 1],
        (1, 1): [3, 0.5, 1],
    }
    expected = {
        (0, 0): [(0, 0), (0, 0), (0, 1)],
        (0, 2): [(0, 1), (0, 2), (0, 3)],
        (0, 3): [(0, 2), (0, 3), (0, 3)],
        (1, 1): [(1, 0), (1, 1), (1, 1)],
    }
    for (row, step), parts in expected.items():
        assert found.values[row, step].tolist() == [number for part in parts for number in rows[part]]
    assert not found.values[1, 2:].any()
    two = Framing(window=4, stride=2, one_way=True, masks=False, moves=(1.0,))(
        RaggedBatch(values[:, :3], torch.tensor([3, 2]))
    )
    assert two.lengths.tolist() == [2, 1]
    assert two.values[0, 1, ::2].tolist() == [1, 1, 0, 4]


@pytest.mark.parametrize("target", ["class", "number", "steps"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_batch_gives_what_its_series_give_alone(target: str, bidirectional: bool) -> None:
    draw = np.random.default_rng(0)
    values = [draw.normal(size=(length, 2)).tolist() for length in (1, 7, 30, 4)]
    labels = [str(number % 2 + (0.5 if target == "number" else 0)) for number in range(4)]
    examples = [
        made([list(c) for c in zip(*v, strict=True)], label, [label] * len(v) if target == "steps" else [])
        for v, label in zip(values, labels, strict=True)
    ]
    settings = SeriesSettings(target=target, hidden=4, features=4, bidirectional=bidirectional, frame=5)
    settings = settings if target == "steps" else settings.model_copy(update={"stride": 2})
    task = SeriesTask(settings, SeriesTask.learn(examples, settings))
    model: Any = task.build().double().eval()
    losses = model.losses(task.batch(examples))
    for number, example in enumerate(examples):
        alone = model.losses(task.batch([example]))[0]
        torch.testing.assert_close(losses[number, : len(alone)], alone)


def test_changes_keep_what_stays() -> None:
    torch.manual_seed(0)
    values = torch.arange(20.0).view(1, 20, 1).repeat(6, 1, 1)
    batch = RaggedBatch(values, torch.tensor([20, 20, 10, 5, 2, 1]))
    changed = SeriesChanges(stretch=0.3, warp=0.3, crop=0.2)(batch)
    for row, (length, before) in enumerate(zip(changed.lengths.tolist(), batch.lengths.tolist(), strict=True)):
        assert round(0.7 * before) <= length <= round(1.3 * before)
        steps = changed.values[row, :length, 0]
        assert steps.diff().ge(-1e-5).all()  # time never goes back
        assert steps.min() >= 0
        assert steps.max() <= before - 1
        assert not changed.values[row, length:].any()
    torch.testing.assert_close(SeriesChanges()(batch).values, values)


def test_classes_count_alike_where_balance_is_asked_for() -> None:
    examples = [made([[float(n)]], "rare" if n == 0 else "often") for n in range(4)]
    settings = SeriesSettings(balance=True, hidden=4, features=4)
    task = SeriesTask(settings, SeriesTask.learn(examples, settings))
    assert task.vocabulary["weights"] == [pytest.approx(4 / 6), 2.0]
    model: Any = task.build().eval()
    each = model.losses(task.batch(examples))[:, 0]
    weights = torch.tensor([2.0, 2 / 3, 2 / 3, 2 / 3])
    torch.testing.assert_close(model.loss(task.batch(examples), None)[0], (each * weights).sum() / weights.sum())
    steps = [made([[0.0, 1.0, 2.0, 5.0]], "", ["a", "", "b", "b"])]
    task = SeriesTask(settings, SeriesTask.learn(steps, settings))
    model = task.build().eval()
    each = model.losses(task.batch(steps))[0]
    weights = torch.tensor([1.5, 0.0, 0.75, 0.75])
    assert each[1] == 0
    torch.testing.assert_close(model.loss(task.batch(steps), None)[0], (each * weights).sum() / weights.sum())


def test_numbers_are_learnt_and_told_in_their_unit() -> None:
    draw = np.random.default_rng(0)
    data = [(draw.normal(mean, 0.1, 12), f"{100 + 10 * mean:.3f}") for mean in draw.normal(size=40)]
    run = throughtime.train("series", data, test=data[:10], **{**SMALL, "steps": 100})
    assert any("--target number" in note for note in run.read.taken)
    figures = run.evaluate().figures
    assert figures["rmse"] < 0.5 * figures["mean_rmse"]
    assert figures["r2"] == pytest.approx(1 - (figures["rmse"] ** 2) / np.var([float(label) for _, label in data[:10]]))
    (found,) = run.predict([np.full(12, 1.0)])
    assert 100 < found.data["number"] < 120
    assert found.columns == {"predicted": found.data["number"]}


def test_steps_are_labelled(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    data = []
    for _ in range(20):
        labels = ["low" if step < 10 else "high" for step in range(20)]
        data.append((draw.normal([0.0 if label == "low" else 2.0 for label in labels], 0.3), labels))
    run = throughtime.train("series", data, test=data[:4], **SMALL)
    assert run.evaluate().figures["accuracy"] > 90
    path = tmp_path / "new.csv"
    path.write_text("id,t,x\n" + "".join(f"a,{step},{value}\n" for step, value in enumerate(data[0][0])))
    (found,) = run.predict(path, out=tmp_path / "out.csv")
    assert len(found.data["labels"]) == 20
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert rows[0] == "id,t,x,predicted"
    assert [row.rpartition(",")[2] for row in rows[1:]] == found.data["labels"]


def test_a_stream_tells_what_the_whole_does() -> None:
    run = throughtime.train("series", WAVES, test=WAVES[:4], bidirectional=False, stride=3, **{**SMALL, "steps": 5})
    series = wave(3, 23)
    stream = run.open_stream()
    told = [event for value in series for event in stream.push([[value]])]
    assert [event["steps"] for event in told] == list(range(1, len(series) // 3 + 1))
    for event in (told[0], told[4]):
        (whole,) = run.predict([series[: 3 * event["steps"]]])
        assert event["probabilities"] == pytest.approx(whole.data["probabilities"], abs=1e-5)
    (whole,) = run.predict([series])
    assert stream.end()["probabilities"] == pytest.approx(whole.data["probabilities"], abs=1e-5)


def test_missing_values_are_seen_as_such(run: throughtime.Run) -> None:
    holed = [
        ([None if step % 7 == 3 else value for step, value in enumerate(values)], label) for values, label in WAVES
    ]
    seeing = throughtime.train("series", holed, test=holed[:4], **{**SMALL, "steps": 2})
    learnt = learn_labels([made([values], label) for values, label in holed], seeing.settings)
    assert SeriesLabels(seeing.settings, learnt).framing.masks
    assert seeing.predict([holed[0][0]])[0].data["label"] in ("up", "down")
    with pytest.raises(UserError, match="input 1: a value is missing, and none was in the training data"):
        run.predict([holed[0][0]])


@pytest.mark.parametrize(
    ("data", "given", "message"),
    [
        ([([1.0], "a"), ([[1.0, 2.0]], "b")] * 4, {}, "expected as many channels as in the training data, 1, got 2"),
        ([([1.0], "a"), ([2.0], None)] * 4, {}, "expected a label, got none"),
        ([([1.0], "a"), ([2.0], "a")] * 4, {}, "expected at least two labels"),
        ([([1.0], "a"), ([2.0], "b")] * 4, {"target": "number"}, "expected a number as label, got 'a'"),
        ([([1.0], "a"), ([2.0], "b")] * 4, {"target": "steps"}, "expected a label of every step, got none"),
        ([([1.0], ["a"]), ([2.0], ["b"])] * 4, {"stride": 2}, "--stride 2: every step is to have a label"),
        ([([1.0], "1.5"), ([2.0], "2.25")] * 4, {"balance": True}, "--balance: weighs classes, and a number is learnt"),
        ([([1.0, math.inf], "a"), ([2.0], "b")] * 4, {}, "expected numbers at most 1e+15 from 0, got one beyond"),
        ([([math.nan], "a"), ([2.0], "b")] * 4, {}, "expected a series with values, got one in which all are missing"),
    ],
)
def test_what_cannot_be_learnt_is_refused(data: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        throughtime.train("series", data, held_out=0, **{**SMALL, **given})
    assert message in str(refused.value)
    assert str(refused.value).startswith(("example", "--", "expected at least two labels"))


def test_attention_of_frames_is_that_of_their_steps() -> None:
    assert by_step([0.2, 0.8], 3, 5) == pytest.approx([0.2 / 3] * 3 + [0.4] * 2)
