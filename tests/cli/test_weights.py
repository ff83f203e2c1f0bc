"""``--weights``: what streams with fewer bits draw, score and hear, and what has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import throughtime

Call = Callable[..., Any]


@pytest.mark.parametrize("weights", ["bfloat16", "int8"])
def test_scores_are_near_those_of_wide_weights_and_not_the_same(call: Call, model: Path, weights: str) -> None:
    run, line = throughtime.load(model), "The old cat sat on the mat."
    (wide,), (small,) = run.score(line, tokens=True), run.score(line, tokens=True, weights=weights)
    assert wide.log_prob != small.log_prob
    assert small.log_prob == pytest.approx(wide.log_prob, rel=0.02)
    assert [each.token for each in small.each] == [each.token for each in wide.each]
    shown = call("score", model, "--line", line, "--weights", weights)
    assert f"{small.log_prob:.2f}" in shown.out


def test_scores_of_several_lines_are_those_of_each(model: Path) -> None:
    run, lines = throughtime.load(model), ["The cat.", "", "The old cat sat."]
    together = run.score(lines, weights="int8")
    assert [run.score(line, weights="int8")[0].log_prob for line in lines] == pytest.approx(
        [score.log_prob for score in together], rel=1e-5, abs=1e-6
    )


def test_texts_are_drawn_by_a_stream_with_such_weights(call: Call, model: Path) -> None:
    options = ["--length", 200, "--seed", 3]
    drawn = {w: call("sample", model, *options, "--weights", w).out for w in ("float32", "bfloat16", "int8")}
    assert drawn["float32"] == call("sample", model, *options).out
    assert len(set(drawn.values())) > 1
    assert throughtime.load(model).sample(length=200, seed=3, weights="int8").text in drawn["int8"]


def test_what_has_no_such_weights_is_refused_in_one_line(call: Call, model: Path, folders: dict[str, Path]) -> None:
    for command in (["sample", model], ["score", model, "--line", "x"]):
        refused = call(*command, "--weights", "int4")
        assert refused.code
        assert "--weights" in refused.err
        assert refused.err.count("\n") == 1
    pairs = call("score", model, "--pairs", "none.tsv", "--weights", "int8")
    assert pairs.code
    assert "expected no other lines or options" in pairs.err
    sound = next(folders["speech"].parent.rglob("*.wav"))
    heard = call("predict", folders["speech"], sound, "--weights", "int8")
    assert heard.code == 2
    assert "no stream; leave out --weights" in heard.err.splitlines()[-1]
