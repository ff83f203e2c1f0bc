"""A trained language model beside a search says what ``score`` says of the same text."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest

from throughtime import TextModel, UserError
from throughtime.decoding.fusion import read_whole
from throughtime.tasks.speech.fusion import open_fusion, tune
from throughtime.tasks.text.task import TextTask

WORDS = ["one", "two", "three", "four"]
SMALL: dict[str, Any] = {"hidden": 12, "embedding": 6, "batch": 4, "steps": 20, "lr": 0.02}
TEXTS = ["one two three", "four four", "two", "", "one five", "three  four"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Path]:
    folder = tmp_path_factory.mktemp("text")
    draw = random.Random(0)
    text = folder / "text.txt"
    text.write_text("".join(" ".join(draw.choices(WORDS, k=draw.randint(1, 6))) + "\n" for _ in range(60)))
    found = {}
    for unit, sentences in product(("characters", "words", "bytepairs"), (True, False)):
        options = {**SMALL, "unit": unit, "sentences": sentences, "held_out": 0.0}
        out = found[unit, sentences] = folder / f"{unit}-{sentences}"
        TextTask().start([str(text)], out, options if sentences else {**options, "bptt": 10}).run()
    return found


@pytest.mark.parametrize("known", ["characters", "words", "bytepairs"])
@pytest.mark.parametrize("sentences", [True, False])
def test_words_have_the_probability_of_their_text(
    runs: dict[tuple[str, bool], Path], known: str, sentences: bool
) -> None:
    symbols = ["", *WORDS, "five"]
    fusion = open_fusion(runs[known, sentences], symbols, "words")
    found = read_whole(fusion, [[symbols.index(word) for word in text.split()] for text in TEXTS])
    scores = TextModel(runs[known, sentences]).score([" ".join(text.split()) for text in TEXTS])
    assert [each.log_prob for each in found] == pytest.approx([score.log_prob for score in scores], abs=1e-4)
    assert [each.units for each in found] == [len(text.split()) for text in TEXTS]


@pytest.mark.parametrize("known", ["characters", "words", "bytepairs"])
@pytest.mark.parametrize("sentences", [True, False])
def test_characters_have_the_probability_of_their_text(
    runs: dict[tuple[str, bool], Path], known: str, sentences: bool
) -> None:
    symbols = ["", *sorted({sign for text in TEXTS for sign in text})]
    fusion = open_fusion(runs[known, sentences], symbols, "characters")
    found = read_whole(fusion, [[symbols.index(sign) for sign in text] for text in TEXTS])
    texts = TEXTS if known == "characters" else [" ".join(text.split()) for text in TEXTS]
    scores = TextModel(runs[known, sentences]).score(texts)
    assert [each.log_prob for each in found] == pytest.approx([score.log_prob for score in scores], abs=1e-4)
    assert [each.units for each in found] == [len(t) if known == "characters" else len(t.split()) for t in TEXTS]


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_a_model_that_knows_none_of_the_symbols_is_refused(
    runs: dict[tuple[str, bool], Path], unit: Literal["characters", "words"]
) -> None:
    symbols = ["", "你", "好"]
    with pytest.raises(UserError, match=f"that knows some of the {unit} 你, 好, got one of {unit} that knows none"):
        open_fusion(runs[unit, True], symbols, unit)


def test_the_weights_with_the_fewest_errors_are_taken() -> None:
    def transcribe(alpha: float, beta: float) -> list[str]:
        return ["one two" if alpha == 0.5 else "one", "three" if beta > 0 else ""]

    tuned = tune(["one two", "three"], transcribe, [0.0, 0.5, 1.0], [0.0, 1.0, 2.0])
    assert (tuned.alpha, tuned.beta, tuned.word_error) == (0.5, 1.0, 0.0)
    assert [row[:2] for row in tuned.tried] == list(product([0.0, 0.5, 1.0], [0.0, 1.0, 2.0]))
    assert tuned.tried[0][2] == pytest.approx(200 / 3)
