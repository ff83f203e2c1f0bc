"""Shards as files of token ids, a chunk each, which one file is made of in the end: killed at any time, it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from throughtime.data.shards.dealing import Deal, Place, Reading
from throughtime.data.shards.names import Shard
from throughtime.data.shards.survey import Seen
from throughtime.data.text.corpus import TokenFile, encode_to_file
from throughtime.data.text.files import END
from throughtime.data.text.tokenizer import Tokenizer
from throughtime.errors import UserError
from throughtime.files import write_chunks, write_json
from throughtime.plain import open_regular, read_text
from throughtime.schema import checked_json

CHUNK = 1 << 23
"""Characters of a chunk, about: what a kill costs."""

PIECES = 1 << 17
"""Of a chunk, at most."""

PARTS = ("train", "valid")
"""What is learnt from, and what is held out."""

COPIED = 1 << 22
"""Bytes of ids that are copied at once."""


@dataclass(frozen=True)
class Job:
    """What one process encodes of a shard: of its chunks every ``of``-th, from the ``share``-th."""

    number: int
    shard: Shard
    place: Place
    share: int = 0
    of: int = 1


@dataclass(frozen=True)
class Encode:
    """Encodes shards, in a process of its own.

    Attributes:
        reading: How they are read.
        deal: What is held out.
        folder: Where the chunks are written, and the tokenizer stands.
        pieces: Of a chunk, at most: short lines take more memory than letters.
    """

    reading: Reading
    deal: Deal
    folder: Path
    pieces: int = field(default_factory=lambda: PIECES)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """As it was learnt."""
        return Tokenizer.load(self.folder / "tokenizer.json")

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("reading", "deal", "folder", "pieces")}

    def __call__(self, job: Job) -> Iterator[int]:
        """Writes the chunks of a job that are not there yet; gives their characters, as they are done.

        Raises:
            UserError: If the shard is broken; names the line.
        """
        number = -1
        for number, chunk in enumerate(self._chunks(job)):
            file = told_file(self.folder, job.number, number)
            if number % job.of == job.share and not file.exists():
                yield self._write(file, chunk)
        write_json(count_file(self.folder, job.number), {"chunks": number + 1})

    def _chunks(self, job: Job) -> Iterator[list[tuple[bool, str | None]]]:
        """The pieces of a shard, some at a time, cut at the same places whoever reads them."""
        chunk: list[tuple[bool, str | None]] = []
        size = 0
        for held, piece in self.deal.sides(self.reading.pieces(job.shard), job.place):
            chunk.append((held, piece))
            size += 0 if piece is END else len(piece)
            if size >= CHUNK or len(chunk) >= self.pieces:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _write(self, file: Path, chunk: Sequence[tuple[bool, str | None]]) -> int:
        """Writes the ids of a chunk, and last of all that it is whole."""
        told = {}
        for held, part in enumerate(PARTS):
            pieces = [piece for side, piece in chunk if side == bool(held)]
            if pieces:
                ids = ids_file(file, part)
                told[part] = encode_to_file(pieces, self.tokenizer, ids, self.deal.each_line).to_json()
        write_json(file, told)
        return sum(found["characters"] for found in told.values())


def told_file(folder: Path, shard: int, chunk: int) -> Path:
    """Where it is written what a chunk comes to, once it is whole."""
    return folder / f"{shard:06d}.{chunk:06d}.json"


def count_file(folder: Path, shard: int) -> Path:
    """Where it is written how many chunks a shard has, once it was read to its end."""
    return folder / f"{shard:06d}.chunks.json"


def ids_file(told: Path, part: str) -> Path:
    """Where the ids of a chunk's part stand."""
    return told.with_suffix(f".{part}.ids")


Told = dict[str, TokenFile]
"""The files of a chunk, by part."""

_TOLD, _COUNT = TypeAdapter(Told), TypeAdapter(dict[str, int])


def chunks_of(folder: Path, shard: int) -> list[Told]:
    """The chunks of a shard that are whole, in order.

    Raises:
        UserError: If a file is damaged.
    """
    found = []
    for path in sorted(folder.glob(f"{shard:06d}.{'[0-9]' * 6}.json")):
        told = checked_json(_TOLD, read_text(path), str(path))
        found.append({part: TokenFile.from_json(folder, one.to_json()) for part, one in told.items()})
    return found


def is_encoded(folder: Path, shard: int) -> bool:
    """Whether all chunks of a shard are there."""
    path = count_file(folder, shard)
    if not path.exists():
        return False
    wanted = checked_json(_COUNT, read_text(path), str(path)).get("chunks", -1)
    return sum(1 for _ in folder.glob(f"{shard:06d}.{'[0-9]' * 6}.json")) == wanted


def characters_of(chunks: Iterable[Told]) -> int:
    """Of chunks, all parts together."""
    return sum(file.characters for told in chunks for file in told.values())


def jobs_for(shards: Sequence[Shard], places: Sequence[Place], folder: Path, workers: int) -> list[Job]:
    """What is left to be encoded, the largest first: fewer shards than processes are read by several of them each."""
    left = [(shard.size, number) for number, shard in enumerate(shards) if not is_encoded(folder, number)]
    of = -(-workers // max(1, len(left)))
    order = [number for _, number in sorted(left, key=lambda found: (-found[0], found[1]))]
    return [Job(n, shards[n], places[n], share, of) for n in order for share in range(of)]


def joined(folder: Path, shards: Sequence[Shard], seen: Sequence[Seen], out: Path) -> dict[str, TokenFile]:
    """The files of ids of all chunks in order, one for each part that there is.

    Args:
        folder: With the chunks.
        shards: That they were made of.
        seen: What each of those came to at first.
        out: A folder for the files.

    Raises:
        UserError: If a shard is not what it was.
    """
    chunks = []
    for number, (shard, one) in enumerate(zip(shards, seen, strict=True)):
        found = chunks_of(folder, number)
        if (there := characters_of(found)) != one.characters:
            raise UserError(
                f"{shard.name}: expected {one.characters:,} characters, as at first, got {there:,}: it was written "
                f"again while it was read; remove {folder} to begin anew"
            )
        chunks += found
    made = {}
    for part in PARTS:
        files = [told[part] for told in chunks if part in told]
        if files:
            path = out / f"{part}.ids"
            write_chunks(path, (block for file in files for block in _blocks(file)))
            total = (sum(getattr(file, name) for file in files) for name in ("tokens", "characters", "unknown"))
            made[part] = TokenFile(path, files[0].wide, *total)
    return made


def _blocks(file: TokenFile) -> Iterator[bytes]:
    size = file.tokens * (4 if file.wide else 2)
    with open_regular(file.path) as opened:
        while block := opened.read(COPIED):
            size -= len(block)
            yield block
    if size:
        raise UserError(f"{file.path}: expected {file.tokens:,} ids; it is damaged: remove {file.path.parent}")
