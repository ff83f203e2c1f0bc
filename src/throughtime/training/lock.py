"""A lock on what one process writes: two trainings of one folder would write over each other."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from throughtime.errors import UserError
from throughtime.files import opened, sweep

NAME = ".lock"
WRITTEN = ("folds.json", "config.json", "metrics.jsonl", "checkpoint.safetensors", "model.safetensors")
"""What training writes into a run's folder; a process that was killed may have left parts of it."""


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keeps other trainings out of a run's folder. The lock ends with the process, however that ends.

    Parts of files that a killed training left are removed.

    Raises:
        UserError: If another process has it, or its file is a link.
    """
    with alone(run / NAME, str(run), "is training it; wait for that to end, or stop it first"):
        for name in WRITTEN:
            sweep(run / name)
        yield


@contextmanager
def alone(path: Path, what: str, doing: str) -> Iterator[None]:
    """No other process is in the block with the same file, which is there meanwhile.

    Args:
        path: The file.
        what: What others are kept from.
        doing: What is said of another process that is there, after its number.

    Raises:
        UserError: If another process is, or the file is a link.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        with opened(path, flags) as number:
            _lock(number, what, doing)
            if not _stands(number, path):  # the one before has removed it since it was opened
                continue
            try:
                _sign(number)
                yield
            finally:
                if _stands(number, path):  # the folder may have been moved away
                    path.unlink()
            return


def _lock(number: int, what: str, doing: str) -> None:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(number, 20, 0).decode("ascii", "replace").strip()
        named = f"process {pid}" if pid.isdecimal() else "another process"
        raise UserError(f"{what}: {named} {doing}") from error
    except OSError as error:
        # Some shared file systems have no locks: better written without than not at all.
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise


def _stands(number: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(number), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _sign(number: int) -> None:
    """Writes down who has the lock."""
    os.ftruncate(number, 0)
    os.pwrite(number, f"{os.getpid()}\n".encode(), 0)
