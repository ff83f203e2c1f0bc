"""Models of music that left Throughtime judge and draw as the runs do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import throughtime
from throughtime import runtime
from throughtime.errors import UserError
from throughtime.runtime.drawing import uniform
from throughtime.runtime.music.tunes import KEYS

pytest.importorskip("onnxruntime")
pytest.importorskip("symusic")

SMALL = {"hidden": 10, "batch": 4, "steps": 4, "progress": False}
RUNS: dict[str, dict[str, Any]] = {
    "events": {"model": "events", "embedding": 6, "cell": "gru", "layers": 2},
    "keys": {"model": "keys", "zoneout": 0.1},
}
NOTES = [(0.5 * n, 0.5 if n % 2 else 1, 60 + (3 * n) % 13) for n in range(9)]
ITEMS = [NOTES, [(1, 1 / 3, 21), (1, 2, 108)], np.eye(KEYS, dtype=np.uint8)[30:40]]


def tunes() -> list[Any]:
    made = [[(n / 2, 0.5, 60 + (n * (1 + number % 3)) % 12) for n in range(8)] for number in range(30)]
    return [(notes, "jigs" if number % 2 else "reels") for number, notes in enumerate(made)]


@pytest.fixture(scope="module", params=list(RUNS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[throughtime.Run, Any]:
    folder = tmp_path_factory.mktemp("music")
    run = throughtime.train("music", tunes(), out=folder / "run", **{**SMALL, **RUNS[request.param]})
    run.export(folder / "exported")
    return run, runtime.open(folder / "exported")


def test_tunes_surprise_it_as_the_run(pair: tuple[throughtime.Run, Any]) -> None:
    run, model = pair
    expected = [found.data for found in run.predict(ITEMS, nbest=3)]
    for found, right in zip(model.predict(ITEMS, nbest=3), expected, strict=True):
        likely, others = found.pop("next"), right.pop("next")
        assert found == pytest.approx(right, abs=1e-4)
        assert [(e["name"], e["beats"]) for e in likely] == [(e["name"], e["beats"]) for e in others]
        assert [e["probability"] for e in likely] == pytest.approx([e["probability"] for e in others], abs=1e-4)


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7}, {"temperature": 0}], ids=str)
def test_a_seed_draws_the_same_tune(options: dict[str, Any], pair: tuple[throughtime.Run, Any]) -> None:
    run, model = pair
    for prompt in ("", "C4 E4+G4", *(["jigs", "reels C4"] if model.folder.runner == "events" else [])):
        expected = run.sample(prompt, seed=3, length=40, **options)
        assert model.sample(prompt, seed=3, length=40, **options) == expected.data
        words = list(model.stream(prompt, seed=3, length=40, **options))
        assert words == list(run.sample(prompt, seed=3, length=40, **options))


def test_events_are_drawn_as_they_are_asked_for(pair: tuple[throughtime.Run, Any]) -> None:
    run, model = pair
    if model.folder.runner == "events":
        options = {"top_k": 9, "top_p": 0.9, "min_length": 30, "seed": 5, "length": 60}
        assert model.sample("", **options) == run.sample("", **options).data


def test_what_is_asked_wrongly_is_told_in_a_line(pair: tuple[throughtime.Run, Any]) -> None:
    _, model = pair
    with pytest.raises(UserError, match="polkas"):
        model.sample("polkas")
    with pytest.raises(UserError, match="finite, got -1"):
        model.sample(temperature=-1)
    with pytest.raises(UserError, match=r"expected notes such as C4, .* got 'H9'"):
        model.sample("C4 H9")
    with pytest.raises(UserError, match=r"input 1: expected notes \(start, length, pitch\), got 3"):
        model.predict([[3]])
    with pytest.raises(UserError, match=r"input 1: expected a piano roll .* got a str; files are read by: throughtime"):
        model.predict(["tune.mid"])
    with pytest.raises(UserError, match="zeros and ones, got 2 at step 0, key 1"):
        model.predict([np.array([[0, 2] + [0] * 86])])
    with pytest.raises(UserError, match="expected notes, found none"):
        model.predict([[]])
    with pytest.raises(UserError, match="input 1: expected at least one frame, got none"):
        model.predict([np.zeros((0, 88), np.uint8)])
    assert model.predict([]) == []


def test_random_numbers_are_those_of_a_generator_of_pytorch() -> None:
    chances, generator, draw = (
        torch.full((KEYS,), 0.5, dtype=torch.float64),
        torch.Generator().manual_seed(7),
        uniform(7),
    )
    for _ in range(4):
        expected = torch.bernoulli(chances, generator=generator).numpy()
        assert np.array_equal(draw(KEYS) < 0.5, expected)
