"""Entities in texts: a tag for every word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from throughtime.errors import UserError, spelled
from throughtime.runtime.chain import Chain
from throughtime.runtime.folder import Folder
from throughtime.runtime.kinds.classes import ROWS, WordReader
from throughtime.runtime.remarks import long_input, remark
from throughtime.runtime.runner import Runner
from throughtime.runtime.text.entities import GivenWords, taggings_of, words_of
from throughtime.runtime.text.words import Word, find_words, split_sign


@spelled
class TagsRunner(Runner):
    """Finds entities.

    Args:
        folder: With the graph ``sequence`` and a ``vocabulary.json``.
    """

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.network, self.read = folder.graph("sequence"), WordReader(folder)
        self.tags = folder.fact("tags", list[str])
        transitions, size = np.array(folder.fact("transitions", list[list[float]]), np.float64), len(self.tags) + 1
        if transitions.shape != (size, size):
            raise UserError(
                f"{folder.path}: expected transitions of {[size, size]}, got {list(transitions.shape)}; "
                "export the run again"
            )
        self.chain = Chain(transitions)

    def predict(self, inputs: str | Iterable[Any], *, nbest: int = 1) -> list[dict[str, Any]]:
        """The entities of every text: ``text``, ``log_prob`` of the tags, ``entities``.

        Args:
            inputs: One text or several; one that is a list of words is told with a tag for every word, ``tags``.
            nbest: Of more than one, so many of the likeliest taggings, too: ``nbest``.
        """
        if nbest < 1:
            raise UserError(f"expected nbest of at least 1, got {nbest}")
        items = [inputs] if isinstance(inputs, str) else list(inputs)
        given = [None if isinstance(item, str) else words_of(item, number) for number, item in enumerate(items, 1)]
        texts = [item if words is None else words.text for item, words in zip(items, given, strict=True)]
        cut = [find_words(text) if words is None else words.words for text, words in zip(texts, given, strict=True)]
        parts = [[part for word in words for part in split_sign(word)] for words in cut]
        for number, sentence in enumerate(parts, 1):
            remark(f"line {number}", long_input(len(sentence)))
        scores = self.scores([[word.text for word in sentence] for sentence in parts])
        found = [self._told(*each, nbest) for each in zip(texts, parts, scores, strict=True)]
        return [
            told if words is None else told | {"tags": self._tags(told, words)}
            for told, words in zip(found, given, strict=True)
        ]

    def _tags(self, told: dict[str, Any], words: GivenWords) -> list[str]:
        """A tag for every word, in the scheme of the training data's files."""
        spans = [(entity["start"], entity["end"], entity["type"]) for entity in told["entities"]]
        return words.tags(spans, self.folder.fact("scheme", str))

    def scores(self, sentences: Sequence[Sequence[str]]) -> list[Any]:
        """The score of every tag of every word of each sentence, ``[T, K]``."""
        found: list[Any] = [None] * len(sentences)
        order = sorted(range(len(sentences)), key=lambda number: len(sentences[number]))
        for begin in range(0, len(order), ROWS):
            chosen = order[begin : begin + ROWS]
            made, _ = self.network({}, **self.read([sentences[number] for number in chosen]))
            for number, row in zip(chosen, made["scores"], strict=True):
                found[number] = row[: len(sentences[number])].astype(np.float64)
        return found

    def _told(self, text: str, words: Sequence[Word], scores: Any, nbest: int) -> dict[str, Any]:
        best, sure = self.chain.nbest(scores, nbest), self.chain.marginals(scores)
        found = [asdict(each) for each in taggings_of(text, words, best, self.tags, sure)]
        told = {"text": text, **found[0]}
        return told | ({"nbest": found} if nbest > 1 else {})
