"""Pronouncing dictionaries: a word and its sounds a line, in the format of CMUdict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from throughtime.applications.reading.inputs import Input, Inputs
from throughtime.data.tables.sheets import Record, Sheet
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import note

_VARIANT = re.compile(r"\(\d+\)$")
_REMARK = re.compile(r"\s#")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE]-?\d+)?|\.\d+")
_STRESS = re.compile(r"(?<=[A-Z])[0-2]$")


@dataclass(frozen=True)
class Pronounced:
    """A word with all of its pronunciations.

    Attributes:
        word: In lower case.
        sounds: The phonemes of each.
        where: File and line of the first.
    """

    word: str
    sounds: list[list[str]]
    where: str


class _Line(NamedTuple):
    """A line of a dictionary: a word, numbers behind it that may be probabilities, and its sounds."""

    word: str
    numbers: list[str]
    sounds: list[str]
    certain: bool
    where: str


def read_dictionary(path: Path, stress: bool) -> Iterator[Pronounced]:
    """The words of a dictionary, as they come."""
    found = [_parse(line, f"{path}:{number}") for number, line in enumerate(file_lines(path), 1)]
    lines = [line for line in found if line is not None]
    # A whole number alone may be a sound: SAMPA has 2, 6 and 9.
    chances = any(line.certain for line in lines)
    if chances:
        note(f"{path}: numbers between a word and its sounds are probabilities and are left out")
    for word, numbers, sounds, _, where in lines:
        spoken = sounds if chances else [*numbers, *sounds]
        if not spoken:
            raise UserError(f"{where}: expected a word and its phonemes, got only {word!r}; e.g. 'cat K AE T'")
        yield Pronounced(
            _VARIANT.sub("", word).lower(), [spoken if stress else [_STRESS.sub("", sound) for sound in spoken]], where
        )


def _parse(line: str, where: str) -> _Line | None:
    """A line of a dictionary; None where it has only comments.

    In a line parted by tabs the word is what stands before the first, and may be several.

    Raises:
        UserError: If it has a word and no phonemes.
    """
    cells = _cells(line)
    if cells is None:
        return None
    word, *between = cells
    fields = " ".join(between).split()
    if not fields or not word:
        raise UserError(f"{where}: expected a word and its phonemes, got {line.strip()!r}; e.g. 'cat K AE T'")
    numbers = list(takewhile(_NUMBER.fullmatch, fields))
    columns = "\t" in line and bool(between[:-2]) and _NUMBER.fullmatch(between[0]) is not None
    if len(fields) == 1 and "." not in fields[0]:
        numbers = []
    certain = bool(numbers) and (columns or any("." in number for number in numbers))
    return _Line(word, numbers, fields[len(numbers) :], certain, where)


def _cells(line: str) -> list[str] | None:
    """The word of a line and what stands behind it, an empty cell at the end; None where it has only comments."""
    if line.startswith(";;;"):
        return None
    line = _REMARK.split(line, maxsplit=1)[0].rstrip().lstrip(" ")
    cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split(maxsplit=1)
    found = [" ".join(cell.split()) for cell in [*cells, ""]]
    return None if not found[0].strip("#") and "\t" not in line else found


def dictionary_inputs(path: Path, sounds: Vocabulary) -> Inputs | None:
    """The words of a dictionary, whatever stands behind them.

    None where a file is no ``.dict``, and not every line of it has sounds that the model knows behind its word.
    """
    known = path.suffix.lower() == ".dict"
    found = [(number, _cells(line)) for number, line in enumerate(file_lines(path), 1)]
    lines = [(number, cells[0], " ".join(cells[1:]).strip()) for number, cells in found if cells is not None]
    if not known and not (lines and all(_are_sounds(said, sounds) for _, _, said in lines)):
        return None
    if not known:
        note(f"{path}: every line is a word with its sounds behind it, and the words alone are read")
    names = ["word", "sounds"] if any(said for *_, said in lines) else ["word"]
    records = [Record(number, dict(zip(names, cells, strict=False))) for number, *cells in lines]
    items = [Input(_VARIANT.sub("", word), f"{path}:{number}", [row]) for row, (number, word, _) in enumerate(lines)]
    return Inputs(Sheet(path, names, records, heading=names), items)


def _are_sounds(said: str, sounds: Vocabulary) -> bool:
    found = [sound for sound in said.split() if not _NUMBER.fullmatch(sound)]
    return bool(found) and all(sound in sounds or _STRESS.sub("", sound) in sounds for sound in found)


def as_entry(row: Mapping[str, Any], number: int) -> str:
    """A line that is read as a word and its sounds, and as nothing else."""
    word, sounds = row.get("word"), row.get("sounds")
    if isinstance(word, str) and isinstance(sounds, str | list | tuple) and sounds:
        spoken = sounds.split() if isinstance(sounds, str) else list(map(str, sounds))
        line = f"{word}\t{' '.join(spoken)}"
        entry = _parse(line, "") if word.strip() and spoken and not set(word) & set("\t\r\n") else None
        if entry is not None and not entry.certain and (entry.word, [*entry.numbers, *entry.sounds]) == (word, spoken):
            return line
    raise UserError(
        f"example {number}: expected a word and its sounds, got {word!r} and {sounds!r}; e.g. 'cat', 'K AE T'"
    )
