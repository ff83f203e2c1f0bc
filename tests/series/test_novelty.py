"""Novelty: surprise under a density of what comes next, alarms, and how they are judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import throughtime
from throughtime.data.ragged import RaggedBatch
from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.errors import UserError
from throughtime.plain import read_json
from throughtime.tasks.series import novelty
from throughtime.tasks.series.alarms import average_precision, novelty_report, roc_area, spans
from throughtime.tasks.series.novelty import SeriesNovelty
from throughtime.tasks.series.settings import SeriesSettings

SMALL: dict[str, Any] = {"hidden": 8, "features": 8, "batch": 4, "steps": 60, "lr": 0.01, "progress": False}


def beats(steps: int, seed: int, noise: slice = slice(0, 0)) -> list[float]:
    draw = np.random.default_rng(seed)
    values = np.sin(np.arange(steps) * 2 * np.pi / 24) + draw.normal(0, 0.02, steps)
    values[noise] += draw.normal(0, 1, len(values[noise]))
    return values.tolist()


@pytest.fixture(scope="module")
def run() -> throughtime.Run:
    return throughtime.train("series", [(beats(400, 0), None)], novelty=True, **SMALL)


def test_noise_in_a_beat_is_the_strongest_alarm(run: throughtime.Run, tmp_path: Path) -> None:
    assert [part.lengths.total for part in run.read.parts.values()] == [300, 100]
    labels = ["1" if 180 <= step < 195 else "0" for step in range(300)]
    report = run.evaluate([(beats(300, 1, slice(180, 190)), labels)])
    assert report.figures["strongest_labelled"] == report.figures["labelled_series"] == 1
    assert report.figures["auc"] > 0.95
    assert report.figures["span_recall"] == 100
    path = tmp_path / "new.csv"
    path.write_text("time,value\n" + "".join(f"{n},{x}\n" for n, x in enumerate(beats(300, 1, slice(180, 190)))))
    (found,) = run.predict(path, out=tmp_path / "out.csv")
    strongest = max(found.data["alarms"], key=lambda alarm: alarm["surprise"])
    assert 181 <= strongest["peak"] <= 195
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert rows[0] == "time,value,predicted,surprise"
    assert [float(row.split(",")[3]) for row in rows[1:]] == found.data["surprise"]
    assert 0 < sum(float(row.split(",")[2]) for row in rows[1:]) < 30
    assert f"above {found.data['threshold']:.3g}"[:9] in str(found)


def test_the_end_of_every_series_is_held_out() -> None:
    whole = LabelledSeries([[float(step) for step in range(8)]], "", [str(step) for step in range(8)], "a.csv:1", "1")
    train, valid = SeriesNovelty.cut([whole, whole], SeriesSettings(novelty=True))
    assert [(one.channels, one.labels) for one in train] == [([whole.channels[0][:6]], whole.labels[:6])] * 2
    assert [one.channels for one in valid] == [[whole.channels[0][6:]]] * 2
    train, valid = SeriesNovelty.cut([whole], SeriesSettings(novelty=True, held_out=0.375))
    assert (train[0].steps, valid[0].steps) == (5, 3)


def test_a_long_series_is_read_in_pieces(run: throughtime.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the whole gives, whatever the pieces; and the surprise of a step is known as soon as the step is."""
    part = SeriesNovelty(run.settings, read_json(run.folder / "vocabulary.json"))
    example = LabelledSeries([beats(150, 2)], "", [], "a.csv:1", "1")
    model: Any = run.model.eval()
    whole = part.surprise(model, example)
    assert len(whole) == 150
    for piece in (1, 7, 64):
        monkeypatch.setattr(novelty, "PIECE", piece)
        np.testing.assert_allclose(part.surprise(model, example), whole, atol=1e-4)
    shorter = LabelledSeries([example.channels[0][:90]], "", [], "a.csv:1", "1")
    np.testing.assert_allclose(part.surprise(model, shorter), whole[:90], atol=1e-4)


