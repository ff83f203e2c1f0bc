"""Plain text from files, folders, or Python's own manual, in pieces of bounded size."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Protocol

from throughtime.data.encodings import UTF_8, encoding_of, undecodable
from throughtime.data.notes import note
from throughtime.data.parts import below, check_there
from throughtime.errors import UserError, nearest
from throughtime.plain import open_regular
from throughtime.runtime.text.language import lines_of

BUILT_IN = "builtin:python-manual"
"""Names the corpus that every CPython carries: the manual behind ``help("topics")``."""

PIECE = 1 << 16
"""Most characters of a piece: a file without a single line break is read in bounded memory, too."""

LONGEST = 1 << 28
"""Characters of a line: the longest human chromosome fits in one."""

END = None
"""Marks in a stream of pieces that a text ends."""

Pieces = Iterator[str | None]
"""Pieces of texts one after the other, :data:`END` after each text."""


class Texts(Protocol):
    """Texts that can be read again and again."""

    def read(self) -> Pieces:
        """The texts, from the first; a piece ends at a line's end or at :data:`PIECE` characters."""
        ...


class FileTexts:
    """Text files, each one text.

    Args:
        paths: Files, and folders that are searched for ``*.txt`` at any depth.

    Raises:
        UserError: If a path does not exist, or a folder holds no text.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.files = [file for path in paths for file in _files(path)]

    def read(self) -> Pieces:
        """The files' texts; see :class:`Texts`.

        Raises:
            UserError: If a file is not in its encoding; names the line.
        """
        for file in self.files:
            empty = True
            for piece in read_file(file):
                empty = False
                yield piece
            if not empty:
                yield END


class ManualTexts:
    """Python's manual, a text a topic: about 460,000 characters, no download, no file."""

    def read(self) -> Pieces:
        """The topics in order of their names; see :class:`Texts`."""
        topics = importlib.import_module("pydoc_data.topics").topics
        for name in sorted(topics):
            yield from (f"{line}\n" for line in lines_of(topics[name].removesuffix("\n")))
            yield END


def open_texts(paths: Sequence[str | Path]) -> Texts:
    """The texts that a user named: files, folders, or :data:`BUILT_IN`.

    Raises:
        UserError: If there is no such corpus, or a path has no text.
    """
    names = [str(path) for path in paths]
    if names == [BUILT_IN]:
        return ManualTexts()
    for name in names:
        if name.startswith("builtin:"):
            hint = f"{nearest(name, [BUILT_IN])}; it stands alone, without other paths"
            raise UserError(f"expected files, folders, or {BUILT_IN}, got {' '.join(names)}{hint}")
    return FileTexts([Path(name) for name in names])


def read_file(path: Path) -> Iterator[str]:
    r"""A file's text in pieces; in which encoding, see :func:`throughtime.data.encodings.reading_as`.

    Lines end at ``"\n"`` or ``"\r\n"``; a lone ``"\r"`` ends them only where the file has no ``"\n"``. Other separators
    of Unicode are signs in a line. A piece that ends inside a line ends before a space, where it has one.

    Raises:
        UserError: If it cannot be read, is binary, or is not in its encoding.
    """
    encoding = UTF_8
    try:
        with open_regular(path) as file:
            encoding = encoding_of(path, file)
            newline = "\n" if _has_newline(file, encoding) else None
            with TextIOWrapper(file, encoding=encoding, newline=newline) as text:
                yield from _pieces(text)
    except UnicodeError as error:  # that of UTF-16 without its mark is no UnicodeDecodeError
        raise undecodable(path, encoding) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def file_lines(path: Path) -> Iterator[str]:
    """A file's lines, up to :data:`LONGEST` characters each, with their line breaks.

    Raises:
        UserError: As :func:`read_file`, or if a line is longer.
    """
    begun: list[str] = []
    number, size = 1, 0
    for piece in read_file(path):
        begun.append(piece)
        size += len(piece)
        if size > LONGEST:
            raise UserError(f"{path}:{number}: expected lines of at most {LONGEST:,} characters, got a longer one")
        if piece.endswith("\n"):
            yield "".join(begun)
            begun, number, size = [], number + 1, 0
    if begun:
        yield "".join(begun)


