"""A trained language model in a program: what it scores, draws and finds is what its equations say."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from throughtime import TextModel, UserError
from throughtime.applications.text_model import STREAM_TOKENS, figures
from throughtime.data import NOTHING, Streams, WholeTexts
from throughtime.data.text.corpus import TokenFile
from throughtime.decoding import Sampling
from throughtime.tasks.text.task import TextTask

SMALL: dict[str, Any] = {"hidden": 12, "embedding": 6, "batch": 4, "bptt": 20, "steps": 30, "lr": 0.02}


def write(path: Path, lines: int) -> Path:
    draw = random.Random(9)
    words = "some of these words come again and again in every line that is written here".split()  # noqa: SIM905
    path.write_text("".join(" ".join(draw.choices(words, k=6)) + "\n" for _ in range(lines)))
    return path


def train(folder: Path, text: Path, **options: Any) -> Path:
    TextTask().start([str(text)], folder, {**SMALL, **options}).run()
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("text") / "text.txt", 60)


@pytest.fixture(scope="module")
def characters(text: Path) -> TextModel:
    return TextModel(train(text.parent / "characters", text))


@pytest.fixture(scope="module")
def sentences(text: Path) -> TextModel:
    return TextModel(train(text.parent / "sentences", text, sentences=True, unit="words", bptt=0, max_vocab=12))


@torch.no_grad()
def by_steps(model: TextModel, ids: Sequence[int]) -> float:
    before, state, total = NOTHING, None, 0.0
    for token in ids:
        log_probs, state = model.model.next_log_probs(torch.tensor([[before]]), state)
        total += float(log_probs[0, token])
        before = token
    return total


def test_a_line_does_not_know_its_neighbours(sentences: TextModel) -> None:
    lines = ["some of these words", "again", "", "every line that is written here and again and again"]
    together = sentences.score(lines)
    assert [score.text for score in together] == lines
    for line, score in zip(lines, together, strict=True):
        (alone,) = sentences.score([line])
        assert alone.log_prob == pytest.approx(score.log_prob, abs=1e-4)
        assert score.log_prob == pytest.approx(by_steps(sentences, sentences.encode(line)), abs=1e-4)
    assert sentences.score([]) == []


def test_an_empty_sentence_is_its_end(sentences: TextModel, characters: TextModel) -> None:
    (score,) = sentences.score([""])
    assert score.tokens == 1
    assert score.log_prob == pytest.approx(by_steps(sentences, [sentences.tokenizer.eos]), rel=1e-5)
    (score,) = characters.score([""])
    assert (score.log_prob, score.tokens, score.perplexity) == (0.0, 0, 1.0)


def test_the_probabilities_of_all_sentences_of_a_length_sum_to_less_than_one(sentences: TextModel) -> None:
    """With EOS counted, sentences of no word and of one word exclude each other."""
    sentences_ids = [[1], *([i, 1] for i in range(12) if i != 1)]
    total = sum(math.exp(by_steps(sentences, ids)) for ids in sentences_ids)
    assert 0 < total < 1
    one_word = sum(math.exp(by_steps(sentences, [i])) for i in range(12))
    assert one_word == pytest.approx(1, abs=1e-5)


def test_unknown_tokens_are_counted(characters: TextModel) -> None:
    assert [score.unknown for score in characters.score(["some words", "söme wörds"])] == [0, 2]


def test_a_sample_streams(characters: TextModel) -> None:
    """Piece by piece as it is drawn: an endless text gives its first letters at once."""
    pieces = characters.sample("some ", Sampling(length=10**9, min_length=10**9, seed=0))
    first = list(itertools.islice(pieces, 21))
    assert first[0] == "some "
    assert [len(piece) for piece in first[1:]] == [1] * 20


def test_a_drawn_text_is_as_likely_as_it_was_drawn(sentences: TextModel) -> None:
    """Of many sentences drawn, the share of the likeliest one is its probability."""
    drawn = ["".join(sentences.sample("", Sampling(top_k=2, length=1, seed=seed))) for seed in range(300)]
    with torch.no_grad():
        log_probs, _ = sentences.model.next_log_probs(torch.tensor([[NOTHING]]))
    log_probs[0, sentences.tokenizer.unk] = -torch.inf
    top = log_probs[0].topk(2)
    words = [sentences.tokenizer.tokens([i])[0] for i in top.indices.tolist()]
    share = drawn.count(words[0] if words[0] != "<eos>" else "") / len(drawn)
    expected = float(top.values.softmax(0)[0])
    assert share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 300))


def test_dropout_rests(text: Path, tmp_path: Path) -> None:
    model = TextModel(train(tmp_path / "run", text, dropout=0.9, steps=2))
    assert not model.model.training
    assert model.score(["some of these"]) == model.score(["some of these"])


def test_streams_of_an_evaluation_together_are_the_whole_text(text: Path, tmp_path: Path) -> None:
    """A long text is read in several streams; each begins with nothing carried, all tokens are counted once."""
    model = TextModel(train(tmp_path / "run", write(tmp_path / "long.txt", 200), steps=2, held_out=0.5))
    tokens = TokenFile.from_json(model.run.folder, model.run.data["valid"])
    assert tokens.tokens < 2 * STREAM_TOKENS  # one stream
    found = model.evaluate(tokens)
    assert found["tokens"] == tokens.tokens
    ids = tokens.ids(1 << 20).tolist()
    assert found["nats_per_token"] == pytest.approx(-by_steps(model, ids) / len(ids), rel=1e-5)
    three = figures(model.model, Streams(tokens.ids(1 << 20), 3, 20, model.tokenizer.eos), tokens)
    assert three["tokens"] == tokens.tokens
    assert three["nats_per_token"] == pytest.approx(found["nats_per_token"], rel=0.05)


def test_an_evaluation_of_sentences_is_the_sum_of_their_scores(sentences: TextModel, text: Path) -> None:
    lines = text.read_text().splitlines()
    found = TextTask().load(sentences.run.folder).evaluate([str(text)]).figures
    scores = sentences.score(lines)
    count = sum(score.tokens for score in scores)
    assert found["tokens"] == count
    assert found["characters"] == len(text.read_text())
    assert found["nats_per_token"] == pytest.approx(-sum(score.log_prob for score in scores) / count, rel=1e-5)
    assert found["unknown_share"] == sum(score.unknown for score in scores) / count
    assert found["unknown_share"] > 0


def test_held_out_sentences_are_not_trained_on(text: Path, tmp_path: Path) -> None:
    model = TextModel(train(tmp_path / "run", text, sentences=True, unit="words", bptt=0, held_out=0.25, steps=1))
    files = {name: TokenFile.from_json(model.run.folder, value) for name, value in model.run.data.items()}
    lines = text.read_text().splitlines()
    for name, expected in (
        ("valid", lines[3::4]),
        ("train", [line for number, line in enumerate(lines, 1) if number % 4]),
    ):
        ids = [i for line in expected for i in model.encode(line)]
        assert files[name].ids(1 << 20).tolist() == ids
        assert WholeTexts(files[name].ids(1 << 20), 1, model.tokenizer.eos).texts == len(expected)


def test_what_is_no_model_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a model folder"):
        TextModel(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"found no config\.json"):
        TextModel(str(tmp_path))
