"""Input number ``n`` of a seed: always the same case, file and bytes; and the folder that it is put into."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path, PurePath
from random import Random

from fuzzing.bait import OUTSIDE
from fuzzing.case import Case
from fuzzing.mutations import mutate

KINDS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "a link in a circle": lambda path: path.symlink_to(path.name),
    "a link that leads outside": lambda path: path.symlink_to(Path.cwd().parent / OUTSIDE / "file"),
}
"""What else may stand in a file's place."""

OTHER_KIND = 0.004
"""Share of inputs where something else does."""


@dataclass(frozen=True)
class Input:
    """A damaged file.

    Attributes:
        number: Of the input.
        case: That it belongs to.
        target: The file.
        content: Its bytes; or one of :data:`KINDS`.
        damage: What was done to it.
        draw: Of all that is random while it is read.
    """

    number: int
    case: Case
    target: str
    content: bytes | str
    damage: tuple[str, ...]
    draw: Random


class Inputs:
    """The inputs of a seed.

    Args:
        cases: What reads them.
        seed: Of the draws.
    """

    def __init__(self, cases: Sequence[Case], seed: int) -> None:
        self.cases, self.seed = cases, seed
        self.weights = list(accumulate(case.weight for case in cases))
        self.others = [content for case in cases for content in case.files.values() if len(content) < 1 << 16]

    def __getitem__(self, number: int) -> Input:
        draw = Random(f"{self.seed}/{number}")
        (case,) = draw.choices(self.cases, cum_weights=self.weights)
        target = draw.choice(case.targets)
        if draw.random() < OTHER_KIND:
            kind = draw.choice(list(KINDS))
            return Input(number, case, target, kind, (kind,), draw)
        if draw.random() < 0.002:
            return Input(number, case, target, b"", ("empty",), draw)
        return Input(number, case, target, *mutate(draw, target, case.files[target], self.others), draw)

    def once(self, numbers: Iterable[int]) -> list[int]:
        """Those alone that show a reader a damage to a kind of file that none before them has shown it."""
        seen: set[tuple[str, str, str]] = set()
        kept = []
        for one in map(self.__getitem__, numbers):
            shown = {(one.case.name, PurePath(one.target).suffix, damage) for damage in one.damage}
            if shown - seen:
                seen |= shown
                kept.append(one.number)
        return kept


Mark = tuple[int, int, int]


class Place:
    """A folder with a case's whole files, one of which is damaged at a time.

    Args:
        root: The folder.
        files: By path below it.
    """

    def __init__(self, root: Path, files: Mapping[str, bytes]) -> None:
        self.root, self.files = root, files
        self.marks: dict[str, Mark] = {}
        root.mkdir(parents=True)
        for name in files:
            self._write(name)

    def damage(self, name: str, content: bytes | str) -> None:
        """Puts another content, or another kind of file, in a file's place."""
        path = self.root / name
        path.unlink()
        self.marks.pop(name)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            KINDS[content](path)

    def restore(self) -> list[str]:
        """Makes all files whole again; names those beside a model folder that should not be there."""
        there = _marks(self.root)
        for name, mark in there.items():
            if self.marks.get(name) != mark:
                (self.root / name).unlink()
        strays = [name for name in there if name not in self.files and not name.startswith("run/")]
        for name in self.files:
            if there.get(name) is None or self.marks.get(name) != there[name]:
                self._write(name)
        return strays

    def _write(self, name: str) -> None:
        path = self.root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.files[name])
        self.marks[name] = _mark(path.lstat())


def _mark(found: os.stat_result) -> Mark:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _marks(folder: Path) -> dict[str, Mark]:
    """Of every file below a folder, links among them; folders that hold nothing are removed."""
    found, waiting, folders = {}, [""], []
    while waiting:
        inside = waiting.pop()
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                name = f"{inside}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                    folders.append(folder / name)
                else:
                    found[name] = _mark(entry.stat(follow_symlinks=False))
    for path in reversed(folders):
        if not any(path.iterdir()):
            path.rmdir()
    return found