def lines(pieces: Iterable[str | None]) -> Pieces:
    r"""Every line a text of its own; blank lines are left out.

    Example:
        >>> list(lines(["one\n", "\n", "two", None]))
        ['one', None, 'two', None]
    """
    begun = ""
    for piece in pieces:
        if piece is not END and not piece.endswith("\n"):
            begun += piece
            continue
        read = begun + (piece or "")
        line, begun = read.strip(), ""
        if line:
            yield line
            yield END
        elif read:
            note("blank lines are left out")


def split_lines(pieces: Iterable[str | None], every: int, held_out: bool) -> Pieces:
    r"""Lines as texts, less every ``every``-th one, or only those (``held_out``).

    Example:
        >>> [p for p in split_lines(["a\n", "b\n", "c\n"], every=3, held_out=True) if p]
        ['c']
    """
    for number, line in enumerate((line for line in lines(pieces) if line is not END), 1):
        if (number % every == 0) == held_out:
            yield line
            yield END


def line_ends(pieces: Iterable[str | None]) -> Pieces:
    r"""Every line a text of its own, blank ones, too, without its line break.

    Example:
        >>> list(line_ends(["one\n", "\n", "two", None]))
        ['one', None, None, 'two', None]
    """
    begun = False
    for piece in pieces:
        if piece is END:
            if begun:
                yield END
            begun = False
            continue
        line = piece.removesuffix("\n")
        if line:
            yield line
        begun = line == piece
        if not begun:
            yield END


def place_cut(pieces: Iterable[str | None], cut: int, size: int) -> int:
    r"""Where texts of ``size`` characters are cut: at a line's end, else at a word's, if half of the rest is left.

    Example:
        >>> place_cut(["ab ab\n", "ab\n", "ab\n"], 2, 12), place_cut(["ab ab ab ab"], 7, 11)
        (6, 8)
    """
    seen = 0
    for piece in pieces:
        end = seen + len(piece or "")
        if piece is not END and seen < cut < end:
            spaces = (at for at in range(cut, end) if piece[at - seen].isspace())
            return next((at for at in (end, next(spaces, cut)) if 2 * (size - at) >= size - cut), cut)
        seen = end
    return cut


def split_at(pieces: Iterable[str | None], cut: int, held_out: bool) -> Pieces:
    r"""The first ``cut`` characters of the texts, or those after them (``held_out``); line breaks are counted.

    Example:
        >>> list(split_at(["abc\n", "de", None], 2, held_out=False))
        ['ab']
        >>> list(split_at(["abc\n", "de", None], 4, held_out=True))
        ['de', None]
    """
    seen = 0
    for piece in pieces:
        size = 0 if piece is END else len(piece)
        before = max(0, min(size, cut - seen))
        # An end belongs to the part that its last character is in.
        if piece is END:
            if (seen > cut) == held_out:
                yield END
        elif part := piece[before:] if held_out else piece[:before]:
            yield part
        seen += size


def _has_newline(file: BinaryIO, encoding: str) -> bool:
    """Whether there is a line break in a file, which is at its beginning then as before."""
    text = TextIOWrapper(file, encoding=encoding, newline="")
    try:
        return any("\n" in chunk for chunk in iter(partial(text.read, PIECE), ""))
    finally:
        text.detach()
        file.seek(0)


def _pieces(text: TextIOWrapper) -> Iterator[str]:
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


def _files(path: Path) -> list[Path]:
    check_there(path)
    if not path.is_dir():
        return [path]
    found = [file for file in below(path) if file.suffix == ".txt"]
    if not found:
        raise UserError(f"{path}: expected a folder with .txt files, found none; name the files themselves")
    return found
