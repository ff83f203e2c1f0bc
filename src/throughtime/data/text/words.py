"""Words of sentences, as batches of ids and of spellings.

Shapes::

    B  sentences        T  words of the longest        S  different words of the batch        L  letters of the longest
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from throughtime.data.vocabulary import Vocabulary

LONGEST_WORD = 40
"""Letters of a word that are read; a longer one is an address or noise."""

JOINERS = "\u200c\u200d"
"""Belong to the word before them, as marks do (Unicode's annex 29): Persian and Indic words have them inside."""

_MARK = "\u0300"
"""Stands for every mark while words are looked for."""

# Those that Python's \w does not know; the tones of skin, which change the sign before them, are marks in effect.
_MAYBE_MARK = re.compile(r"[^\w\s\x00-\x7f]")
_TONES = "".join(map(chr, range(0x1F3FB, 0x1F400)))

_M = f"{_MARK}{JOINERS}"
_L = rf"[\w{_M}]"
"""A letter, a digit, a line below, and what belongs to them."""

# English clitics stand apart, as in most annotated corpora ("is n't", "John 's"); addresses, names of users and tags
# stay whole; dots, dashes and marks repeated stay together, and so do signs that are joined into one, and flags.
_TOKEN = re.compile(
    rf"""
      https?://\S+ | www\.\S+ | [@\#]{_L}+
    | {_L}+(?=n['’]t(?!{_L})) | n['’]t(?!{_L})
    | ['’](?:s|m|d|re|ve|ll)(?!{_L})
    | \d+(?:[.,:/]\d+)*{_L}*
    | (?:[^\W\d_][{_M}]*\.){{2,}}
    | {_L}+(?:[-&]{_L}+)*
    | [\U0001f1e6-\U0001f1ff]{{2}}
    | ([^\w\s][{_M}]*(?:(?<=\u200d)[^\w\s{_M}][{_M}]*)*)\1*[{_M}]*
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Word(NamedTuple):
    """A word in its text: ``text[start:end] == word.text``."""

    text: str
    start: int
    end: int


def find_words(text: str) -> list[Word]:
    """The words of a text and where they stand; marks and joiners belong to the word before them.

    Example:
        >>> [word.text for word in find_words("It's fine, isn't it?! See www.a.org")]
        ['It', "'s", 'fine', ',', 'is', "n't", 'it', '?', '!', 'See', 'www.a.org']
        >>> [word.text for word in find_words("वह दिल्ली में है ।")]
        ['वह', 'दिल्ली', 'में', 'है', '।']
    """
    seen = text if text.isascii() else _MAYBE_MARK.sub(_as_mark, text)
    return [Word(text[match.start() : match.end()], match.start(), match.end()) for match in _TOKEN.finditer(seen)]


def is_mark(sign: str) -> bool:
    r"""Whether a sign belongs to the one before it.

    Example:
        >>> [is_mark(sign) for sign in ("a", "\u0301", "\u093f", "\u200d", "-")]
        [False, True, True, True, False]
    """
    return unicodedata.category(sign)[0] == "M" or sign in JOINERS or sign in _TONES


def _as_mark(found: re.Match[str]) -> str:
    sign = found.group()
    return _MARK if is_mark(sign) and sign not in JOINERS else sign


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
    own = (sign for sign in word[:LONGEST_WORD] if sign.isascii() or not is_mark(sign))
    signs = ("X" if s.isupper() else "x" if s.isalpha() else "d" if s.isdigit() else s for s in own)
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
