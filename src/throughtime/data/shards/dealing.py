"""Which texts of shards are held out: every n-th, or the last ones, told by where they stand in all shards together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from throughtime.data.shards.documents import shard_pieces
from throughtime.data.shards.names import Shard
from throughtime.data.text.corpus import Split
from throughtime.data.text.files import END, Pieces, line_ends, lines
from throughtime.runtime.reading.encodings import reading_as


@dataclass(frozen=True)
class Reading:
    """How shards are read.

    Attributes:
        field: Of records: where the text stands.
        split: How texts are divided.
        encoding: Of text that is not UTF-8.
    """

    field: str
    split: Split
    encoding: str | None = None

    def pieces(self, shard: Shard) -> Pieces:
        """The texts of a shard, each line one of them where it is meant so."""
        with reading_as(self.encoding):
            found = shard_pieces(shard, self.field)
            if self.split.sentences:
                found = lines(found)
            elif self.split.line_ends:
                found = line_ends(found)
            yield from found


@dataclass(frozen=True)
class Place:
    """Where something stands in all shards together.

    Attributes:
        characters: Before it.
        texts: That end before it.
    """

    characters: int = 0
    texts: int = 0

    def after(self, piece: str | None, each_line: bool) -> Place:
        """The place behind a piece that stands here."""
        if piece is END:
            return Place(self.characters + each_line, self.texts + 1)
        return Place(self.characters + len(piece), self.texts)


@dataclass(frozen=True)
class Deal:
    """What is held out.

    Attributes:
        each_line: A text is a line: its break counts as a character.
        every: Of texts, which one; None: not so.
        cut: What begins behind so many characters; None: nothing.
        whole: Texts stand on one side whole; else their pieces, which mostly are lines, are parted.
    """

    each_line: bool
    every: int | None = None
    cut: int | None = None
    whole: bool = True

    def sides(self, pieces: Pieces, place: Place) -> Iterator[tuple[bool, str | None]]:
        """Pieces that stand at a place, each with whether it is held out.

        Example:
            >>> list(Deal(True, cut=3).sides(iter(["abcd", None, "e", None]), Place()))
            [(False, 'abcd'), (False, None), (True, 'e'), (True, None)]
        """
        held, inside = False, False
        characters, texts = place.characters, place.texts
        for piece in pieces:
            if not inside or not (self.whole or piece is END):
                held = self._is_held(characters, texts)
            yield held, piece
            inside = piece is not END
            characters += int(self.each_line) if piece is END else len(piece)
            texts += piece is END

    def _is_held(self, characters: int, texts: int) -> bool:
        if self.every is not None:
            return (texts + 1) % self.every == 0
        return self.cut is not None and characters >= self.cut