def test_windows_are_drawn_from_anywhere_and_hold_what_comes_next() -> None:
    examples = [LabelledSeries([[float(step) for step in range(length)]], "", [], "a.csv:1", "1") for length in (50, 9)]
    given = SeriesSettings(novelty=True, span=20, batch=40, frame=3, features=4, hidden=4)
    part = SeriesNovelty(given, {**SeriesNovelty.learn(examples, given)})
    torch.manual_seed(0)
    batch = part.training_batch(examples)
    assert set(batch.steps.lengths.tolist()) == {20, 9}
    known = ~batch.nexts.isnan()
    assert known.sum((1, 2)).tolist() == (batch.steps.lengths - 1).tolist()
    torch.testing.assert_close(batch.nexts[known], torch.ones(int(known.sum())))
    assert len(set(batch.steps.values[:, 0, 0].tolist())) > 5
    holed = part._with_nexts(RaggedBatch(torch.tensor([[[1.0], [float("nan")], [2.0], [3.0]]]), torch.tensor([4])))
    assert holed.nexts[0, :, 0].isnan().tolist() == [True, True, False, True]


def test_missing_values_surprise_nobody() -> None:
    values: list[float | None] = list(beats(200, 0))
    values[50:60] = [None] * 10
    run = throughtime.train("series", [(values, None)], novelty=True, **{**SMALL, "steps": 2})
    (found,) = run.predict([values], smooth=1)
    assert found.data["surprise"][50:61] == [0.0] * 11


@pytest.mark.parametrize(
    ("data", "given", "message"),
    [
        ([([1.0, 2.0] * 9, None)], {"target": "class"}, "--novelty: learns without labels; leave --target"),
        ([([1.0, 2.0] * 9, None)], {"stride": 4}, "--stride 4: every step is to have its surprise"),
    ],
)
def test_what_novelty_has_no_use_for_is_refused(data: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        throughtime.train("series", data, novelty=True, **{**SMALL, **given})


def test_spans_are_judged_without_point_adjustment() -> None:
    """A hand-computed case: two labelled spans, of which one is touched by one step; one alarm is beside both."""
    score = np.array([0, 0, 5, 0, 0, 0, 5, 5, 0, 0], float)
    flags = np.array([0, 1, 1, 1, 0, 0, 0, 0, 1, 0], bool)
    one = LabelledSeries([score.tolist()], "", [], "a.csv:1", "1")
    figures = novelty_report([one], [score], [flags], 1.0).figures
    assert (figures["alarms"], figures["false_alarms"]) == (2, 1)
    assert (figures["span_precision"], figures["span_recall"], figures["span_f1"]) == pytest.approx((50, 50, 50))
    assert figures["alarmed_share"] == 0.3
    assert figures["strongest_labelled"] == 1
    assert figures["average_precision"] == pytest.approx(100 * (0.25 * 1 / 3 + 0.75 * 4 / 10))
    assert novelty_report([one], [score], [flags[:0]], 1.0).figures.keys().isdisjoint({"auc", "span_f1"})


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=12))
def test_areas_equal_their_definitions(steps: list[tuple[int, bool]]) -> None:
    score, novel = np.array([float(value) for value, _ in steps]), np.array([flag for _, flag in steps])
    pairs = [
        (a, b)
        for a, one in zip(score, novel, strict=True)
        if one
        for b, two in zip(score, novel, strict=True)
        if not two
    ]
    if pairs:
        assert roc_area(score, novel) == pytest.approx(sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs))
    if novel.any():
        found, before = 0.0, 0
        for level in sorted(set(score.tolist()), reverse=True):
            hits = int(novel[score >= level].sum())
            found += (hits - before) * hits / int((score >= level).sum())
            before = hits
        assert average_precision(score, novel) == pytest.approx(found / novel.sum())
    assert sum(end - begin for begin, end in spans(novel)) == novel.sum()
