"""Plain data from strangers: regular files up to a bound, JSON within limits."""

from __future__ import annotations

import io
import json
import math
import os
import re
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from throughtime.errors import UserError, shown

LARGEST = 256 * 2**20
"""Bytes of a file that is read whole, where a reader sets no bound of its own."""

DIGITS = 40
"""Of a whole number: no count, size or seed has more."""


_MEMBER = re.compile(r"(.+\.tar)/(\d{1,15})\+(\d{1,15})/(.+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Member:
    """A file that is read where it stands in a tar archive, which is not unpacked.

    Attributes:
        archive: The archive, without compression.
        begin: Where its bytes begin.
        size: How many they are.
        name: In the archive.
    """

    archive: Path
    begin: int
    size: int
    name: str

    @property
    def path(self) -> Path:
        """What it is called where files are; every reader of :func:`open_regular` takes it."""
        return self.archive / f"{self.begin}+{self.size}" / self.name

    def check(self) -> None:
        """Refuses an archive in which another thing stands there.

        Raises:
            UserError: If it was changed since the member was found, or is gone.
        """
        with open_regular(self.archive) as file:
            file.seek(max(0, self.begin - tarfile.BLOCKSIZE))
            head = file.read(tarfile.BLOCKSIZE)
            there = file.seek(0, os.SEEK_END)
        try:
            same = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape").size == self.size
        except tarfile.HeaderError:
            same = False
        if not same or self.begin + self.size > there:
            raise UserError(
                f"{self.archive}: expected {self.name} at byte {self.begin:,}, which is not there: the archive was "
                "changed, or the run is of another one; put the old one back, or train anew"
            )


def member_of(path: Path) -> Member | None:
    """The member of an archive that a path names; None where it names no such thing.

    Example:
        >>> member_of(Path("a.tar/512+44/one.wav"))
        Member(archive=PosixPath('a.tar'), begin=512, size=44, name='one.wav')
        >>> member_of(Path("a.tar"))
    """
    found = _MEMBER.fullmatch(str(path)) if ".tar/" in str(path).lower() else None
    if found is None:
        return None
    archive, begin, size, name = found.groups()
    if ".." in name.split("/") or os.path.isdir(archive):  # it would be another file to whoever resolves the path
        return None
    return Member(Path(archive), int(begin), int(size), name)


class Span(io.RawIOBase):
    """Some bytes of an open file as a file, which closes the other one with it.

    Args:
        file: The other one.
        begin: Where they begin.
        size: How many they are.
    """

    def __init__(self, file: BinaryIO, begin: int, size: int) -> None:
        super().__init__()
        self._file, self._begin, self._size, self._at = file, begin, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of every file."""
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        """As of every file."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Reads on, not beyond the end."""
        self._file.seek(self._begin + self._at)
        found = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def close(self) -> None:
        """Closes the other file, too."""
        self._file.close()
        super().close()


def open_member(member: Member) -> BinaryIO:
    """A member of an archive, open for reading.

    Raises:
        UserError: As of :meth:`Member.check`.
    """
    member.check()
    descriptor = os.open(member.archive, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return io.BufferedReader(Span(open(descriptor, "rb"), member.begin, member.size))


_FOLDERS: ContextVar[tuple[Path, ...] | None] = ContextVar("folders", default=None)
"""In which alone files are looked at; None: anywhere."""


@contextmanager
def confined(*folders: Path) -> Iterator[None]:
    """Files in some folders alone are there, whatever names others: for what strangers ask for.

    Args:
        folders: With all that lies below them.
    """
    token = _FOLDERS.set(tuple(resolved(folder) for folder in folders))
    try:
        yield
    finally:
        _FOLDERS.reset(token)


def check_confined(path: Path) -> None:
    """Refuses a path out of the folders of :func:`confined`, whether something is there or not.

    Raises:
        UserError: If it lies, or a link leads, elsewhere.
    """
    folders = _FOLDERS.get()
    if folders is not None and not any(resolved(path).is_relative_to(folder) for folder in folders):
        raise UserError(f"expected what was sent itself, got the name of a file ({shown(str(path))}); send its content")


def check_regular(path: Path, limit: int | None = None) -> int:
    """The size of a file that can be read whole.

    Args:
        path: The file; links are followed.
        limit: Most bytes.

    Raises:
        UserError: If it is missing, larger, or no regular file: reading a pipe or a device might never end.
    """
    check_confined(path)
    if (member := member_of(path)) is not None:
        member.check()
        if limit is not None and member.size > limit:
            raise _too_large(path, member.size, limit)
        return member.size
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise UserError(f"expected the file {path}, which does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return _check(path, found, limit)


def resolved(path: Path) -> Path:
    """A path without links and dots, whether something is there or not.

    Raises:
        UserError: If its links lead round in a circle, or its name is none.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a circle; ValueError: a NUL in the name
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_bytes(path: Path, limit: int = LARGEST) -> bytes:
    """The bytes of a regular file.

    Raises:
        UserError: If it is missing, cannot be read, is larger than ``limit``, or is no regular file.
    """
    with open_regular(path, limit) as file:
        content = file.read(limit + 1)
    if len(content) > limit:  # it grew meanwhile
        raise _too_large(path, len(content), limit)
    return content


@contextmanager
def open_regular(path: Path, limit: int | None = None) -> Iterator[BinaryIO]:
    """A regular file, open for reading its bytes.

    Raises:
        UserError: As :func:`check_regular`, also where reading fails inside of the block.
    """
    check_regular(path, limit)
    try:
        if (member := member_of(path)) is not None:
            with open_member(member) as inside:
                yield inside
            return
        # What stood there a moment ago may be a pipe now: opening that must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            _check(path, os.fstat(descriptor), limit)
            yield file
    except FileNotFoundError as error:
        raise UserError(f"expected the file {path}, which does not exist") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_text(path: Path, limit: int = LARGEST) -> str:
    """The text of a regular file in UTF-8.

    Raises:
        UserError: As :func:`read_bytes`, or if the bytes are no UTF-8.
    """
    try:
        return read_bytes(path, limit).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected text in UTF-8, which this is not ({error}); the file is damaged") from error


def parse_json(text: str, where: str, *, constants: bool = False, unique: bool = False) -> Any:
    """Plain data from JSON.

    Args:
        text: The JSON.
        where: What an error calls it: a file, or a file and a line.
        constants: Take ``NaN`` and ``Infinity``, which Python writes and the standard does not know.
        unique: Refuse a name that stands twice in an object; else the last counts.

    Raises:
        UserError: If it is none, is nested too deeply, or holds a number or text that nothing can use.
    """
    try:
        constant, real = (None, None) if constants else (_constant, _finite)
        once = _once if unique else None
        value = json.loads(text, parse_int=_whole, parse_float=real, parse_constant=constant, object_pairs_hook=once)
        if "\\u" in text:
            _check_texts(value)
    except RecursionError as error:
        raise UserError(f"{where}: expected plain JSON, got one nested too deeply; the file is damaged") from error
    except ValueError as error:
        raise UserError(f"{where}: expected JSON, which this is not ({error}); the file is damaged") from error
    return value


def parse_object(text: str, where: str, *, constants: bool = False, unique: bool = False) -> dict[str, Any]:
    """As :func:`parse_json`, where an object must stand.

    Raises:
        UserError: As above, or if something else stands there.
    """
    value = parse_json(text, where, constants=constants, unique=unique)
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected a JSON object, got a {type(value).__name__}; the file is damaged")
    return value


def read_json(path: Path, limit: int = LARGEST) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
        UserError: If the file is missing, too large or holds something else.
    """
    return parse_object(read_text(path, limit), str(path))


def _check(path: Path, found: os.stat_result, limit: int | None) -> int:
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
        raise UserError(f"{path}: expected a regular file, got {kind}")
    if limit is not None and found.st_size > limit:
        raise _too_large(path, found.st_size, limit)
    return found.st_size


def _too_large(path: Path, size: int, limit: int) -> UserError:
    return UserError(f"{path}: expected a file of at most {limit:,} bytes, got {size:,}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} stands there twice")
        found[name] = value
    return found


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{digits} is beyond 64 bits")
    return number


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is no number that a computer holds")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _check_texts(value: Any) -> None:
    """Refuses halves of surrogate pairs, which no file and no terminal takes."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError("half of a surrogate pair stands alone in a text") from error
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_texts(name)
            _check_texts(member)
    elif isinstance(value, list):
        for member in value:
            _check_texts(member)
