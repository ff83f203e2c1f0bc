"""From texts to a tokenizer and files of token ids that are read through a memory map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.data.batches import Ids
from throughtime.data.progress import report
from throughtime.data.text.files import END, Pieces, Texts, line_ends, lines, place_cut, split_at, split_lines
from throughtime.data.text.tokenizer import Tokenizer, Unit
from throughtime.errors import UserError
from throughtime.files import write_chunks

GROUP = 1 << 18
"""Characters encoded together, about: enough to keep the cores busy; an id takes some 60 bytes until it is written."""


@dataclass(frozen=True)
class TokenFile:
    """A file of token ids: unsigned 16-bit where the vocabulary allows it, else 32-bit, little endian.

    Attributes:
        path: The file.
        wide: 32-bit.
        tokens: Ids in it, EOS counted.
        characters: Characters of the text behind them; a line as a text counts its line break.
        unknown: Tokens that are UNK.
    """

    path: Path
    wide: bool
    tokens: int
    characters: int
    unknown: int

    def ids(self, vocabulary: int) -> Ids:
        """The ids, through a memory map.

        Args:
            vocabulary: No id reaches it.

        Raises:
            UserError: If the file is missing or was cut, or holds other ids.
        """
        kind = np.dtype("<u4" if self.wide else "<u2")
        if not self.path.is_file() or self.path.stat().st_size != self.tokens * kind.itemsize:
            raise UserError(f"{self.path}: expected a file of {self.tokens} token ids; it is missing or damaged")
        if not self.tokens:
            return np.zeros(0, kind)
        ids = np.memmap(self.path, dtype=kind, mode="r", shape=(self.tokens,))
        if (largest := int(ids.max())) >= vocabulary:
            raise UserError(f"{self.path}: expected ids below {vocabulary}, got {largest}; the file is damaged")
        return ids

    def to_json(self) -> dict[str, Any]:
        """As plain data, with the file's name alone: a model folder can be moved."""
        return {**asdict(self), "path": self.path.name}

    @classmethod
    def from_json(cls, folder: Path, value: Mapping[str, Any]) -> TokenFile:
        """The file described by :meth:`to_json`, in ``folder``."""
        return cls(**{**value, "path": folder / value["path"]})


@dataclass(frozen=True)
class Split:
    """How texts are divided and cut.

    Attributes:
        sentences: Every line is a text of its own.
        held_out: Share for validation: the last characters of running text, or every n-th line.
        whole_lines: A cut in running text moves to the end of its line, or else of its word.
        line_ends: Every line of running text ends in EOS, which stands for its line break.
    """

    sentences: bool
    held_out: float
    whole_lines: bool
    line_ends: bool = False

    @property
    def every(self) -> int:
        """Of sentences, which one is held out."""
        return max(2, round(1 / self.held_out))

    @property
    def each_line(self) -> bool:
        """Whether an EOS is a line's."""
        return self.sentences or self.line_ends


def parts(texts: Texts, valid: Texts | None, split: Split) -> tuple[Pieces, Pieces | None]:
    """Fresh readers of the training and the validation text; the second is None where nothing is held out."""
    found = _parts(texts, valid, split)
    return (line_ends(found[0]), found[1] and line_ends(found[1])) if split.line_ends else found


def _parts(texts: Texts, valid: Texts | None, split: Split) -> tuple[Pieces, Pieces | None]:
    if valid is not None or not split.held_out:
        train, held_out = texts.read(), None if valid is None else valid.read()
        if split.sentences:
            train, held_out = lines(train), None if held_out is None else lines(held_out)
        return train, held_out
    if split.sentences:
        return split_lines(texts.read(), split.every, False), split_lines(texts.read(), split.every, True)
    size = sum(len(piece) for piece in texts.read() if piece is not END)
    cut = int(size * (1 - split.held_out))
    if split.whole_lines:
        cut = place_cut(texts.read(), cut, size)
    return split_at(texts.read(), cut, held_out=False), split_at(texts.read(), cut, held_out=True)


def learn_tokenizer(pieces: Pieces, unit: Unit, **options: Any) -> Tokenizer:
    """Trains a tokenizer on texts; options as in :meth:`Tokenizer.train`.

    Raises:
        UserError: If there is no text, or too little of it.
    """
    texts = (piece for piece in pieces if piece is not END)
    first = next(texts, None)
    if first is None:
        raise UserError("expected text, got none: there is nothing to learn from in these files")
    return Tokenizer.train(chain([first], texts), unit, **options)


def encode_to_file(pieces: Iterable[str | None], tokenizer: Tokenizer, path: Path, each_line: bool) -> TokenFile:
    """Writes the ids of texts, EOS after each, reading and holding only a part at a time.

    Args:
        pieces: The texts.
        tokenizer: Of the ids.
        path: The file.
        each_line: A text is a line: its break counts as a character.
    """
    wide = len(tokenizer) > 1 << 16
    kind = np.dtype("<u4" if wide else "<u2")
    tokens = characters = unknown = 0

    def encode(group: list[str | None]) -> Iterator[bytes]:
        nonlocal tokens, characters, unknown
        encoded = iter(tokenizer.encode_many([piece for piece in group if piece is not END]))
        for piece in group:
            ids = [tokenizer.eos] if piece is END else next(encoded)
            characters += int(each_line) if piece is END else len(piece)
            unknown += ids.count(tokenizer.unk)
            tokens += len(ids)
            yield np.asarray(ids, dtype=kind).tobytes()
        report(characters, None, "characters")

    write_chunks(path, (b"".join(encode(group)) for group in _groups(pieces)))
    return TokenFile(path, wide, tokens, characters, unknown)


def _groups(pieces: Iterable[str | None]) -> Iterator[list[str | None]]:
    group: list[str | None] = []
    size = 0
    for piece in pieces:
        group.append(piece)
        size += 1 if piece is END else len(piece)
        if size >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group
