"""The text of a file, in pieces of bounded size, and its lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from throughtime.errors import UserError
from throughtime.plain import open_regular
from throughtime.runtime.reading.encodings import UTF_8, encoding_of, undecodable

PIECE = 1 << 16
"""Most characters of a piece: a file without a single line break is read in bounded memory, too."""

BLOCK = 1 << 20
"""Characters that are divided into lines together."""

LONGEST = 1 << 28
"""Characters of a line: the longest human chromosome fits in one."""


def read_file(path: Path) -> Iterator[str]:
    r"""A file's text in pieces; in which encoding, see :func:`throughtime.runtime.reading.encodings.reading_as`.

    Lines end at ``"\n"`` or ``"\r\n"``; a lone ``"\r"`` ends them only where the file has no ``"\n"``. Other separators
    of Unicode are signs in a line. A piece that ends inside a line ends before a space, where it has one.

    Raises:
        UserError: If it cannot be read, is binary, or is not in its encoding.
    """
    with _opened(path) as text:
        yield from pieces_of(text)


def file_lines(path: Path) -> Iterator[str]:
    """A file's lines, up to :data:`LONGEST` characters each, with their line breaks.

    Raises:
        UserError: As :func:`read_file`, or if a line is longer.
    """
    with _opened(path) as text:
        begun: list[str] = []
        number, size = 1, 0
        for block in iter(partial(text.read, BLOCK), ""):
            begun.append(block)
            size += len(block)
            if "\n" in block:
                lines = StringIO("".join(begun).replace("\r\n", "\n"), newline="\n").readlines()
                begun = [] if lines[-1].endswith("\n") else [lines.pop()]
                size = sum(map(len, begun))
                number += len(lines)
                yield from lines
            if size > LONGEST:
                raise UserError(f"{path}:{number}: expected lines of at most {LONGEST:,} characters, got a longer one")
        if begun:
            yield "".join(begun)


@contextmanager
def _opened(path: Path) -> Iterator[TextIOWrapper]:
    """A file as text, in its encoding, its line breaks as :func:`read_file` takes them."""
    encoding = UTF_8
    try:
        with open_regular(path) as file:
            encoding = encoding_of(path, file)
            newline = "\n" if _has_newline(file, encoding) else None
            with TextIOWrapper(file, encoding=encoding, newline=newline) as text:
                yield text
    except UnicodeError as error:  # that of UTF-16 without its mark is no UnicodeDecodeError
        raise undecodable(path, encoding) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def stdin_lines(encoding: str | None = None) -> Iterator[str]:
    """The lines of standard input, as they come.

    Raises:
        UserError: If they are not in their encoding, UTF-8 where none is named.
    """
    if encoding is not None and isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding=encoding)
    try:
        for line in sys.stdin:  # noqa: UP028  yield from would close it
            yield line
    except UnicodeError as error:
        raise UserError(
            f"expected text in {encoding or 'UTF-8'} on standard input, got other bytes; pass --encoding, as in cp1252"
        ) from error


def _has_newline(file: BinaryIO, encoding: str) -> bool:
    """Whether there is a line break in a file, which is at its beginning then as before."""
    text = TextIOWrapper(file, encoding=encoding, newline="")
    try:
        return any("\n" in chunk for chunk in iter(partial(text.read, PIECE), ""))
    finally:
        text.detach()
        file.seek(0)


def pieces_of(text: TextIO) -> Iterator[str]:
    r"""What is left of an open text, in pieces as of :func:`read_file`.

    Example:
        >>> from io import StringIO
        >>> list(pieces_of(StringIO("one\r\ntwo", newline="\n")))
        ['one\n', 'two']
    """
    held = ""
    while piece := held + text.readline(PIECE - len(held)):
        if piece.endswith("\n"):
            yield f"{piece[:-2]}\n" if piece.endswith("\r\n") else piece
            held = ""
        elif len(piece) < PIECE:
            yield piece
            return
        else:
            cut = next((at for at in range(PIECE - 1, 0, -1) if piece[at].isspace()), PIECE)
            yield piece[:cut]
            held = piece[cut:]
