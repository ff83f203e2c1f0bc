"""Pairs in memory are read as those of a file; what is told of a pair has named fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.text import Text

from throughtime.applications.application import Application
from throughtime.errors import UserError
from throughtime.tasks.pairs.base import PairOptions
from throughtime.tasks.pairs.predictions import PronunciationPrediction, Result, TranslationPrediction
from throughtime.tasks.pairs.pronunciation import Pronunciation, PronunciationSettings
from throughtime.tasks.pairs.translation import Translation, TranslationSettings

GERMAN, ENGLISH = [" Ein Hund. ", "Eine\tKatze", "Übel"], ["A dog.", "A\ncat", ""]
WORDS, SOUNDS = ["Tea", "tea", "c#"], [["T", "IY1"], ["T", "EY1"], ["S", "IY1"]]
SPOKEN = [" ".join(sounds) for sounds in SOUNDS]


def pairs(*sides: Sequence[Any]) -> list[tuple[Any, ...]]:
    return list(zip(*sides, strict=True))


CASES: dict[str, tuple[type[Application[Any]], Any, str, str, list[Any]]] = {
    "translation": (
        Translation,
        TranslationSettings(from_="de", to="en"),
        "examples.tsv",
        "Ein Hund.\tA dog.\nEine Katze\tA cat\nÜbel\t\n",
        [
            pairs(GERMAN, ENGLISH),
            (GERMAN, ENGLISH),
            {"de": GERMAN, "en": ENGLISH},
            {"id": [1, 2, 3], "target": ENGLISH, "source": GERMAN},
            [{"de": source, "en": target} for source, target in pairs(GERMAN, ENGLISH)],
        ],
    ),
    "pronunciation": (
        Pronunciation,
        PronunciationSettings(),
        "examples.dict",
        "Tea  T IY1\ntea T EY1\nc# S IY1\n",
        [pairs(WORDS, SOUNDS), (WORDS, SPOKEN), {"word": WORDS, "sounds": SOUNDS}],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_data_in_memory_are_read_as_those_of_a_file(tmp_path: Path, name: str) -> None:
    application, settings, file, content, forms = CASES[name]

    def read(paths: Sequence[Path]) -> list[Any]:
        return [replace(e, where=e.where.rpartition("/")[2]) for e in application.read(paths, settings)]

    (tmp_path / file).write_text(content, encoding="utf-8")
    expected = read([tmp_path / file])
    assert len(expected) > 1
    for number, data in enumerate(forms):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert read(application.spill(data, folder)) == expected


@pytest.mark.parametrize(
    ("application", "data", "told"),
    [
        (Translation, [("a", "b"), ("c", 3)], "example 2: expected texts under source, target, got 3 under 'target'"),
        (Translation, {"a": ["x"], "b": ["y"], "c": ["z"]}, "expected texts under source, target, got only a, b, c"),
        (Translation, [("\ud800", "b")], "example 1: expected text, got half a character"),
        (Pronunciation, [("tea", [])], "example 1: expected a word and its sounds, got 'tea' and"),
        (Pronunciation, [("two\twords", "T")], "example 1: expected a word and its sounds"),
        (Pronunciation, [("", "T IY")], "example 1: expected a word and its sounds"),
        (Pronunciation, [(";;;", "T IY")], "example 1: expected a word and its sounds"),
        (Pronunciation, [("tea", "T #IY")], "example 1: expected a word and its sounds"),
        (Pronunciation, [("tea", ["T IY"])], "example 1: expected a word and its sounds"),
        (Pronunciation, [(3, "T")], "example 1: expected a word and its sounds"),
    ],
)
def test_what_no_file_can_hold_is_named(
    tmp_path: Path, application: type[Application[Any]], data: Any, told: str
) -> None:
    with pytest.raises(UserError, match=told) as caught:
        application.spill(data, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def spoken() -> tuple[Pronunciation, Any]:
    torch.manual_seed(0)
    vocabulary = {"letters": ["<unk>", "a", "b"], "sounds": ["<eos>", "AH", "B"], "letter_sounds": {}}
    bound = Pronunciation(PronunciationSettings(hidden=4, embedding=4), vocabulary)
    return bound, bound.build().eval()


@torch.no_grad()
def predict(spoken: tuple[Pronunciation, Any], lines: Sequence[str], **options: Any) -> list[Any]:
    return list(spoken[0].predict(spoken[1], lines, PairOptions(**options)))


def test_the_best_results_are_named(spoken: tuple[Pronunciation, Any]) -> None:
    said, empty = predict(spoken, [" Ab", ""], nbest=3)
    assert isinstance(said, PronunciationPrediction)
    assert (said.word, len(said.nbest), said.sounds) == ("ab", 3, said.nbest[0].result)
    assert set(said.sounds) <= {"AH", "B"}
    assert list(said.data) == ["word", "nbest"]
    assert list(said.data["nbest"][0]) == ["result", "score", "log_prob"]
    assert said.data["nbest"][2]["score"] == said.nbest[2].score
    assert (empty.data, empty.sounds, str(empty)) == ({"word": "", "nbest": []}, [], "")


def test_attention_is_a_field_and_a_table_in_a_notebook(spoken: tuple[Pronunciation, Any]) -> None:
    (said,) = predict(spoken, ["ab"], explain=True)
    assert list(said.data) == ["word", "nbest", "attention", "source_tokens", "target_tokens"]
    assert (said.source_tokens, said.target_tokens) == (["a", "b"], said.sounds)
    assert [sum(row) for row in said.attention] == [pytest.approx(1, abs=1e-3)] * len(said.sounds)
    assert said._repr_html_().count("<td ") == 2 * len(said.sounds)
    (plain,) = predict(spoken, ["ab"])
    assert "<table" not in plain._repr_html_()


def test_a_translation_is_named_and_escaped() -> None:
    said = TranslationPrediction(
        Text("a <dog>"),
        source="ein Hund",
        nbest=[Result("a <dog>", -0.5, -1.0)],
        attention=[[0.25, 0.75]],
        source_tokens=["ein", "<b>"],
        target_tokens=["\x1b[2J"],
    )
    assert said.translation == "a <dog>"
    assert TranslationPrediction(Text(), source="", nbest=[]).translation == ""
    html = said._repr_html_()
    assert ">&lt;b&gt;</th>" in html
    assert "0.75" in html
    assert "\x1b" not in html
    assert "<dog>" not in html
