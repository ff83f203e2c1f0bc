"""A language model of text that is tokenised already counts as the literature does, and is asked in the same terms."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import throughtime
from throughtime.data import TokenBatch
from throughtime.errors import UserError

LINES = ["the cat is <unk>", "the cats are N years old", "mr. <unk> 's cat is N years old", "the old cats are n't here"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "train.txt").write_text("".join(f" {line} \n" for line in LINES * 40))
    (folder / "valid.txt").write_text("".join(f" {line} \n" for line in LINES * 3))
    found = throughtime.train(
        "text", str(folder / "train.txt"), out=folder / "run", valid=str(folder / "valid.txt"), unit="tokens",
        hidden=16, embedding=8, batch=8, bptt=20, epochs=3, progress=False, seed=1,
    )  # fmt: skip
    return found, folder


def test_tokens_are_what_spaces_part_and_an_end_a_line(run: Any) -> None:
    model, folder = run
    report = model.evaluate(str(folder / "valid.txt"))
    words = [word for line in LINES * 3 for word in line.split()]
    assert report.figures["tokens"] == len(words) + 12
    assert report.figures["unknown_share"] == pytest.approx(6 / (len(words) + 12))
    assert report.figures["counted"] == "what stands between spaces, 6 of them unknown, and 12 line ends"
    assert report.figures["characters"] == len((folder / "valid.txt").read_text())
    vocabulary = json.loads((model.folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert set(vocabulary) == {*words, "<unk>", "<eos>"}
    assert (vocabulary["<unk>"], vocabulary["<eos>"]) == (0, 1)


def test_one_stream_is_every_token_after_all_before_it(run: Any) -> None:
    """The state goes on over the ends of lines, which are read as tokens."""
    model, folder = run
    text = [line.split() for line in LINES * 3]
    known = model._trained().text
    ids = [*known.begin("\n".join(" ".join(line) for line in text)), known.tokenizer.eos]
    with torch.no_grad():
        log_probs, _ = model.model.log_probs(TokenBatch.of([ids]))
    report = model.evaluate(str(folder / "valid.txt"), streams=1)
    assert report.figures["nats_per_token"] == pytest.approx(-float(log_probs.sum()) / len(ids), rel=1e-5)
    assert report.figures["perplexity"] == pytest.approx(math.exp(report.figures["nats_per_token"]))


def test_a_sample_goes_on_after_a_line(run: Any) -> None:
    model, _ = run
    text = model.sample("the cat is\n", seed=1, length=60).text
    assert text.startswith("the cat is\n")
    assert text.count("\n") > 2
    assert "<" not in text
    assert " \n" not in text


def test_every_token_has_its_score(run: Any) -> None:
    model, _ = run
    (plain,) = model.score("the cat flies")
    (told,) = model.score("the cat flies", tokens=True)
    assert plain.each is None
    assert [one.token for one in told.each] == ["the", "cat", "<unk>", "<eos>"]
    assert sum(one.log_prob for one in told.each) == pytest.approx(plain.log_prob, rel=1e-6)
    (begun,) = model.score("the cat", tokens=True)
    assert [one.log_prob for one in begun.each[:2]] == pytest.approx([one.log_prob for one in told.each[:2]], rel=1e-5)


def test_pairs_are_judged_by_what_is_likelier(run: Any, tmp_path: Path) -> None:
    model, _ = run
    pairs = [("the cat", "is", "are"), ("the cats", "is", "are"), ("the", "dog", "bird"), ("", "the cat", "cat the")]
    report = model.score_pairs(pairs)

    def likelihood(prefix: str, text: str) -> float:
        (found,) = model.score(f"{prefix} {text}", tokens=True)
        return sum(one.log_prob for one in found.each[:-1])

    gaps = [likelihood(prefix, right) - likelihood(prefix, wrong) for prefix, right, wrong in pairs]
    assert report.figures["right"] == sum(gap > 1e-6 for gap in gaps)
    assert report.figures["accuracy"] == 25.0 * report.figures["right"]
    assert report.figures["the_same_to_the_model"] == 1
    assert report.figures["with_unknown_tokens"] == 1
    assert report.figures["mean_gap_nats"] == pytest.approx(sum(gaps) / 4, rel=1e-4)
    file = tmp_path / "pairs.tsv"
    file.write_text("".join("\t".join(pair) + "\n" for pair in pairs))
    assert model.score_pairs(file).figures == report.figures
    whole = model.score_pairs([("the cat is <unk>", "the cat are <unk>")])
    one, other = (model.score(line)[0].log_prob for line in ("the cat is <unk>", "the cat are <unk>"))
    assert whole.figures["mean_gap_nats"] == pytest.approx(one - other, rel=1e-5)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("only one", "x.tsv:2: expected right and wrong, or a prefix, right and wrong"),
        ("a\tb\tb", "x.tsv:2: expected two texts that differ, got 'b' twice"),
        ("a\t \tb", "x.tsv:2: expected two texts to compare, got ' ' and 'b'"),
    ],
)
def test_pairs_that_are_none_are_named(run: Any, tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "x.tsv").write_text(f"a\tb\n{row}\n")
    with pytest.raises(UserError) as caught:
        run[0].score_pairs(tmp_path / "x.tsv")
    assert message in str(caught.value)
    with pytest.raises(UserError, match="expected pairs of texts, got none"):
        run[0].score_pairs([])
