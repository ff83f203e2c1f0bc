"""Words of sentences, as batches of ids and of spellings.

Shapes::

    B  sentences        T  words of the longest        S  different words of the batch        L  letters of the longest
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from throughtime.data.vocabulary import Vocabulary

LONGEST_WORD = 40
"""Letters of a word that are read; a longer one is an address or noise."""

# English clitics stand apart, as in most annotated corpora ("is n't", "John 's"); addresses, names of users and tags
# stay whole; dots, dashes and marks repeated stay together.
_TOKEN = re.compile(
    r"""
      https?://\S+ | www\.\S+ | [@\#]\w+
    | \w+(?=n['’]t\b) | n['’]t\b
    | ['’](?:s|m|d|re|ve|ll)\b
    | \d+(?:[.,:/]\d+)*\w*
    | (?:[^\W\d_]\.){2,}
    | \w+(?:[-&]\w+)*
    | ([^\w\s])\1*
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Word(NamedTuple):
    """A word in its text: ``text[start:end] == word.text``."""

    text: str
    start: int
    end: int


def find_words(text: str) -> list[Word]:
    """The words of a text and where they stand.

    Example:
        >>> [word.text for word in find_words("It's fine, isn't it?! See www.a.org")]
        ['It', "'s", 'fine', ',', 'is', "n't", 'it', '?', '!', 'See', 'www.a.org']
    """
    return [Word(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(text)]


def split_words(text: str) -> list[str]:
    """The words of a text alone."""
    return [word.text for word in find_words(text)]


def split_sign(word: Word) -> list[Word]:
    """A name or a tag as two words, the sign before it the first: corpora write both ways.

    Example:
        >>> split_sign(Word("@ann", 3, 7)), split_sign(Word("#", 0, 1))
        ([Word(text='@', start=3, end=4), Word(text='ann', start=4, end=7)], [Word(text='#', start=0, end=1)])
    """
    text, start, end = word
    if len(text) < 2 or text[0] not in "@#":
        return [word]
    return [Word(text[0], start, start + 1), Word(text[1:], start + 1, end)]


def shape_of(word: str) -> str:
    """How a word is written: X for capitals, x for small letters, d for digits, each run once; at most five signs.

    Example:
        >>> [shape_of(word) for word in ("Anna", "NATO", "iPhone6", "#one", "3.50", "...")]
        ['Xx', 'X', 'xXxd', '#x', 'd.d', '.']
    """
    signs = ("X" if s.isupper() else "x" if s.isalpha() else "d" if s.isdigit() else s for s in word[:LONGEST_WORD])
    return "".join(sign for sign, _ in groupby(signs))[:5]


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
        lengths = torch.tensor([len(sentence) for sentence in sentences])
        words = pad([self.ids(sentence) for sentence in sentences])
        shapes = None if self.shapes is None else pad([self.shapes.ids(map(shape_of, s)) for s in sentences])
        if self.characters is None:
            return WordBatch(words, lengths, shapes=shapes)
        rows: dict[str, int] = {}
        spelled = pad([[rows.setdefault(word, len(rows)) for word in sentence] for sentence in sentences])
        # 0 is what stands past a word's end
        letters = [[1 + i for i in self.characters.ids(word[:LONGEST_WORD])] for word in rows or ("",)]
        return WordBatch(words, lengths, pad(letters), spelled, torch.tensor([len(row) for row in letters]), shapes)


def pad(rows: Sequence[Sequence[int]], filling: int = 0) -> Tensor:
    """Rows of ids as a matrix, ``filling`` past their ends; at least one column.

    Example:
        >>> pad([[5, 6], []]).tolist()
        [[5, 6], [0, 0]]
    """
    width = max([1, *map(len, rows)])
    return torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows]).reshape(len(rows), width)
