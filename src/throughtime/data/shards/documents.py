"""The texts of shards, one after the other, in pieces of bounded size; what is wrong is told with shard and line."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from throughtime.data.shards.names import Shard, find_shards, open_bytes
from throughtime.data.shards.packed import PackedError, unpacked
from throughtime.data.shards.parquet import parquet_texts
from throughtime.data.text.files import END, Pieces
from throughtime.errors import UserError, listed, nearest, shown
from throughtime.plain import parse_object
from throughtime.runtime.reading.encodings import MARKS, UTF_8, asked_encoding
from throughtime.runtime.reading.files import pieces_of
from throughtime.runtime.reading.notes import leave_out

FIELD = "text"
"""Of a record: where its text stands, unless another field or column is named."""

LONGEST = 1 << 26
"""Bytes of a record's line, at most."""


class ShardTexts:
    """The texts of shards: a file of text is one, as is every record.

    Args:
        names: Paths, folders, patterns and addresses, see :func:`~throughtime.data.shards.names.find_shards`.
        field: Of records: where the text stands.

    Raises:
        UserError: If a name stands for no shard.
    """

    def __init__(self, names: Sequence[str], field: str | None = None) -> None:
        self.shards, self.field = find_shards(names), field or FIELD

    @property
    def whole(self) -> bool:
        """Whether texts are records, which no cut goes through."""
        return all(shard.kind != "text" for shard in self.shards)

    def read(self) -> Pieces:
        """The texts, from the first; see :class:`~throughtime.data.text.files.Texts`."""
        for shard in self.shards:
            yield from shard_pieces(shard, self.field)


def shard_pieces(shard: Shard, field: str = FIELD) -> Pieces:
    """The texts of a shard, in pieces; those in which nothing stands are left out, and counted in a note.

    Raises:
        UserError: If it is damaged, cut off, or not what its name says; names the line, or about where.
    """
    left_out = 0
    for text in _texts(shard, field):
        empty = True
        for piece in text:
            empty = False
            yield piece
        if empty:
            left_out += 1
        else:
            yield END
    if left_out:
        leave_out(f"{shard.name}: {left_out:,}", "nothing stands in the text")


def _texts(shard: Shard, field: str) -> Iterator[Iterator[str]]:
    if shard.kind == "parquet":
        with open_bytes(shard) as file:
            yield from map(_in_pieces, parquet_texts(shard.name, file, field))
    elif shard.kind == "records":
        yield from map(_in_pieces, _record_texts(shard, field))
    else:
        yield _running_text(shard)


def _in_pieces(text: str) -> Iterator[str]:
    return pieces_of(io.StringIO(text, newline="\n"))


def _running_text(shard: Shard) -> Iterator[str]:
    line = 1
    with open_bytes(shard) as raw:
        try:
            file = unpacked(raw, shard.packing)
            text = io.TextIOWrapper(file, encoding=_encoding(shard, file), newline="\n")
            for piece in pieces_of(text):
                yield piece
                line += piece.endswith("\n")
        except PackedError as error:
            raise UserError(f"{shard.name}: about line {line:,}: {error}; get it anew, or leave it out") from error
        except UnicodeError as error:
            name = asked_encoding() or "UTF-8"
            raise UserError(
                f"{shard.name}: about line {line:,}: expected text in {name}, got other bytes; pass --encoding"
            ) from error
        text.detach()


def _encoding(shard: Shard, file: BinaryIO) -> str:
    """As its first bytes say, or the user."""
    head = file.peek(4096)[:4096] if isinstance(file, io.BufferedReader) else b""
    found = next((name for mark, name in MARKS.items() if head.startswith(mark)), None)
    if found is not None:
        return found
    if b"\0" in head and asked_encoding() is None:
        raise UserError(f"{shard.name}: expected text, got a binary file (it holds zero bytes); leave it out")
    return asked_encoding() or UTF_8


def _record_texts(shard: Shard, field: str) -> Iterator[str]:
    """The text of every line that is not blank; "" where there is none."""
    number = 0
    with open_bytes(shard) as raw:
        file = unpacked(raw, shard.packing)
        while line := _record(shard, number + 1, file):
            number += 1
            if line.strip():
                yield _text_of(line, f"{shard.name}:{number}", field)


def _record(shard: Shard, number: int, file: BinaryIO) -> bytes:
    with _at(f"{shard.name}:{number}"):
        line = file.readline(LONGEST + 1)
    if len(line) > LONGEST:
        raise UserError(f"{shard.name}:{number}: expected records of at most {LONGEST:,} bytes, got a longer one")
    return line


@contextmanager
def _at(where: str) -> Iterator[None]:
    try:
        yield
    except PackedError as error:
        raise UserError(f"{where}: {error}; get the file anew, or leave it out") from error


def _text_of(line: bytes, where: str, field: str) -> str:
    try:
        record = parse_object(line.decode(UTF_8), where)
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: expected JSON in UTF-8, got other bytes; the file is damaged") from error
    if field not in record:
        has = f"it has {listed(record)}{nearest(field, record)}" if record else "it is empty"
        raise UserError(f"{where}: expected the text under {field!r}; {has}; pass --text-column NAME")
    text = record[field]
    if not isinstance(text, str | None):
        raise UserError(f"{where}: expected a text under {field!r}, got {shown(text)}; pass --text-column NAME")
    return text or ""
