"""Which bytes stand for which letters: as a file's own mark says, as the user says, else UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from encodings.aliases import aliases
from functools import cache
from pathlib import Path
from typing import BinaryIO

from throughtime.errors import UserError, nearest
from throughtime.plain import open_regular
from throughtime.runtime.reading.notes import note

UTF_8 = "utf-8-sig"
"""With its mark, or without."""

MARKS = {
    codecs.BOM_UTF8: UTF_8,
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""What the first bytes of a file say; that of UTF-32 begins like that of UTF-16."""

PACKED = {b"\x1f\x8b": "gunzip", b"BZh91AY&SY": "bunzip2", b"\xfd7zXZ\0": "unxz", b"(\xb5/\xfd": "unzstd"}
"""What the first bytes of a packed file are, and what unpacks it."""

OFFERED = ("cp1252", "latin-1")
"""What is tried for a message where a file is not UTF-8: the Windows of the west, then what takes any bytes."""

SHOWN = 40
"""Letters of a line that a message shows."""

PIECE = 1 << 20
"""Bytes that are looked at together."""

_asked: ContextVar[str | None] = ContextVar("encoding", default=None)


@contextmanager
def reading_as(*encodings: str | None) -> Iterator[None]:
    """Files of text that are read in the block are in the first encoding that is not None; else as outside of it.

    What says by its mark that it is in another one, and what has letters that are UTF-8, is read so all the same.
    """
    before = _asked.set(next((encoding for encoding in encodings if encoding is not None), _asked.get()))
    try:
        yield
    finally:
        _asked.reset(before)


def asked_encoding() -> str | None:
    """What :func:`reading_as` says."""
    return _asked.get()


@cache
def known_encodings() -> frozenset[str]:
    """Names of encodings of text, without those that Python gives to other things, such as ``hex``."""
    names = {name for name in aliases.values() if getattr(_codec(name), "_is_text_encoding", False)}
    return frozenset(name.replace("_", "-") for name in names) | {"latin-1", "utf-8-sig"}


def _codec(name: str) -> codecs.CodecInfo | None:
    try:
        return codecs.lookup(name)
    except LookupError:  # those of another system
        return None


def check_encoding(name: str) -> str:
    """The name, if it is one of an encoding of text.

    Raises:
        ValueError: If there is none of that name; names the nearest.

    Example:
        >>> check_encoding("cp1252"), check_encoding("Latin1"), check_encoding("UTF16")
        ('cp1252', 'Latin1', 'UTF16')
    """
    plain = name.lower().replace("_", "-").replace(" ", "-")
    alias = aliases.get(plain.replace("-", "_"), plain).replace("_", "-")
    if not {plain, alias} & known_encodings():
        raise ValueError(f"expected an encoding such as cp1252, utf-16 or shift-jis{nearest(plain, known_encodings())}")
    return name


def encoding_of(path: Path, file: BinaryIO) -> str:
    """How a file of text is encoded; leaves it at its beginning.

    Raises:
        UserError: If it is binary, or packed.
    """
    head = file.read(8192)
    for mark, unpack in PACKED.items():
        if head.startswith(mark):
            raise UserError(f"{path}: expected a text file, got a packed one; unpack it first: {unpack} {path}")
    found = next((name for mark, name in MARKS.items() if head.startswith(mark)), None) or _told(path, file, head)
    if found in ("utf-16", "utf-32") and found != _asked.get():
        note(f"{path}: read as {found.upper()}, as its first bytes say")
    file.seek(0)
    return found


def _told(path: Path, file: BinaryIO, head: bytes) -> str:
    """What the user says of a file without a mark; UTF-8 where it is so."""
    asked = _asked.get()
    if asked is None or codecs.lookup(asked).name == "utf-8":
        _refuse_binary(path, head)
        return UTF_8
    if _is_utf_8(file, head):
        note(f"{path}: read as UTF-8, which it is, not as {asked}")
        return UTF_8
    return asked


def _is_utf_8(file: BinaryIO, head: bytes) -> bool:
    """Whether a file has letters beyond ASCII, and all of them are UTF-8: text in another encoding never is so."""
    decoder, beyond, piece = codecs.getincrementaldecoder(UTF_8)(), False, head
    try:
        while piece:
            beyond = not decoder.decode(piece).isascii() or beyond
            piece = file.read(PIECE)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return beyond


def _refuse_binary(path: Path, head: bytes) -> None:
    if b"\0" not in head:
        return
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) > 3 and max(even, odd) > len(head) // 4 and min(even, odd) == 0:
        name = "utf-16-le" if odd else "utf-16-be"
        raise UserError(
            f"{path}: expected text in UTF-8, got what looks like UTF-16 without its mark; pass --encoding {name}"
        )
    raise UserError(f"{path}: expected a text file, got a binary one (it holds zero bytes)")


def undecodable(path: Path, encoding: str) -> UserError:
    """What to raise where a file is not in its encoding: with the line, and with an encoding that reads it."""
    name = "UTF-8" if encoding == UTF_8 else encoding
    number, line = _broken_line(path, encoding)
    if not number:
        return UserError(f"{path}: expected text in {name}, got other bytes; pass another --encoding, or mend it")
    where = f"{path}: expected text in {name}, got other bytes in line {number}"
    if encoding != UTF_8:
        return UserError(f"{where}; pass another --encoding")
    offered = next(offer for offer in OFFERED if _decoded(line, offer) is not None)
    text = " ".join((_decoded(line, offered) or "").split())
    begin = next((at for at, letter in enumerate(text) if not letter.isascii()), 0)
    begin = max(0, begin - SHOWN // 2)
    shown = f"{'…' * (begin > 0)}{text[begin : begin + SHOWN]}{'…' * (len(text) > begin + SHOWN)}"
    return UserError(f"{where}; pass --encoding {offered} if this is how it reads, or that of its language: {shown!r}")


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _broken_line(path: Path, encoding: str) -> tuple[int, bytes]:
    """The number and the bytes of the first line that cannot be read; 0 where lines cannot be told apart."""
    if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        return 0, b""
    with open_regular(path) as file:
        for number, line in enumerate(file, 1):
            if _decoded(line, encoding) is None:
                return number, line
    return 0, b""
