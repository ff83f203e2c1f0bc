"""How words are spoken, from a dictionary to phonemes, as a user meets it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from throughtime.cli import run as run_command

SOUNDS = {"b": "B", "d": "D", "k": "K", "m": "M", "a": "AA1", "i": "IY1", "o": "OW0", "u": "UW0"}
TINY = ["--hidden", "32", "--embedding", "16", "--layers", "1", "--batch", "32", "--dropout", "0", "--lr", "0.02"]


def spoken(word: str) -> list[str]:
    """A language made up: every letter has its sound, and a double one is heard once."""
    return [SOUNDS[letter] for at, letter in enumerate(word) if word[at - 1 : at] != letter]


def words(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    made = set()
    while len(made) < count:
        made.add(
            "".join(draw.choice("bdkm") * draw.choice([1, 2]) + draw.choice("aiou") for _ in range(draw.randint(1, 3)))
        )
    return sorted(made)


def write(path: Path, listed: list[str]) -> Path:
    lines = [f"{word} {' '.join(spoken(word))}" for word in listed]
    lines += [f"{word}(2) {' '.join(spoken(word)[:-1])} AH0 # slurred" for word in listed[::10]]
    path.write_text(";;; made up\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pronunciation")
    data, out = write(folder / "own.dict", words(500, 0)), folder / "run"
    assert run_command(["train", "pronunciation", str(data), "--out", str(out), *TINY, "--steps", "150"]) == 0
    return out


def test_what_was_found_is_told(call: Any, tmp_path: Path) -> None:
    data = write(tmp_path / "own.dict", words(60, 1))
    answer = call("train", "pronunciation", data, "--out", tmp_path / "run", *TINY, "--steps", "1")
    assert answer.code == 0
    assert f"; {data}\n" in answer.err
    assert all(f": {count} examples, " in answer.err for count in (54, 3, 3))
    parts = [(tmp_path / "run" / f"{part}.jsonl").read_text("utf-8") for part in ("train", "valid", "test")]
    found = [json.loads(line) for part in parts for line in part.splitlines()]
    assert sum(len(e["sounds"]) for e in found) == 66  # variants stay with their words


def test_it_has_learnt_the_language(call: Any, trained: Path) -> None:
    figures = call("evaluate", trained, "--json").json
    assert figures["words"] == 25
    assert figures["word_error"] <= 20
    assert figures["phoneme_error"] <= figures["word_error"]
    assert figures["letterwise_word_error"] > 40
    tables = figures["tables"]
    assert {row["phoneme"] for row in tables["by phoneme"]} >= {"B", "AA"}
    assert call("evaluate", trained).out.startswith("figure")


def test_other_words_are_judged_by_their_own_file(call: Any, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.dict"
    path.write_text("bida B IY1 D UW1\nbida(2) B IY1 D AA1\n", encoding="utf-8")
    assert call("evaluate", trained, path, "--json").json["word_error"] == 0.0


def test_predictions_line_by_line(call: Any, trained: Path) -> None:
    answer = call("predict", trained, "--line", "Bida", "--line", "", "--line", " komu ", "--nbest", "3", "--json")
    bida, empty, komu = answer.lines
    assert bida["word"] == "bida"
    assert bida["nbest"][0]["result"] == ["B", "IY", "D", "AA"]
    assert komu["nbest"][0]["result"] == ["K", "OW", "M", "UW"]
    assert empty == {"word": "", "nbest": []}
    scores = [one["score"] for one in bida["nbest"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert call("predict", trained, stdin=b"bida\n\n").out.splitlines() == ["bida  B IY D AA", ""]


def test_attention_is_shown_and_drawn(call: Any, trained: Path, tmp_path: Path) -> None:
    found = call("predict", trained, "--line", "bida", "--explain", "--json").json
    assert len(found["attention"]) == 4
    assert all(sum(row) == pytest.approx(1.0, abs=1e-3) for row in found["attention"])
    shown = call("predict", trained, "--line", "bida", "--explain").out.splitlines()
    assert [line.split()[0] for line in shown[1:]] == ["B", "IY", "D", "AA"]
    picture = tmp_path / "attention.png"
    assert call("predict", trained, "--line", "bida", "--picture", picture).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    answer = call("predict", trained, "--line", "bida", "--picture", tmp_path / "attention.xyz")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "--picture: expected a file that ends in .png, .svg, .pdf, got" in answer.err


def test_strange_words_are_warned_of(call: Any, trained: Path) -> None:
    answer = call("predict", trained, "--line", "bißa")
    assert answer.code == 0
    assert "line 1: the model has never seen 'ß'" in answer.err
    answer = call("predict", trained, "--line", "bida" * 2500, "--beam", "1")
    assert answer.code == 0
    assert "10,000 letters in one line" in answer.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"bida B IY1\nkomu\n", "own.dict:2: expected a word and its phonemes, got 'komu'"),
        (b"bida B IY1\nk\xe4se K\n", "own.dict: expected text in UTF-8, got other bytes in line 2"),
        (b";;; nothing\n", "expected examples in"),
    ],
)
def test_bad_dictionaries(call: Any, tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "own.dict"
    path.write_bytes(text)
    answer = call("train", "pronunciation", path, "--out", tmp_path / "run", *TINY)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert message in answer.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--coverage", "1"], "coverage is a part of the additive score; got attention 'general', pass 'additive'"),
        (["--attention", "dot"], "dot attention needs queries as wide as the memory, got 32 and 64"),
        (["--attention", "aditive"], "did you mean 'additive'"),
    ],
)
def test_options_that_do_not_go_together(call: Any, tmp_path: Path, options: list[str], message: str) -> None:
    data = write(tmp_path / "own.dict", words(60, 1))
    answer = call("train", "pronunciation", data, "--out", tmp_path / "run", *TINY, *options)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert message in answer.err
    assert not (tmp_path / "run").exists()


def test_every_way_to_train(call: Any, tmp_path: Path) -> None:
    data = write(tmp_path / "own.dict", words(60, 1))
    options = ["--input-feeding", "--scheduled-sampling", "0.3", "--attention", "additive", "--coverage", "0.5"]
    options += ["--cell", "gru", "--layers", "2", "--tied", "--label-smoothing", "0.1", "--decoder-hidden", "24"]
    out = tmp_path / "run"
    assert call("train", "pronunciation", data, "--out", out, *TINY, *options, "--steps", "3").code == 0
    assert len(call("predict", out, "--line", "bida", "--nbest", "2", "--json").json["nbest"]) == 2
