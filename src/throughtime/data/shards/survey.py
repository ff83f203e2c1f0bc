"""A first look at shards: whether they can be read, what they come to, and a sample to learn a vocabulary from."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from throughtime.data.shards.dealing import Deal, Place, Reading
from throughtime.data.shards.names import Shard
from throughtime.data.text.files import END
from throughtime.files import write_json
from throughtime.plain import read_text
from throughtime.runtime.reading.notes import noting
from throughtime.schema import checked_json

BLOCK = 1 << 16
"""Characters of a part of the sample, about."""

TELL = 1 << 24
"""Characters after which it is told how many were read."""


@dataclass(frozen=True)
class Block:
    """A part of the sample: pieces, and where they stand in their shard."""

    characters: int
    texts: int
    pieces: list[str | None]


@dataclass(frozen=True)
class Seen:
    """What a shard comes to.

    Attributes:
        characters: Of its texts; a line as a text counts its line break.
        texts: How many there are.
        taken: How it was read, as readers note it.
        left_out: What was left out, by the reason.
        sample: Some of it.
    """

    characters: int
    texts: int
    taken: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    sample: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Look:
    """Looks at shards, in a process of its own.

    Attributes:
        reading: How they are read.
        seed: Of the sample.
        folder: Where what is found is written, for who goes on after a kill.
    """

    reading: Reading
    seed: int
    folder: Path

    def __call__(self, job: tuple[int, Shard, int]) -> Iterator[int]:
        """Looks at a shard, of a number, for a sample of so many characters; gives those that were read, as they are.

        Raises:
            UserError: If it is broken; names the line.
        """
        number, shard, budget = job
        random = np.random.default_rng([self.seed, number])
        kept: list[tuple[float, int, Block]] = []
        held, told, each_line = 0, 0, self.reading.split.each_line
        with noting() as notes:
            place, begin, block, size = Place(), Place(), list[str | None](), 0

            def keep() -> int:
                """Takes a block into the sample, whose blocks of the least numbers drawn stay."""
                heapq.heappush(kept, (-random.random(), begin.texts, Block(begin.characters, begin.texts, block)))
                grown = held + size
                while grown > budget and len(kept) > 1:
                    *_, dropped = heapq.heappop(kept)
                    grown -= sum(len(piece or "") for piece in dropped.pieces)
                return grown

            for piece in self.reading.pieces(shard):
                block.append(piece)
                size += 0 if piece is END else len(piece)
                place = place.after(piece, each_line)
                if size >= BLOCK or len(block) >= BLOCK:
                    held = keep()
                    begin, block, size = place, [], 0
                if place.characters - told >= TELL:
                    yield place.characters - told
                    told = place.characters
            if block:
                held = keep()
        sample = sorted((block for *_, block in kept), key=lambda found: (found.characters, found.texts))
        seen = Seen(place.characters, place.texts, notes.taken, notes.left_out, sample)
        write_json(seen_file(self.folder, number), asdict(seen))
        yield place.characters - told


_SEEN = TypeAdapter(Seen)


def seen_file(folder: Path, number: int) -> Path:
    """Where it is written what a shard comes to."""
    return folder / f"{number:06d}.seen.json"


def load_seen(folder: Path, number: int) -> Seen:
    """What a shard comes to, as it was written.

    Raises:
        UserError: If the file is damaged.
    """
    path = seen_file(folder, number)
    return checked_json(_SEEN, read_text(path), str(path))


def budgets(shards: Sequence[Shard], characters: int) -> list[int]:
    """How many characters of each shard go into a sample of so many: as large a share of each.

    Example:
        >>> budgets([Shard("a", 30), Shard("b", 10)], 100)
        [75, 25]
    """
    total = max(1, sum(shard.size for shard in shards))
    return [characters * shard.size // total for shard in shards]


def places(seen: Sequence[Seen]) -> list[Place]:
    """Where each shard begins."""
    characters = accumulate((one.characters for one in seen), initial=0)
    texts = accumulate((one.texts for one in seen), initial=0)
    return [Place(c, t) for c, t in zip(characters, texts, strict=True)][: len(seen)]


def sampled(seen: Sequence[Seen], deal: Deal) -> Iterator[str]:
    """The sample, without what is held out."""
    for one, place in zip(seen, places(seen), strict=True):
        for block in one.sample:
            at = Place(place.characters + block.characters, place.texts + block.texts)
            for held, piece in deal.sides(iter(block.pieces), at):
                if not held and piece is not END:
                    yield piece
