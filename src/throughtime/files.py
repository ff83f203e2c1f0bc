"""Files written whole or not at all, and nowhere else: the one place that opens a file to write it."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from throughtime.errors import UserError

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
MODE = 0o644
END = ".partial"
TOGETHER = 1 << 16
"""Bytes that are written together, at least."""


def write_atomically(path: Path, write: Callable[[Path], object], mode: int = MODE) -> None:
    """Calls ``write`` on a neighbouring name and puts the result in place in one move.

    Whoever reads ``path``, also after a crash or a power cut, sees the old file or the new one, never a part; of
    several writers one wins whole. The neighbour is an empty file of this call alone, and is gone if anything fails. A
    link at ``path`` is replaced, not followed.

    Raises:
        OSError: If it cannot be written; its file name is ``path``.
        UserError: If a link inside of a model folder would lead elsewhere, or ``path`` is no file.
    """
    check_way(path.parent)
    partial = path.with_name(f"{_beginning(path)}{secrets.token_hex(8)}{END}")
    try:
        with errors_of(path, partial, path.parent):
            if path.exists() and not (path.is_file() or path.is_symlink()):
                raise UserError(f"{path}: expected a file to write, found a folder or a device; pass another name")
            os.close(os.open(partial, NEW, 0o600))
            write(partial)
            _settle(partial, mode)
            os.replace(partial, path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def write_chunks(path: Path, chunks: Iterable[bytes], mode: int = MODE) -> None:
    """Writes bytes as they come, atomically; arguments and errors as of :func:`write_atomically`."""

    def write(partial: Path) -> None:
        number = os.open(partial, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            held = bytearray()
            for chunk in chunks:
                held += chunk
                if len(held) >= TOGETHER:
                    _write(number, held)
                    held = bytearray()
            _write(number, held)
        finally:
            os.close(number)

    write_atomically(path, write, mode)


def write_text(path: Path, text: str) -> None:
    """Writes text in UTF-8, atomically."""
    write_chunks(path, [text.encode()])


def write_json(path: Path, value: Any) -> None:
    """Writes plain data as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def append_text(path: Path, text: str) -> None:
    """Adds text to the end of a file, all of it or nothing; the file is made if need be.

    Raises:
        OSError: If it cannot be written; its file name is ``path``.
        UserError: If ``path`` is a link, or no file.
    """
    check_way(path.parent)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with opened(path, flags) as number:
        size = os.fstat(number).st_size
        try:
            _write(number, text.encode())
        except BaseException:
            os.ftruncate(number, size)
            raise


def cut_file(path: Path, size: int) -> None:
    """Takes away what stands in a file after so many bytes; the file stays as it is where it is no longer.

    Raises:
        OSError: If it cannot be written; its file name is ``path``.
        UserError: If ``path`` is a link, or no file.
    """
    check_way(path.parent)
    with opened(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC) as number:
        if os.fstat(number).st_size > size:
            os.ftruncate(number, size)


def sync_file(path: Path) -> None:
    """Waits until what was added to a file is on the disk; nothing where there is none."""
    if path.exists():
        with opened(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC) as number:
            os.fsync(number)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk."""
    with errors_of(folder):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def sweep(path: Path) -> None:
    """Removes what killed writers of a file left beside it. No other may be writing it."""
    for left in path.parent.iterdir():
        if left.name.startswith(_beginning(path)) and left.name.endswith(END):
            left.unlink()


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, if need be.

    Raises:
        UserError: If a link inside of a model folder would lead elsewhere.
    """
    check_way(folder)
    folder.mkdir(parents=True, exist_ok=True)


def check_way(folder: Path) -> None:
    """Refuses a folder that a link inside of a model folder leads to: whoever made the model may have planted it.

    Links on the way to the model folder are the user's own.

    Raises:
        UserError: If there is such a link.
    """
    inside = False
    for part in (*reversed(folder.absolute().parents), folder.absolute()):
        if inside and os.path.islink(part):
            raise UserError(f"{part}: expected a folder of the model's own, found a link, which is not followed")
        inside = inside or is_model(part)


def is_model(folder: Path) -> bool:
    """Whether a folder is a model's, by the files that every one has."""
    return os.path.exists(folder / "config.json") and any(
        os.path.exists(folder / name) for name in ("vocabulary.json", "tokenizer.json")
    )


def create(path: Path) -> BinaryIO:
    """Opens a new file, which grows while others read it; whatever has its name already is refused.

    Raises:
        OSError: If it cannot be made.
        UserError: If a link inside of a model folder would lead elsewhere.
    """
    check_way(path.parent)
    return os.fdopen(os.open(path, NEW, MODE), "wb")


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """The descriptor of a regular file, opened with ``flags``, which should not follow links, nor wait.

    Raises:
        OSError: If opening it, or what is done with it, fails; its file name is ``path``.
        UserError: If it is no regular file.
    """
    if path.is_symlink():
        raise UserError(f"{path}: expected a file of the model's own, found a link, which is not followed; remove it")
    with errors_of(path):
        number = os.open(path, flags, MODE)
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise UserError(f"{path}: expected a file, found a folder or a device; remove it")
            yield number
        finally:
            os.close(number)


@contextmanager
def errors_of(path: Path, *others: Path) -> Iterator[None]:
    """Names a file in the system's errors on it: those of an open file have no name, those on ``others`` theirs."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, *others, *map(str, others)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _beginning(path: Path) -> str:
    """Of the names of a file's neighbours; short, for the name of the file may be as long as names can be."""
    return f".{path.name[:40]}."


def _write(number: int, data: bytes | bytearray) -> None:
    """Writes all of it: the system may take a part at a time."""
    left = memoryview(data)
    while left:
        left = left[os.write(number, left) :]


def _settle(partial: Path, mode: int) -> None:
    """Gives a file its mode, and waits until it is on the disk. It is opened anew: a writer may have put in another."""
    with opened(partial, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC) as number:
        os.fchmod(number, mode)
        os.fsync(number)
