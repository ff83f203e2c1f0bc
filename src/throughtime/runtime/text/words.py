"""Words of sentences, and how they are written: what networks read of them, as whole numbers.

Shapes::

    B  sentences        T  words of the longest        S  different words of the batch        L  letters of the longest
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from throughtime.runtime.text.signs import JOINERS

Ids = Callable[[Iterable[str]], list[int]]
"""Gives the ids of symbols."""

LONGEST_WORD = 40
"""Letters of a word that are read; a longer one is an address or noise."""

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


def ids_of(symbols: Sequence[str]) -> Ids:
    """The ids of symbols by an open vocabulary: what it does not hold is 0.

    Example:
        >>> ids_of(["<unk>", "to", "be"])(["be", "not"])
        [2, 0]
    """
    known = {symbol: number for number, symbol in enumerate(symbols)}
    return lambda given: [known.get(symbol, 0) for symbol in given]


def read_words(
    sentences: Sequence[Sequence[str]], words: Ids, characters: Ids | None = None, shapes: Ids | None = None
) -> dict[str, npt.NDArray[np.int64]]:
    """Sentences as whole numbers; letters and shapes where they are known.

    Args:
        sentences: The words of each.
        words: Ids of words.
        characters: Ids of letters.
        shapes: Ids of shapes, see :func:`shape_of`.

    Returns:
        ``words [B, T]``, ``lengths [B]``, ``shapes [B, T]``, and of the different words ``spellings [S, L]``, 0 past
        their end, ``letters [S]``, how many they have, and ``spelled [B, T]``, the row of each word.
    """
    found = {"words": pad([words(sentence) for sentence in sentences])}
    found["lengths"] = np.array([len(sentence) for sentence in sentences], np.int64)
    if shapes is not None:
        found["shapes"] = pad([shapes(map(shape_of, sentence)) for sentence in sentences])
    if characters is not None:
        rows: dict[str, int] = {}
        found["spelled"] = pad([[rows.setdefault(word, len(rows)) for word in sentence] for sentence in sentences])
        # 0 is what stands past a word's end
        letters = [[1 + i for i in characters(word[:LONGEST_WORD])] for word in rows or ("",)]
        found["spellings"] = pad(letters)
        found["letters"] = np.array([len(row) for row in letters], np.int64)
    return found


def pad(rows: Sequence[Sequence[int]], filling: int = 0) -> npt.NDArray[np.int64]:
    """Rows of ids as a matrix, ``filling`` past their ends; at least one column.

    Example:
        >>> pad([[5, 6], []]).tolist()
        [[5, 6], [0, 0]]
    """
    found = np.full((len(rows), max([1, *map(len, rows)])), filling, np.int64)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return found
