"""Plain text from files, folders, or Python's own manual, in pieces of bounded size."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from throughtime.data.parts import below, check_there
from throughtime.errors import UserError, nearest
from throughtime.runtime.reading.files import read_file
from throughtime.runtime.reading.notes import note
from throughtime.runtime.text.language import lines_of

BUILT_IN = "builtin:python-manual"
"""Names the corpus that every CPython carries: the manual behind ``help("topics")``."""

END = None
"""Marks in a stream of pieces that a text ends."""

Pieces = Iterator[str | None]
"""Pieces of texts one after the other, :data:`END` after each text."""


class Texts(Protocol):
    """Texts that can be read again and again."""

    def read(self) -> Pieces:
        """The texts, from the first; pieces as of :func:`~throughtime.runtime.reading.files.read_file`."""
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


def _files(path: Path) -> list[Path]:
    check_there(path)
    if not path.is_dir():
        return [path]
    found = [file for file in below(path) if file.suffix == ".txt"]
    if not found:
        raise UserError(f"{path}: expected a folder with .txt files, found none; name the files themselves")
    return found
