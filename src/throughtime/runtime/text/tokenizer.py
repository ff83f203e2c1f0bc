"""Reads a ``tokenizer.json`` that training wrote, and cuts texts as the library does that learnt it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from throughtime.errors import UserError
from throughtime.plain import read_json
from throughtime.runtime.text.signs import SPACES, lower, signs
from throughtime.runtime.text.spelling import BYTES, EOS_ID, UNK, UNK_ID, pieces

LARGEST = 64 * 2**20
"""Bytes of a ``tokenizer.json``: more than two million words."""

# Patterns over the signs of a text, see throughtime.runtime.text.signs.
_L = r"[A-Za-z0-9_²\u0300\u200d]"
WORDS = re.compile(rf"\n|{_L}+(?:['’\-]{_L}+)*|[^A-Za-z0-9_²\s][\u0300\u200d]*", re.ASCII)
_W = r"[A-Za-z0-9_\u0300Ⓐ‿]"
WORDS_BEFORE = re.compile(rf"\n|{_W}+(?:['’\-]{_W}+)*|[^A-Za-z0-9_\u0300Ⓐ‿\s]", re.ASCII)
"""Words of folders that read them as they learnt them, before marks and joiners belonged to words."""
BEFORE = r"\w+(?:['’\-]\w+)*"
"""What their pattern holds."""
GPT = re.compile(
    r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9²]+| ?[^\sA-Za-z0-9²]+|\s+(?!\S)|\s+",
    re.ASCII,
)
"""What byte pairs do not reach over (Radford et al. 2019)."""
REMEMBERED = 100_000
"""Parts of texts whose byte pairs are kept, at most: words come again and again."""
PARTED = re.compile(rf"[^{SPACES}]+")
"""What stands between spaces."""


class Tokenizer:
    """A tokenizer. Ids are those of the vocabulary; UNK is 0, EOS is 1.

    Args:
        unit: What a token is: ``"characters"``, ``"words"``, ``"bytepairs"``, ``"tokens"``.
        vocabulary: Ids by token.
        merges: Byte pairs, the first that are joined first.
        lowercase: Texts are read in lower case.
        words: The pattern of words, over signs.

    Example:
        >>> tokenizer = Tokenizer("words", {"<unk>": 0, "<eos>": 1, "to": 2, "be": 3}, lowercase=True)
        >>> tokenizer.encode("To be, to bé"), tokenizer.decode([2, 3, 0])
        ([2, 3, 0, 2, 0], 'to be <unk>')
    """

    unk, eos = UNK_ID, EOS_ID

    def __init__(
        self,
        unit: str,
        vocabulary: Mapping[str, int],
        merges: Iterable[tuple[str, str]] = (),
        *,
        lowercase: bool = False,
        words: re.Pattern[str] = WORDS,
    ) -> None:
        self.unit, self.vocabulary, self.lowercase, self.words = unit, vocabulary, lowercase, words
        self.symbols = {number: token for token, number in vocabulary.items()}
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.signs = {byte: sign for sign, byte in BYTES.items()}
        self.known: dict[str, list[int]] = {}

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Reads a ``tokenizer.json``.

        Raises:
            UserError: If it is missing, damaged, or not one that training writes.
        """
        value = read_json(path, LARGEST)
        model, before = _part(value, "model"), _part(value, "pre_tokenizer")
        vocabulary: dict[str, int] = dict(_part(model, "vocab"))
        merges = model.get("merges", [])
        numbered = sorted(map(repr, vocabulary.values())) == sorted(map(repr, range(len(vocabulary))))
        paired = isinstance(merges, list) and all(_is_pair(pair) for pair in merges)
        if not (vocabulary and numbered and paired and model.get("type") in ("BPE", "WordLevel")):
            raise UserError(f"{path}: expected a tokenizer.json that Throughtime wrote; export the run again")
        pattern = str(_part(before, "pattern").get("Regex", ""))
        return cls(
            _unit(value),
            vocabulary,
            [(first, second) for first, second in merges],
            lowercase=_part(value, "normalizer").get("type") == "Lowercase",
            words=WORDS_BEFORE if BEFORE in pattern else WORDS,
        )

    def __repr__(self) -> str:
        return f"Tokenizer({self.unit}, {len(self):,} tokens)"

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without EOS."""
        text = lower(text) if self.lowercase else text
        if self.unit == "bytepairs":
            return [number for part in _cut(GPT, text) for number in self._merged(part)]
        parts: Iterable[str] = text
        if self.unit != "characters":
            parts = PARTED.findall(text) if self.unit == "tokens" else _cut(self.words, text)
        return [self.vocabulary.get(part, UNK_ID) for part in parts]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The tokens as the vocabulary writes them."""
        return [self.symbols.get(number, UNK) for number in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; words are joined as in print."""
        return "".join(self.stream(ids))

    def stream(self, ids: Iterable[int], line_ends: bool = False) -> Iterator[str]:
        """The text of ids, piece by piece as they come; see :func:`throughtime.runtime.text.spelling.pieces`."""
        return pieces(ids, self.symbols.get, self.unit, line_ends)

    def _merged(self, part: str) -> list[int]:
        """The byte pairs of a part of a text that none reaches over; the pair learnt first is joined first."""
        if part not in self.known:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            tokens = [self.signs[byte] for byte in part.encode()]
            while len(tokens) > 1:
                best = min(pairwise(tokens), key=lambda pair: self.ranks.get(pair, len(self.ranks)))
                if best not in self.ranks:
                    break
                tokens = _joined(tokens, best)
            self.known[part] = [self.vocabulary[token] for token in tokens]
        return self.known[part]


def _joined(tokens: list[str], pair: tuple[str, str]) -> list[str]:
    """Tokens, a pair as one wherever it stands, from the left.

    Example:
        >>> _joined(["a", "a", "a", "b"], ("a", "a"))
        ['aa', 'a', 'b']
    """
    found: list[str] = []
    at = 0
    while at < len(tokens):
        both = tuple(tokens[at : at + 2]) == pair
        found.append("".join(pair) if both else tokens[at])
        at += 2 if both else 1
    return found


def _cut(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    """Parts of a text where a pattern finds its signs."""
    return (text[match.start() : match.end()] for match in pattern.finditer(signs(text)))


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _unit(value: Mapping[str, Any]) -> str:
    if _part(value, "model").get("type") == "BPE":
        return "bytepairs"
    if _part(value, "pre_tokenizer").get("type") == "WhitespaceSplit":
        return "tokens"
    return "characters" if _part(value, "decoder").get("type") == "Fuse" else "words"


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(token, str) for token in value)
