"""What training read of texts: counted by hand, kept in the run's folder, told by ``inspect``, and judged."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import throughtime
from throughtime.applications.reading.account import Lengths
from throughtime.cli import run as command_line

SMALL: dict[str, Any] = {"hidden": 4, "embedding": 4, "batch": 2, "steps": 2, "progress": False}
LINES = ["the cat sat", "a dog ran far", "the dog sat", "", "a bird sang", "the cat ran", "a zebra sat"] * 6


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("\n".join(LINES) + "\n")
    (folder / "b.txt").write_text("the bird sat\n" * 9)
    (folder / "c.txt").write_text("")
    return folder


def test_sentences_are_counted(texts: Path, tmp_path: Path) -> None:
    given = {**SMALL, "unit": "words", "sentences": True, "max_vocab": 8}
    run = throughtime.train("text", texts, out=tmp_path / "run", **given)
    kept = [line.split() for line in [*LINES, *["the bird sat"] * 9] if line]
    held, train = kept[9::10], [words for number, words in enumerate(kept, 1) if number % 10]
    read = run.read
    sizes = sorted(map(len, train))
    median = (sizes[(len(sizes) - 1) // 2] + sizes[len(sizes) // 2]) / 2
    part = read.parts["train"]
    assert (part.examples, part.kind) == (len(train), "lines")
    assert part.lengths == Lengths("words", median, 4, sum(sizes))
    assert part.files == [str(texts / name) for name in ("a.txt", "b.txt", "c.txt")]
    assert (read.parts["valid"].examples, read.parts["valid"].source) == (len(held), "every 10th line of train")
    assert [(left.why, left.where) for left in read.left_out] == [("the file is empty", [str(texts / "c.txt")])]
    assert "blank lines are left out" in read.taken
    known = {word for word, _ in Counter(word for words in train for word in words).most_common(6)}
    unknown = [sum(word not in known for words in some for word in words) for some in (train, held)]
    shares = [100 * n / (sum(map(len, some)) + len(some)) for n, some in zip(unknown, (train, held), strict=True)]
    told = "vocabulary: 8 words, UNK and EOS among them; unknown (UNK): "
    assert read.taken[-1] == f"{told}{shares[0]:.2f} % of train, {shares[1]:.2f} % of valid"
    assert read.shown[0] == "the cat sat"
    assert any("<unk>" in line for line in read.shown)


def test_guessing_by_frequency_is_counted_by_hand(texts: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a b a a b a a a")
    (tmp_path / "valid.txt").write_text("a b")
    given = {**SMALL, "unit": "words", "bptt": 2, "batch": 1}
    run = throughtime.train("text", tmp_path / "train.txt", valid=tmp_path / "valid.txt", out=tmp_path / "run", **given)
    # UNK, EOS, a and b stand there 0, 1, 6 and 2 times; one is added to each.
    assert run.read.guess is not None
    expected = math.exp(-(math.log(7 / 13) + math.log(3 / 13) + math.log(2 / 13)) / 3)
    assert (run.read.guess.figure, run.read.guess.value) == ("perplexity", pytest.approx(expected))
    assert run.evaluate().figures["unigram_perplexity"] == pytest.approx(expected)
    assert run.read.shown == ["a b", "b a", "<eos>"]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"bptt": 12}, "the cat sat⏎"),
        ({"unit": "tokens", "bptt": 4}, "the cat sat <eos>"),
        ({"unit": "bytepairs", "max_vocab": 300, "bptt": 4}, "the| cat| sat|⏎"),
    ],
)
def test_an_example_is_shown_in_its_tokens(texts: Path, tmp_path: Path, options: dict[str, Any], shown: str) -> None:
    run = throughtime.train("text", texts / "a.txt", out=tmp_path / "run", **SMALL, **options)
    assert run.read.shown[0] == shown


def test_what_was_read_is_told_before_the_first_step_and_again(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {**SMALL, "progress": True, "held_out": 0}
    run = throughtime.train("text", texts, out=tmp_path / "run", **given)
    told = capsys.readouterr().err
    for line in ("train: 2 texts, characters: ", "read as: the cat sat⏎", "the last weights are kept"):
        assert line in told
    assert run.read.guess is None
    assert command_line(["inspect", str(tmp_path / "run"), "--data"]) == 0
    assert "vocabulary: " in capsys.readouterr().out
    (tmp_path / "run" / "data.json").unlink()
    assert run.resume(progress=True, steps=3).outcome is not None


def test_a_model_that_knows_less_than_frequencies_says_so(texts: Path, tmp_path: Path) -> None:
    run = throughtime.train("text", texts, out=tmp_path / "run", **{**SMALL, "lr": 1e-9})
    (line,) = run.cautions
    assert line.startswith("hardly learnt: validation perplexity ")
    assert "saying each token as often as the training data gives " in line
    (remark,) = run.evaluate(texts).remarks
    assert remark.startswith("no better than guessing: perplexity ")
