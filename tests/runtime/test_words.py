"""Classifiers and taggers of words that left Throughtime: what they say is what the run says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import throughtime
from throughtime import runtime
from throughtime.errors import UserError
from throughtime.layers.crf import CRF
from throughtime.runtime.chain import Chain

pytest.importorskip("onnxruntime")

REVIEWS = [
    (f"a {word} film, it's {more}: part {n}!", label)
    for n in range(6)
    for word, more, label in (("fine", "lovely", "good"), ("dull", "poor", "bad"), ("plain", "so-so", "neither"))
]
TEXTS = ["a fine film", "", "Dull, DULL part 3 — naïve été", "it's so-so", "word " * 30]
SENTENCES = [
    (["Ann", "Lee", "met", "@bob", "in", "New", "York"], ["B-per", "I-per", "O", "B-per", "O", "B-loc", "I-loc"]),
    (["Paris", "is", "far", "from", "Rome"], ["B-loc", "O", "O", "O", "B-loc"]),
] * 5
SMALL = {"hidden": 6, "embedding": 5, "min_count": 1, "steps": 3, "batch": 4, "progress": False}
CLASSES: dict[str, dict[str, Any]] = {
    "max": {"pooling": "max", "bidirectional": True, "shapes": True},
    "last": {"pooling": "last", "bidirectional": True, "spelling": "cnn", "spelled": 4, "letter": 3, "layers": 2},
    "one way": {"pooling": "last", "bidirectional": False, "cell": "gru", "lowercase": False},
    "mean": {"pooling": "mean", "spelling": "rnn", "spelled": 4, "letter": 3, "cell": "mgu"},
    "attention": {"pooling": "attention"},
}
TAGS: dict[str, dict[str, Any]] = {
    "one way": {"bidirectional": False, "cell": "mgu", "layers": 2, "spelling": "rnn", "spelled": 4, "letter": 3},
    "crf": {"spelling": "rnn", "spelled": 4, "letter": 3},
    "softmax": {"tags": "softmax", "spelling": "cnn", "spelled": 4, "letter": 3, "shapes": False, "scheme": "iobes"},
}


def alike(found: Any, expected: Any) -> None:
    """The same data, numbers to 1e-4."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, value in expected.items():
            alike(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            alike(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1.01e-4)
    else:
        assert found == expected


def exported(task: str, data: Any, options: dict[str, Any], folder: Path) -> tuple[throughtime.Run, Any]:
    run = throughtime.train(task, data, out=folder / "run", held_out=0, **{**SMALL, **options})
    run.export(folder / "exported")
    return run, runtime.open(folder / "exported")


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_those_of_the_run(name: str, tmp_path: Path) -> None:
    run, model = exported("sentiment", REVIEWS, CLASSES[name], tmp_path)
    alike(model.predict(TEXTS), [found.data for found in run.predict(TEXTS)])
    alike(model.predict(TEXTS[:3], explain=True), [found.data for found in run.predict(TEXTS[:3], explain=True)])


@pytest.mark.parametrize("name", TAGS)
def test_entities_are_those_of_the_run(name: str, tmp_path: Path) -> None:
    run, model = exported("entities", SENTENCES, TAGS[name], tmp_path)
    lines = ["Ann Lee met @bob in Rome.", "", "Paris, New York — São Paulo", "a"]
    alike(model.predict(lines), [found.data for found in run.predict(lines)])
    given = [["Ann", "met", "@bob"], "in Rome", ["New", "York"]]
    alike(model.predict(given), [found.data for found in run.predict(given)])
    with pytest.raises(UserError, match="input 1: expected a line of text, or a list of words, got a int"):
        model.predict([3])
    alike(model.predict(lines, nbest=4), [found.data for found in run.predict(lines, nbest=4)])
    with pytest.raises(UserError, match="expected nbest of at least 1, got 0"):
        model.predict(lines, nbest=0)
    if name == "one way":
        word_by_word(model)
        return
    with pytest.raises(UserError, match="as it needs the whole input"):
        run.export(step=tmp_path / "step.onnx")
    assert not (tmp_path / "step.onnx").exists()


def word_by_word(model: Any) -> None:
    """The step of a tagger of one direction gives the scores of whole sentences, a word of each row at a time."""
    sentences = [["Ann", "met", "@bob"], ["in", "Rome", "Lee"]]
    step, found = model.folder.graph("step"), []
    state = step.zeros(2)
    for words in zip(*sentences, strict=True):
        read = model.read([[word] for word in words])
        fed = {name: value[:, 0] if name in ("words", "shapes", "spelled") else value for name, value in read.items()}
        made, state = step(state, **{name: value for name, value in fed.items() if name != "lengths"})
        found.append(made["scores"])
    np.testing.assert_allclose(np.stack(found, 1), np.stack(model.scores(sentences)), atol=1e-5)


@pytest.mark.parametrize(("labels", "steps", "n"), [(3, 5, 1), (3, 4, 7), (2, 1, 5), (4, 0, 2)])
def test_the_likeliest_labels_are_those_of_the_field(labels: int, steps: int, n: int) -> None:
    torch.manual_seed(labels)
    allowed = torch.rand(labels + 1, labels + 1) > 0.2
    allowed |= torch.eye(labels + 1, dtype=torch.bool)
    allowed[-1], allowed[:, -1] = True, True
    field, scores = CRF(labels, allowed).double(), torch.randn(1, steps, labels, dtype=torch.float64)
    chain, lengths = Chain(field.scores_between().detach().numpy()), torch.tensor([steps])
    found = chain.nbest(scores[0].numpy(), n)
    for ours, theirs in zip(found, field.nbest(scores, lengths, n)[0], strict=True):
        assert ours.labels == theirs.labels
        assert ours.log_prob == pytest.approx(theirs.log_prob)
    np.testing.assert_allclose(chain.marginals(scores[0].numpy()), field.marginals(scores, lengths)[0], atol=1e-9)
