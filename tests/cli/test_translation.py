"""Translation, from aligned files to a heat map, as a user meets it."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

from throughtime.cli import run as run_command

NOUNS = {"hund": "dog", "katze": "cat", "mann": "man", "frau": "woman", "kind": "child"}
VERBS = {"läuft": "runs", "schläft": "sleeps", "singt": "sings"}
PLACES = {"im haus": "in the house", "am see": "by the lake"}
TINY = ["--hidden", "32", "--embedding", "32", "--batch", "16", "--dropout", "0.1", "--lr", "0.01", "--vocab", "300"]


def sentences(count: int, seed: int) -> list[tuple[str, str]]:
    """Where the verb of the one stands last, that of the other stands in the middle."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        (noun, n), (verb, v), (place, p) = (draw.choice(list(words.items())) for words in (NOUNS, VERBS, PLACES))
        made.append((f"Ein {noun} {place} {verb}.", f"A {n} {v} {p}."))
    return made


def write(folder: Path, stem: str, pairs: list[tuple[str, str]]) -> None:
    for language, side in zip(("de", "en"), zip(*pairs, strict=True), strict=True):
        (folder / f"{stem}.{language}").write_text("\n".join(side) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aligned")
    for seed, (stem, count) in enumerate({"train": 200, "val": 12, "test_a": 12, "test_b": 4}.items()):
        write(folder, stem, sentences(count, seed))
    return folder


@pytest.fixture(scope="module")
def trained(data: Path) -> Path:
    out = data / "run"
    arguments = ["train", "translation", str(data), "--out", str(out), "--lowercase", *TINY, "--steps", "120"]
    assert run_command(arguments) == 0
    return out


def test_what_was_found_is_told(call: Any, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    answer = call("train", "translation", data, "--from", "en", "--to", "de", "--out", out, *TINY, "--steps", "1")
    assert answer.code == 0
    assert f"; {data / 'train.en'}, {data / 'train.de'}\n" in answer.err
    assert f"; {data / 'test_a.en'}, {data / 'test_a.de'}\n" in answer.err
    assert f"test sets left out: {data / 'test_b.en'}, {data / 'test_b.de'}" in answer.err
    assert all(f": {count} examples, " in answer.err for count in (200, 12, 12))


def test_it_has_learnt_to_move_the_verb(call: Any, trained: Path, data: Path) -> None:
    figures = call("evaluate", trained, "--json").json
    assert figures["sentences"] == 12
    assert figures["bleu"] > 80
    assert figures["chrf"] > 80
    assert figures["copy_bleu"] < 20
    assert figures["bleu_signature"].startswith("nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:")
    assert sum(row["sentences"] for row in figures["tables"]["by words of the source"]) == 12
    assert len(figures["tables"]["hardest sentences"]) == 10
    assert call("evaluate", trained, data / "test_b.de", "--json").json["sentences"] == 4


def test_bleu_is_that_of_the_translations_shown(call: Any, trained: Path, data: Path) -> None:
    import sacrebleu

    said = [line["nbest"][0]["result"] for line in call("predict", trained, data / "test_a.de", "--json").lines]
    right = (data / "test_a.en").read_text("utf-8").splitlines()
    found = call("evaluate", trained, "--json").json
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(said, [right], lowercase=True).score)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(said, [[r.lower() for r in right]]).score)


def test_predictions_line_by_line(call: Any, trained: Path) -> None:
    answer = call("predict", trained, "--line", "Ein Hund am See singt.", "--line", "", "--nbest", "3", "--json")
    dog, empty = answer.lines
    assert dog["nbest"][0]["result"] == "a dog sings by the lake."
    scores = [one["score"] for one in dog["nbest"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert empty == {"source": "", "nbest": []}
    shown = call("predict", trained, stdin=b"Ein Hund am See singt.\n\n").out
    assert shown.splitlines() == ["a dog sings by the lake.", ""]


def test_attention_is_shown_and_drawn(call: Any, trained: Path, tmp_path: Path) -> None:
    line = "Ein Hund am See singt."
    found = call("predict", trained, "--line", line, "--explain", "--json").json
    assert found["source_tokens"] == ["ein", "hund", "am", "see", "singt", "."]
    assert found["target_tokens"] == ["a", "dog", "sings", "by", "the", "lake", "."]
    assert [len(row) for row in found["attention"]] == [6] * 7
    picture = tmp_path / "attention.png"
    assert call("predict", trained, "--line", line, "--picture", picture).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    answer = call("predict", trained, "--line", "", "--picture", picture)
    assert answer.code == 0


def test_a_picture_is_of_one_line(call: Any, trained: Path) -> None:
    answer = call("predict", trained, "--picture", "x.png", stdin=b"a\n")
    assert answer.code == 2
    assert "--picture: expected one --line to draw, got 0" in answer.err


def test_a_very_long_sentence_is_warned_of(call: Any, trained: Path) -> None:
    answer = call("predict", trained, "--line", "hund " * 10_000, "--beam", "1")
    assert answer.code == 0
    assert "line 1: 10,000 words in one line" in answer.err


def test_a_table_with_words_as_tokens(call: Any, tmp_path: Path) -> None:
    table = tmp_path / "own.tsv"
    table.write_text("".join(f"{a}\t{b}\n" for a, b in sentences(60, 9)), encoding="utf-8")
    out = tmp_path / "run"
    answer = call("train", "translation", table, "--out", out, "--unit", "words", *TINY, "--steps", "2")
    assert answer.code == 0
    assert "valid: 7 examples, words: median 5, longest 5, in all 35; 10 % of train, seed 0" in answer.err
    answer = call("predict", out, "--line", "Ein Zebra singt.")
    assert "the model does not know 1 of 4 tokens" in answer.err


def test_bad_input(call: Any, data: Path, tmp_path: Path) -> None:
    write(tmp_path, "train", sentences(20, 1))
    with (tmp_path / "train.de").open("a") as file:
        file.write("Ein Hund.\n")
    answer = call("train", "translation", tmp_path, "--out", tmp_path / "run")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "train.de: expected as many lines as in" in answer.err
    assert "got 21 and 20" in answer.err
    (tmp_path / "train.en").write_bytes(b"caf\xe9\n" * 21)
    answer = call("train", "translation", tmp_path, "--out", tmp_path / "run")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "train.en: expected text in UTF-8, got other bytes in line 1" in answer.err
    answer = call("train", "translation", data, "--vocab", "100", "--out", tmp_path / "run")
    assert answer.code == 2
    assert "expected a vocabulary of at least 258 byte pairs" in answer.err
    assert not (tmp_path / "run").exists()


def test_the_metric_names_what_is_to_be_installed(call: Any, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    answer = call("evaluate", trained)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "needs sacrebleu; run: pip install 'throughtime[translation]'" in answer.err
