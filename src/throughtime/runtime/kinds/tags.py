"""Entities in texts: a tag for every word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from throughtime.errors import UserError, spelled, texts_of
from throughtime.runtime.chain import Chain
from throughtime.runtime.folder import Folder
from throughtime.runtime.kinds.classes import ROWS, WordReader
from throughtime.runtime.runner import Runner
from throughtime.runtime.text.entities import taggings_of
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
        self.tags = folder.fact("tags")
        transitions, size = np.array(folder.fact("transitions"), np.float64), len(self.tags) + 1
        if transitions.shape != (size, size):
            raise UserError(
                f"{folder.path}: expected transitions of {[size, size]}, got {list(transitions.shape)}; "
                "export the run again"
            )
        self.chain = Chain(transitions)

    def predict(self, inputs: str | Iterable[str], *, nbest: int = 1) -> list[dict[str, Any]]:
        """The entities of every text: ``text``, ``log_prob`` of the tags, ``entities``.

        Args:
            inputs: One text or several.
            nbest: Of more than one, so many of the likeliest taggings, too: ``nbest``.
        """
        if nbest < 1:
            raise UserError(f"expected nbest of at least 1, got {nbest}")
        texts = [inputs] if isinstance(inputs, str) else texts_of(inputs, "inputs")
        words = [[part for word in find_words(text) for part in split_sign(word)] for text in texts]
        scores = self.scores([[word.text for word in sentence] for sentence in words])
        return [self._told(*given, nbest) for given in zip(texts, words, scores, strict=True)]

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
