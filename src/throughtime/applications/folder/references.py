"""Data that a run keeps by reference: recordings, clips, vectors. A folder gives no leave to read what lies elsewhere.

The folders that a user trains on are remembered outside of all model folders. A run whose data lie below one of them
goes on, and is judged, without a question; of another run, such as a stranger's, nothing outside is opened until the
user names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from throughtime.errors import UserError
from throughtime.files import append_text, make_folder
from throughtime.plain import read_text, resolved

LARGEST = 1 << 20
"""Bytes of what is remembered."""

_named: set[Path] = set()
"""Named in this process: where nothing can be remembered, training goes on all the same."""


def remember(paths: Iterable[Path]) -> None:
    """Takes down files and folders that the user named, for this process and later ones of the same user."""
    new = {resolved(path) for path in paths} - set(_roots())
    _named.update(new)
    file = _file()
    if new and file is not None:
        with suppress(OSError, UserError):  # a home that cannot be written: the next process asks
            make_folder(file.parent)
            append_text(file, "".join(f"{path}\n" for path in sorted(new) if "\n" not in str(path)))


def remember_data(named: Iterable[Path], references: Iterable[Path]) -> None:
    """Takes down what a training reads: what the user named, and the folders elsewhere that a manifest leads to."""
    roots = {resolved(path) for path in named}
    parents = {resolved(path).parent for path in references}
    remember(roots | {parent for parent in parents if not _below(parent, roots)})


def check(run: Path, paths: Iterable[Path], remedy: str) -> None:
    """Refuses what lies neither in the run's folder nor where the user has trained.

    Args:
        run: The folder.
        paths: What its files name.
        remedy: What to do.

    Raises:
        UserError: If there is such a path; nothing is opened.
    """
    roots = {resolved(run), *_roots()}
    for path in paths:
        if not _below(resolved(path), roots):
            raise UserError(
                f"{run}: its data lie outside of it, first {path}, which is not read unasked; {remedy} if you trust it"
            )


def _below(path: Path, roots: set[Path]) -> bool:
    return path in roots or not roots.isdisjoint(path.parents)


def _roots() -> Iterator[Path]:
    yield from _named
    file = _file()
    if file is None or not file.is_file():
        return
    seen = file.stat()
    if hasattr(os, "geteuid") and (seen.st_uid != os.geteuid() or seen.st_mode & 0o022):
        return  # others may have written it
    with suppress(UserError):
        yield from map(Path, filter(None, read_text(file, LARGEST).split("\n")))


def _file() -> Path | None:
    """Where it is remembered; None without a home."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        home = os.environ.get("HOME", "")
        if not os.path.isabs(home):
            return None
        state = os.path.join(home, ".local", "state")
    return Path(state, "throughtime", "data")
