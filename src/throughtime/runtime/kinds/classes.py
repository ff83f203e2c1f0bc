"""Classes of texts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from throughtime.errors import UserError, spelled, texts_of
from throughtime.plain import read_json
from throughtime.runtime.drawing import Array
from throughtime.runtime.folder import Folder
from throughtime.runtime.remarks import long_input, remark
from throughtime.runtime.runner import Runner
from throughtime.runtime.text.words import Word, find_words, ids_of, read_words

ROWS = 64
"""Texts that are computed together, at most."""


class WordReader:
    """What a model of words reads, by the ``vocabulary.json`` of an exported folder.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Folder) -> None:
        file = folder.path / "vocabulary.json"
        told = read_json(file)
        for name, value in told.items():
            if not (value is None or (isinstance(value, list) and all(isinstance(each, str) for each in value))):
                raise UserError(f"{file}: expected {name!r} to be texts; export the run again")
        if not told.get("words"):
            raise UserError(f"{file}: expected 'words'; export the run again")
        self.words, self.lowercase = ids_of(told["words"]), folder.fact("lowercase", bool)
        self.characters, self.shapes = (
            ids_of(symbols) if (symbols := told.get(name)) else None for name in ("characters", "shapes")
        )

    def __call__(self, sentences: Sequence[Sequence[str]]) -> dict[str, Any]:
        """Sentences as the graph takes them."""
        return read_words(sentences, self._ids, self.characters, self.shapes)

    def _ids(self, sentence: Iterable[str]) -> list[int]:
        return self.words(word.lower() if self.lowercase else word for word in sentence)


@spelled
class ClassesRunner(Runner):
    """A classifier of texts.

    Args:
        folder: With the graph ``sequence`` and a ``vocabulary.json``.
    """

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.network, self.read = folder.graph("sequence"), WordReader(folder)
        self.labels, self.temperature = folder.fact("labels", list[str]), float(folder.fact("temperature", float))

    def predict(self, inputs: str | Iterable[str], *, explain: bool = False, nbest: int = 1) -> list[dict[str, Any]]:
        """The class of every text: ``text``, ``label``, ``probabilities`` of every class, the likeliest first.

        Args:
            inputs: One text or several.
            explain: How far each word moved the label, too: ``words``.
            nbest: Taken as the original's; all probabilities are told.
        """
        texts = [inputs] if isinstance(inputs, str) else texts_of(inputs, "inputs")
        words = [find_words(text) for text in texts]
        for number, sentence in enumerate(words, 1):
            remark(f"line {number}", long_input(len(sentence)))
        scores = self.log_probs([[word.text for word in sentence] for sentence in words])
        return [self._told(*given, explain) for given in zip(texts, words, scores, strict=True)]

    def log_probs(self, sentences: Sequence[Sequence[str]]) -> Array:
        """The log-probability of every class of every sentence, ``[B, K]``, in nats."""
        found = np.zeros((len(sentences), len(self.labels)))
        order = sorted(range(len(sentences)), key=lambda number: len(sentences[number]))
        for begin in range(0, len(order), ROWS):
            chosen = order[begin : begin + ROWS]
            made, _ = self.network({}, **self.read([sentences[number] for number in chosen]))
            found[chosen] = made["log_probs"]
        return found if self.temperature == 1.0 else log_softmax(found / self.temperature)

    def _told(self, text: str, words: Sequence[Word], scores: Array, explain: bool) -> dict[str, Any]:
        told = {"text": text, **chances_of(self.labels, scores)}
        return told | ({"words": self._moves(words, scores, self.labels.index(told["label"]))} if explain else {})

    def _moves(self, words: Sequence[Word], scores: Array, label: int) -> list[dict[str, Any]]:
        """How much each word adds to the logarithm of a label's odds: what is lost when it becomes UNK."""
        hidden = [[word.text if n != at else "" for n, word in enumerate(words)] for at in range(len(words))]
        lost = log_odds(scores[None], label)[0] - log_odds(self.log_probs(hidden), label)
        moves = zip(words, lost.tolist(), strict=True)
        return [{"word": word.text, "start": word.start, "end": word.end, "moved": by} for word, by in moves]


def chances_of(labels: Sequence[str], scores: Array) -> dict[str, Any]:
    """The ``label`` and the ``probabilities``, the likeliest first, of log-probabilities ``[K]``.

    Example:
        >>> chances_of(["a", "b"], np.log([0.25, 0.75]))["label"]
        'b'
    """
    order = (-scores).argsort(kind="stable").tolist()
    chances = {labels[number]: math.exp(scores[number]) for number in order}
    return {"label": labels[order[0]], "probabilities": chances}


def log_softmax(scores: Array) -> Array:
    """Over the last dimension.

    Example:
        >>> np.exp(log_softmax(np.array([0.0, 0.0]))).tolist()
        [0.5, 0.5]
    """
    shifted = scores - scores.max(-1, keepdims=True)
    found: Array = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return found


def log_odds(log_probs: Array, label: int) -> Array:
    """``log(p / (1 - p))`` of one label, of ``[N, K]``: it still tells apart what is nearly sure."""
    others = np.delete(log_probs, label, 1)
    most = others.max(1, keepdims=True)
    found: Array = log_probs[:, label] - np.log(np.exp(others - most).sum(1)) - most[:, 0]
    return found
