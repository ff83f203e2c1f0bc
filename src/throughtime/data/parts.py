"""Which files are for training, validation and test; and a split where nobody made one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from throughtime.errors import UserError, listed, nearest
from throughtime.plain import check_confined, check_regular
from throughtime.runtime.reading.notes import note

ExampleT = TypeVar("ExampleT")

PARTS = ("train", "valid", "test")
"""What data is divided into."""

# The names that people give; testa and testb are those of CoNLL-2003.
_NAMES = {
    "valid": re.compile(r"(?:^|[^a-z])(?:dev|val|valid|validation|development|testa)(?:$|[^a-z])"),
    "test": re.compile(r"(?:^|[^a-z])(?:test|tst|testing|testb)(?:$|[^a-z])"),
    "train": re.compile(r"train"),
}

SYSTEM = frozenset(
    ("__macosx", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "recycler", "lost+found")
) | {"system volume information", "@eadir", "icon\r", "node_modules"}
"""Names, in lower case, of what systems and programs leave in folders."""


def is_system(name: str) -> bool:
    """Whether a file or folder of that name is hidden, or was left by a system or a program: nobody's data.

    Example:
        >>> [is_system(name) for name in (".ipynb_checkpoints", "._a.txt", "__MACOSX", "~$a.csv", "a.csv", "__init__")]
        [True, True, True, True, False, False]
    """
    return name.startswith((".", "~$")) or name.lower() in SYSTEM


def inside(folder: Path) -> list[Path]:
    """What lies in a folder, in order, without what :func:`is_system`; tells what is left out."""
    found = sorted(folder.iterdir())
    _tell(folder, [path.name for path in found])
    return [path for path in found if not is_system(path.name)]


def below(folder: Path) -> Iterator[Path]:
    """The files in a folder and in all folders below it, in order of their paths, without what :func:`is_system`.

    They are listed as they are needed: the names of one folder, and of those above it, are held at a time. Folders that
    links lead to are not searched: a link may lead back.

    Raises:
        UserError: If a folder cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror or error}") from error
    _tell(folder, [name for name, _ in entries])
    for name, is_folder in entries:
        if is_system(name):
            continue
        path = folder / name
        if is_folder:
            yield from below(path)
        elif path.is_file():
            yield path


def _tell(folder: Path, names: Sequence[str]) -> None:
    if left := [name for name in names if is_system(name)]:
        note(f"{folder}: not looked at, since hidden or left there by a system: {listed(left)}")


def part_of(name: str) -> str | None:
    """The part that a file or folder of that name holds; None where the name does not tell.

    Example:
        >>> [part_of(name) for name in ("wnut17train.conll", "emerging.dev.conll", "eng.testa", "reviews.csv")]
        ['train', 'valid', 'valid', None]
    """
    return next((part for part, pattern in _NAMES.items() if pattern.search(name.lower())), None)


def find_parts(paths: Sequence[Path], is_data: Callable[[Path], bool], kinds: str = "") -> dict[str, list[Path]]:
    """The files of each part, among the files named and those in the folders named.

    Args:
        paths: Files, and folders that are searched, not deeper than one folder that itself is named after a part.
        is_data: Whether a file, or a folder, in a folder searched is data.
        kinds: What that is, for the message where nothing is found.

    Returns:
        Paths by part; what no name tells apart is for training.

    Raises:
        UserError: If a path is missing, nothing is found, or there is nothing to train on.
    """
    found: dict[str, list[Path]] = {part: [] for part in PARTS}
    for path in paths:
        check_there(path)
        for file in _data_in(path, is_data) if path.is_dir() and not is_data(path) else [path]:
            part = part_of(file.name) or (part_of(file.parent.name) if file != path else None)
            found[part or "train"].append(file)
    if not any(found.values()):
        known = f"; known are {kinds}" if kinds else ""
        raise UserError(f"expected data in {listed(paths)}, found no file of a known kind there{known}")
    if not found["train"]:
        names = listed(file.name for files in found.values() for file in files)
        raise UserError(f"expected a file to train on, found only {names}; put 'train' in its name, or pass it alone")
    return {part: files for part, files in found.items() if files}


def check_there(path: Path) -> None:
    """Refuses a path that does not exist, and names the nearest one; or that is neither a file nor a folder.

    Raises:
        UserError: If it does not exist, cannot be looked at, or is a pipe or a device.
    """
    check_confined(path)
    try:
        if path.is_dir():
            return
        if path.exists():
            check_regular(path)
            return
        beside = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError as error:  # a name longer than any file's, or a folder that others may not look into
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    raise UserError(f"{path}: no such file or folder{nearest(path.name, beside)}")


def is_file(path: Path) -> bool:
    """Whether a regular file stands there, whatever the path looks like that another file names it by."""
    check_confined(path)
    try:
        return path.is_file()
    except OSError:  # a name longer than any file's
        return False


def _data_in(folder: Path, is_data: Callable[[Path], bool]) -> list[Path]:
    files: list[Path] = []
    for path in inside(folder):
        if is_data(path):
            files.append(path)
        elif path.is_dir() and part_of(path.name):
            files += [file for file in inside(path) if is_data(file)]
    return files


def split(
    examples: Iterable[ExampleT], shares: Sequence[float], seed: int, key: Callable[[ExampleT], Hashable]
) -> list[list[ExampleT]]:
    """Divides examples at random into parts; those of one key stay together, so that no part knows another's.

    Args:
        examples: The examples.
        shares: Of every part but the first, which takes the rest.
        seed: Of the draw.
        key: What makes two examples the same.

    Example:
        >>> train, held_out = split("aabbccddee", [0.2], seed=0, key=str)
        >>> len(train), len(held_out), set(train) & set(held_out)
        (8, 2, set())
    """
    examples = list(examples)
    groups: dict[Hashable, list[int]] = {}
    for number, example in enumerate(examples):
        groups.setdefault(key(example), []).append(number)
    waiting = list(groups.values())
    np.random.default_rng(seed).shuffle(waiting)
    parts: list[list[ExampleT]] = []
    for share in shares:
        chosen: list[int] = []
        while waiting and len(chosen) < round(share * len(examples)):
            chosen += waiting.pop()
        parts.append([examples[number] for number in sorted(chosen)])
    rest = sorted(number for group in waiting for number in group)
    return [[examples[number] for number in rest], *parts]
