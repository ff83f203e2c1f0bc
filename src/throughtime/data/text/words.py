"""Words of sentences, as batches of ids and of spellings.

Shapes::

    B  sentences        T  words of the longest        S  different words of the batch        L  letters of the longest
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.data.vocabulary import Vocabulary
from throughtime.runtime.text import words
from throughtime.runtime.text.words import read_words


@dataclass(frozen=True)
class WordBatch:
    """Sentences as ids.

    Attributes:
        words: ``[B, T]``, 0 past the length; T is at least 1.
        lengths: ``[B]``; an empty sentence is legal.
        spellings: Ids of the letters of every different word, 0 past its end, ``[S, L]``; None where no model reads
            letters.
        spelled: The row of ``spellings`` for each word, ``[B, T]``; 0 past the length.
        letters: Letters of each row of ``spellings``, ``[S]``.
        shapes: How each word is written, ``[B, T]``, see :func:`shape_of`; None where no model reads it.
    """

    words: Tensor
    lengths: Tensor
    spellings: Tensor | None = None
    spelled: Tensor | None = None
    letters: Tensor | None = None
    shapes: Tensor | None = None

    @property
    def tokens(self) -> int:
        """Words in all."""
        return int(self.lengths.sum())


@dataclass(frozen=True)
class WordReader:
    """Makes batches of sentences.

    Attributes:
        words: The words that are known.
        characters: The letters that are known; None: words have no spelling.
        lowercase: Words are looked up in lower case; their letters and shapes stay as they are.
        shapes: The shapes that are known; None: they are not read.
    """

    words: Vocabulary
    characters: Vocabulary | None = None
    lowercase: bool = False
    shapes: Vocabulary | None = None

    def ids(self, sentence: Iterable[str]) -> list[int]:
        """The ids of a sentence's words."""
        return self.words.ids(word.lower() if self.lowercase else word for word in sentence)

    def batch(self, sentences: Sequence[Sequence[str]]) -> WordBatch:
        """Sentences as a batch."""
        characters = None if self.characters is None else self.characters.ids
        shapes = None if self.shapes is None else self.shapes.ids
        found = read_words(sentences, self.ids, characters, shapes)
        return WordBatch(**{name: torch.from_numpy(values) for name, values in found.items()})


def pad(rows: Sequence[Sequence[int]], filling: int = 0) -> Tensor:
    """As :func:`throughtime.runtime.text.words.pad`."""
    return torch.from_numpy(words.pad(rows, filling))
