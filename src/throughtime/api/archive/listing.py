"""The files of an archive, in one order, listed as they are needed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from throughtime.api.run import Run
from throughtime.data.parts import below, check_there
from throughtime.errors import UserError, listed


def input_files(run: Run, named: Sequence[str], suffixes: Sequence[str]) -> Iterator[Path]:
    """The files named, and those of a known kind in the folders named; no suffixes: every file in them.

    Raises:
        UserError: If there are none.
    """
    if not named:
        raise UserError(f"expected files to read ({listed(suffixes) or 'lines of text'}), got none")
    for path in map(Path, named):
        if not path.is_dir() or run.is_whole(path):
            yield path
            continue
        found = False
        for file in below(path):
            if not suffixes or file.suffix.lower() in suffixes:
                found = True
                yield file
        if not found:
            raise UserError(f"{path}: expected files of {listed(suffixes) or 'lines'} in it, found none")


class Listing(NamedTuple):
    """What inputs come to.

    Attributes:
        files: How many.
        bytes: Of all of them.
        digest: SHA-256 of their names, sizes and times of change, in order.
    """

    files: int
    bytes: int
    digest: str


def list_files(files: Iterable[Path]) -> Listing:
    """What files come to; folders among them by what lies in them.

    Raises:
        UserError: If one is not there.
    """
    count, size, found = 0, 0, hashlib.sha256()
    for path in files:
        check_there(path)
        count += 1
        for file in below(path) if path.is_dir() else [path]:
            told = file.stat()
            size += told.st_size
            found.update(b"%b\0%d\0%d\n" % (os.fsencode(file), told.st_size, told.st_mtime_ns))
    return Listing(count, size, found.hexdigest())
