"""Machine code on disk: written for this user alone, and taken back only where nobody else can have written it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import warnings
from pathlib import Path

from throughtime.errors import UserError
from throughtime.files import write_chunks

LIMIT = 16 << 20
"""Bytes of a file that are read at most; a cell's code takes some ten thousand."""

MOST_PARTS = 256
"""Names and links on the way to the folder: more is a circle."""

_TOLD: set[str] = set()
"""Folders of which this process has said that they are not used."""


class _ForeignError(Exception):
    """Others could have written what stands there."""


def cache_folder() -> Path | None:
    """Where machine code is kept: ``THROUGHTIME_CACHE``, or a folder of the user's cache; None without a home."""
    own = os.environ.get("THROUGHTIME_CACHE")
    if own:
        return Path(own)
    caches = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(caches) if os.path.isabs(caches) else Path.home() / ".cache"
    except RuntimeError:  # a bare user id, as in containers
        return None
    return base / "throughtime"


def load(key: bytes) -> bytes | None:
    """The code kept under a key; None where there is none, where it is damaged or another's, or could be others'.

    Args:
        key: The digest of everything that the code depends on.
    """
    place = cache_folder()
    if place is None:
        return None
    try:
        kept = _read(_enter(place, make=False) / _name(key))
    except OSError:
        return None
    except _ForeignError as reason:
        _tell(place, reason)
        return None
    code = kept[hashlib.sha256().digest_size :]
    return code if kept == _sealed(key, code) else None


def keep(key: bytes, code: bytes) -> None:
    """Keeps code for the next process; a cache that cannot be written costs time, nothing else."""
    place = cache_folder()
    if place is None:
        return
    try:
        file = _enter(place, make=True) / _name(key)
        if os.path.lexists(file) and not file.is_file():
            file.unlink()  # what is no file of code is in the way
        write_chunks(file, [_sealed(key, code)], mode=0o600)
    except (OSError, UserError):
        return
    except _ForeignError as reason:
        _tell(place, reason)


def _name(key: bytes) -> str:
    return f"{key.hex()[:32]}.o"


def _sealed(key: bytes, code: bytes) -> bytes:
    """A file's content: its digest covers the key, so that a file under another's name is no file."""
    return hashlib.sha256(key + code).digest() + code


def _enter(folder: Path, make: bool) -> Path:
    """The folder without links, after a look at every name and every link on the way.

    Raises:
        _ForeignError: If somebody else could put another folder, or files, there.
    """
    folder = folder.absolute()
    place, left = Path(folder.anchor), list(folder.parts[1:])
    for _ in range(MOST_PARTS):
        try:
            seen = place.lstat()
        except FileNotFoundError:
            if not make:
                raise
            place.mkdir(mode=0o700, exist_ok=True)  # the way up to it is ours
            seen = place.lstat()
        if stat.S_ISLNK(seen.st_mode):
            _check(place, seen, on_the_way=True)
            target = Path(os.readlink(place))
            left = [*(target.parts[1:] if target.anchor else target.parts), *left]
            place = Path(target.anchor) if target.anchor else place.parent
            continue
        _check(place, seen, on_the_way=bool(left))
        if not left:
            return place
        part = left.pop(0)
        place = place.parent if part == ".." else place / part
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(folder))


def _read(file: Path) -> bytes:
    """The start of a regular file of ours."""
    extra = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")  # where the system has them
    handle = os.open(file, sum((getattr(os, name, 0) for name in extra), os.O_RDONLY))
    try:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(errno.EINVAL, "expected a regular file", str(file))
        _check(file, seen, on_the_way=False)
        with os.fdopen(handle, "rb", closefd=False) as opened:
            return opened.read(LIMIT)
    finally:
        os.close(handle)


def _check(place: Path, seen: os.stat_result, on_the_way: bool) -> None:
    """What is used is the user's and written by nobody else; what leads there may be root's as well, and a folder open
    to all where each may move only what is his own, as ``/tmp`` is.
    """
    if sys.platform == "win32":  # owners and modes say nothing there
        return
    owners = {os.geteuid(), 0} if on_the_way else {os.geteuid()}
    if seen.st_uid not in owners:
        raise _ForeignError(f"{place} belongs to user {seen.st_uid}, not to user {os.geteuid()}")
    if stat.S_ISLNK(seen.st_mode) or (on_the_way and seen.st_mode & stat.S_ISVTX):
        return
    if seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _ForeignError(f"others may write to {place} (chmod go-w mends that)")


def _tell(folder: Path, reason: _ForeignError) -> None:
    """One line a process and folder, without a line of code below it."""
    if str(folder) not in _TOLD:
        _TOLD.add(str(folder))
        line = f"compiled cells are not taken from {folder}: {reason}; THROUGHTIME_CACHE names another folder"
        warnings.warn_explicit(line, RuntimeWarning, "throughtime", 0)
