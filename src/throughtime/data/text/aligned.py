"""Sentences and their translations: two line-aligned files, or a table with two columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from throughtime.data.parts import PARTS, check_there, inside, part_of
from throughtime.errors import UserError, listed
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import note


class Translated(NamedTuple):
    """A sentence, its translation, and where they stand."""

    source: str
    target: str
    where: str


def is_table(path: Path) -> bool:
    """Whether a file holds both languages, in two columns."""
    return path.suffix.lower() == ".tsv"


def find_aligned(paths: Sequence[Path], source: str | None, target: str | None) -> dict[str, list[Path]]:
    """The files of each part, among those named and those in the folders named.

    Args:
        paths: Files and folders.
        source: Suffix of the files of the source language, such as ``"de"``; None: guessed.
        target: Of the target language.

    Returns:
        Paths by part, a source before its target. Of several test sets the first by name stands there; the others are
        under a name of their own that says so.

    Raises:
        UserError: If a path is missing, nothing is found, or there is nothing to train on.
    """
    found: dict[str, list[list[Path]]] = {}
    for pair in _pairs(paths, source, target):
        found.setdefault(part_of(pair[0].name) or "train", []).append(pair)
    if "train" not in found:
        names = listed(path.name for pairs in found.values() for pair in pairs for path in pair)
        raise UserError(f"expected files to train on, found only {names}; put 'train' in their names")
    tests = found.get("test", [])
    if tests:
        found["test"] = sorted(tests)[:1]
    files = {part: [path for pair in found[part] for path in pair] for part in PARTS if part in found}
    if len(tests) > 1:
        note(f"test sets left out: {listed(path for pair in sorted(tests)[1:] for path in pair)}")
    return files


def read_aligned(paths: Sequence[Path], source: str | None, target: str | None) -> Iterator[Translated]:
    """The sentences of files, and their translations; where both are blank the line is left out.

    Args:
        paths: Tables, and pairs of files; of a pair, one may be left out where the other is found beside it.
        source: As in :func:`find_aligned`.
        target: Likewise.

    Raises:
        UserError: If two files have not as many lines, or a table's line has no two columns.
    """
    for pair in _pairs(paths, source, target):
        for found in _read_table(pair[0]) if len(pair) == 1 else _read_pair(*pair):
            if found.source or found.target:
                yield found


def _read_table(path: Path) -> Iterator[Translated]:
    for number, line in enumerate(file_lines(path), 1):
        fields = line.rstrip("\r\n").split("\t")
        if len(fields) < 2 and line.strip():
            raise UserError(
                f"{path}:{number}: expected a sentence, a tab and its translation, got no tab in {line.strip()[:60]!r}"
            )
        if line.strip():
            yield Translated(fields[0].strip(), fields[1].strip(), f"{path}:{number}")


def _read_pair(source: Path, target: Path) -> Iterator[Translated]:
    sides = [[line.strip() for line in file_lines(path)] for path in (source, target)]
    counts = [len(side) for side in sides]
    if counts[0] != counts[1]:
        raise UserError(
            f"{source}: expected as many lines as in {target}, where line n translates line n; "
            f"got {counts[0]:,} and {counts[1]:,}"
        )
    for number, (sentence, translation) in enumerate(zip(*sides, strict=True), 1):
        yield Translated(sentence, translation, f"{source}:{number}")


def _pairs(paths: Sequence[Path], source: str | None, target: str | None) -> list[list[Path]]:
    """Tables alone, and files with the same stem together, the source first."""
    stems: dict[Path, list[Path]] = {}
    tables: list[list[Path]] = []
    for path in paths:
        check_there(path)
        files = [file for file in inside(path) if file.is_file()] if path.is_dir() else [path]
        # A folder may hold much else: only what has a partner there is meant.
        together = Counter(file.stem for file in files)
        for file in files:
            if is_table(file):
                tables.append([file])
            elif not path.is_dir() or together[file.stem] > 1:
                stems.setdefault(file.with_suffix(""), []).append(file)
    if not (stems or tables):
        raise UserError(
            f"expected data in {listed(paths)}, found no two files of one name with two endings, such as "
            "train.de and train.en, and no .tsv"
        )
    return tables + [_pair(files, source, target) for files in stems.values()]


def _pair(files: Sequence[Path], source: str | None, target: str | None) -> list[Path]:
    """The source and the target among files with the same stem, or beside them."""
    first = files[0]
    beside = [path for path in inside(first.parent) if path.stem == first.stem and path.is_file()]
    named = {path.suffix.removeprefix("."): path for path in (files if len(files) > 1 else [*files, *beside])}
    for language in (source, target):
        if language is not None and language not in named:
            raise UserError(f"{first}: expected {first.stem}.{language} beside it, found {_names(named)}")
    others = [language for language in named if language not in (source, target)]
    missing = (source, target).count(None)
    if missing and len(others) != missing:
        raise UserError(
            f"{first}: expected a file in each of two languages, found {_names(named)}; pass --from and --to"
        )
    guessed = iter(others)
    return [named[next(guessed) if language is None else language] for language in (source, target)]


def _names(named: dict[str, Path]) -> str:
    return listed(path.name for path in named.values())
