"""Translators and models of pronunciation that left Throughtime say what the runs say."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import throughtime
from throughtime import runtime
from throughtime.decoding import beam_search
from throughtime.errors import UserError
from throughtime.runtime.search import Beam, BeamSearch, continuations

pytest.importorskip("onnxruntime")

SMALL = {"hidden": 12, "embedding": 8, "batch": 8, "steps": 3, "progress": False}
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "byte pairs": ("translation", {"vocab": 300, "attention": "dot", "decoder_hidden": 24}),
    "words, covered and fed": (
        "translation",
        {"unit": "words", "attention": "additive", "coverage": 1.0, "input_feeding": True, "lowercase": True},
    ),
    "sounds": ("pronunciation", {"layers": 2, "cell": "gru", "length_penalty": 1.0, "attention": "general"}),
}
LINES = {
    "translation": ["der Hund sieht die Katze .", "", "Die unbekannte Kuh, ähm", "ein Hund"],
    "pronunciation": ["bad", "", "Modi", "xyz"],
}


def data(task: str, folder: Path) -> list[Path]:
    draw = random.Random(0)
    if task == "pronunciation":
        words = sorted({"".join(draw.choices("bdkmaiou", k=4)) for _ in range(60)})
        (folder / "words.dict").write_text("".join(f"{word} {' '.join(word.upper())}\n" for word in words))
        return [folder / "words.dict"]
    lines = [
        " ".join(draw.choices(["der", "Hund", "sieht", "die", "Katze", ".", "ein", "Vogel", "singt"], k=5))
        for _ in range(60)
    ]
    for part in ("train", "valid", "test"):
        (folder / f"{part}.de").write_text("".join(f"{line}\n" for line in lines))
        (folder / f"{part}.en").write_text("".join(f"{' '.join(line.split()[::-1])}\n" for line in lines))
    return [folder]


@pytest.fixture(scope="module", params=list(RUNS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[throughtime.Run, Any]:
    folder = tmp_path_factory.mktemp("pairs")
    task, options = RUNS[request.param]
    (folder / "data").mkdir()
    run = throughtime.train(task, *data(task, folder / "data"), out=folder / "run", **{**SMALL, **options})
    run.export(folder / "exported")
    return run, runtime.open(folder / "exported")


@pytest.mark.parametrize("options", [{}, {"beam": 1}, {"beam": 3, "nbest": 2, "explain": True}], ids=str)
def test_what_is_said_is_what_the_run_says(options: dict[str, Any], pair: tuple[throughtime.Run, Any]) -> None:
    run, model = pair
    lines = LINES[model.folder.task]
    expected = [found.data for found in run.predict(lines, **options)]
    found = model.predict(lines, **options)
    assert [list(each) for each in found] == [list(each) for each in expected]
    for one, right in zip(found, expected, strict=True):
        assert one.keys() == right.keys()
        assert [each["result"] for each in one["nbest"]] == [each["result"] for each in right["nbest"]]
        for name in ("score", "log_prob"):
            assert [e[name] for e in one["nbest"]] == pytest.approx([e[name] for e in right["nbest"]], abs=2e-4)
        for name in one.keys() - {"nbest", "attention"}:
            assert one[name] == right[name]
        if "attention" in one:
            np.testing.assert_allclose(one["attention"], right["attention"], atol=2e-4)
    assert model.predict(lines[0]) == model.predict(lines[:1])


def test_what_is_asked_wrongly_is_told_in_a_line(pair: tuple[throughtime.Run, Any]) -> None:
    _, model = pair
    with pytest.raises(UserError, match="expected beam to be at least 1, got 0"):
        model.predict(["a"], beam=0)
    with pytest.raises(UserError, match="expected nbest to be at least 1, got 0"):
        model.predict(["a"], nbest=0)
    with pytest.raises(TypeError, match=r"predict has no argument 'best' .*'nbest'"):
        model.predict(["a"], best=3)
    with pytest.raises(UserError, match="scores no lines"):
        model.score(["a"])


class Chain:
    """A decoder whose next token depends on the last one and on the row's own numbers."""

    def __init__(self, seed: int, rows: int, vocabulary: int) -> None:
        scores = np.random.default_rng(seed).normal(size=(rows, vocabulary + 1, vocabulary)) * 2
        self.scores = np.log(np.exp(scores) / np.exp(scores).sum(2, keepdims=True))
        self.last = vocabulary

    def begin(self) -> tuple[torch.Tensor, Any]:
        rows = np.arange(len(self.scores))
        return torch.from_numpy(self.scores[rows, self.last]), rows

    def step(self, tokens: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        return torch.from_numpy(self.scores[state, tokens.numpy()]), state

    def reorder(self, state: Any, rows: torch.Tensor) -> Any:
        return state[rows.numpy()]


@pytest.mark.parametrize("seed", range(12))
def test_a_search_in_numpy_finds_what_one_over_tensors_finds(seed: int) -> None:
    draw = random.Random(seed)
    rows, vocabulary, beam = draw.randint(1, 4), draw.randint(2, 9), Beam(draw.randint(1, 6))
    chain, never, length = Chain(seed, rows, vocabulary), [1] * draw.randint(0, 1), [draw.randint(1, 8)] * rows
    expected = beam_search(chain, beam, eos=0, never=never, length=length)
    search = BeamSearch(beam, rows, eos=0, length=length)
    log_probs, state = chain.begin()
    while (going := search.take(*continuations(log_probs.numpy(), search.totals, never, beam.width))) is not None:
        state = state[going[0]]
        log_probs, _ = chain.step(torch.from_numpy(going[1]), state)
    assert search.best() == expected
