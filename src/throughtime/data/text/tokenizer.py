"""Text to token ids and back: characters, words, byte pairs or what spaces part, on the ``tokenizers`` library.

One ``tokenizer.json`` holds all of it; any program that knows the format can read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers.normalizers import Lowercase

from throughtime.data.text.tokenizer_file import LARGEST, accept
from throughtime.errors import UserError, listed, several
from throughtime.files import write_text
from throughtime.plain import parse_object, read_text
from throughtime.runtime.text.spelling import BYTES, EOS, EOS_ID, UNK, UNK_ID, pieces

Unit = Literal["characters", "words", "bytepairs", "tokens"]

# A letter, a digit, a line below, and the marks and joiners that belong to them, as in throughtime.data.text.words.
_L = r"[\p{L}\p{N}\p{M}_\x{200c}\x{200d}]"
# A line break, a word with its inner apostrophes and hyphens, or one other sign with its marks.
WORD = rf"\n|{_L}+(?:['’\-]{_L}+)*|[^\p{{L}}\p{{N}}_\s][\p{{M}}\x{{200c}}\x{{200d}}]*"
WORD_BEFORE = r"\n|\w+(?:['’\-]\w+)*|[^\w\s]"
"""What older folders hold, which read words as they learnt them."""


class Tokenizer:
    """A trained tokenizer. Ids are those of the vocabulary; :data:`UNK` is 0, :data:`EOS` is 1.

    Words and characters are numbered by falling count, so that an adaptive softmax can cut by id.

    Of the unit ``tokens`` is whatever stands between spaces, for text that is tokenised already; ``<unk>`` and
    ``<eos>`` in it are UNK and EOS themselves.
    """

    unk = UNK_ID
    eos = EOS_ID

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        # A text that happens to hold "<eos>" must not end there, unless all of its tokens stand between spaces.
        inner.encode_special_tokens = True
        self.inner = inner

    def __repr__(self) -> str:
        return f"Tokenizer({self.unit}, {len(self):,} tokens)"

    @classmethod
    def train(
        cls,
        pieces: Iterable[str],
        unit: Unit = "characters",
        *,
        min_count: int = 1,
        max_size: int | None = None,
        lowercase: bool = False,
    ) -> Tokenizer:
        """Learns a vocabulary from text.

        Args:
            pieces: The text; tokens do not reach over the end of a piece.
            unit: What a token is.
            min_count: Rarer tokens become UNK (byte pairs: rarer pairs are not merged).
            max_size: Most tokens of the vocabulary, UNK and EOS counted; by default all words or characters,
                8,000 byte pairs.
            lowercase: Read everything in lower case.

        Raises:
            UserError: If fewer than two different symbols are left, or the size is too small for the unit.

        Example:
            >>> tokenizer = Tokenizer.train(["To be or not to be"], "words", lowercase=True)
            >>> tokenizer.tokens(tokenizer.encode("not to bee"))
            ['not', 'to', '<unk>']
        """
        several(pieces, "pieces")
        inner, trainer = _untrained(unit, min_count, max_size)
        if lowercase:
            inner.normalizer = Lowercase()
        if unit == "tokens":  # the library would number them anew
            named = re.compile(rf"(?<!\S)(?:{UNK}|{EOS})(?!\S)", re.IGNORECASE if lowercase else re.NOFLAG)
            pieces = (named.sub("", piece) for piece in pieces)
        inner.train_from_iterator(pieces, trainer)
        tokenizer = cls(inner)
        if unit != "bytepairs" and len(tokenizer) < 4:
            raise UserError(
                f"expected at least two different {unit} beside UNK and EOS, got a vocabulary of {len(tokenizer) - 2}; "
                "give more text, another unit, or a lower minimum count"
            )
        return tokenizer

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Reads a ``tokenizer.json``.

        Raises:
            UserError: If it is missing, damaged, or not one of this class.
        """
        return cls.parse(read_text(path, LARGEST), str(path))

    @classmethod
    def parse(cls, text: object, where: str) -> Tokenizer:
        """Reads the text of a ``tokenizer.json``.

        Args:
            text: The JSON.
            where: What it is called in an error.

        Raises:
            UserError: If it is damaged, or not one of this class.
        """
        if not isinstance(text, str):
            raise UserError(f"{where}: expected the text of a tokenizer.json, got a {type(text).__name__}")
        parsed = parse_object(text, where)
        templates = {unit: partial(_template, unit) for unit in get_args(Unit)}
        if json.dumps(WORD_BEFORE) in json.dumps(parsed.get("pre_tokenizer")):
            templates["words"] = partial(_template, "words", WORD_BEFORE)
        accepted = accept(parsed, templates, (UNK, EOS), BYTES, where)
        try:
            return cls(tokenizers.Tokenizer.from_str(json.dumps(accepted)))
        except Exception as error:  # the library raises bare Exception for anything it cannot parse
            raise UserError(f"{where}: expected a tokenizer.json, which this is not ({error})") from error

    def save(self, path: Path) -> None:
        """Writes a ``tokenizer.json``, atomically."""
        write_text(path, self.inner.to_str(pretty=True))

    def __len__(self) -> int:
        return int(self.inner.get_vocab_size())

    @property
    def unit(self) -> Unit:
        """What a token is."""
        if isinstance(self.inner.model, models.BPE):
            return "bytepairs"
        if isinstance(self.inner.pre_tokenizer, pre_tokenizers.WhitespaceSplit):
            return "tokens"
        return "characters" if isinstance(self.inner.decoder, decoders.Fuse) else "words"

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without EOS."""
        return list(self.inner.encode(text, add_special_tokens=False).ids)

    def encode_many(self, texts: list[str]) -> list[list[int]]:
        """The ids of many texts, on all cores."""
        return [encoding.ids for encoding in self.inner.encode_batch_fast(texts, add_special_tokens=False)]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The tokens as the vocabulary writes them."""
        return [self.inner.id_to_token(i) or UNK for i in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; words are joined as in print."""
        return "".join(self.stream(ids))

    def stream(self, ids: Iterable[int], line_ends: bool = False) -> Iterator[str]:
        """The text of ids, piece by piece as they come; bytes of an unfinished character are held back.

        Args:
            ids: Of tokens.
            line_ends: EOS is a line break.
        """
        return pieces(ids, self.inner.id_to_token, self.unit, line_ends)


def _untrained(
    unit: Unit, min_count: int, max_size: int | None, word: str = WORD
) -> tuple[tokenizers.Tokenizer, trainers.WordLevelTrainer | trainers.BpeTrainer]:
    if unit not in get_args(Unit):
        raise UserError(f"unknown unit {unit!r}; units: {listed(get_args(Unit))}")
    if unit == "bytepairs":
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        smallest = len(alphabet) + 2
        if max_size is not None and max_size < smallest:
            raise UserError(
                f"expected a vocabulary of at least {smallest} byte pairs (every byte, UNK, EOS), got {max_size}"
            )
        inner = tokenizers.Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        return inner, trainers.BpeTrainer(
            vocab_size=max_size or 8000,
            min_frequency=min_count,
            special_tokens=[UNK, EOS],
            initial_alphabet=alphabet,
            show_progress=False,
        )
    inner = tokenizers.Tokenizer(models.WordLevel(unk_token=UNK))
    if unit == "characters":
        inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        inner.decoder = decoders.Fuse()
    elif unit == "tokens":
        inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    else:
        inner.pre_tokenizer = pre_tokenizers.Split(Regex(word), "removed", invert=True)
    return inner, trainers.WordLevelTrainer(
        vocab_size=max_size or 2**31, min_frequency=min_count, special_tokens=[UNK, EOS], show_progress=False
    )


def _template(unit: Unit, word: str = WORD) -> dict[str, Any]:
    """What a tokenizer of that unit is written as, untrained."""
    template: dict[str, Any] = json.loads(_untrained(unit, 1, None, word)[0].to_str())
    return template
