"""The account of what a run read, put together before its first step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.applications.reading.account import DataRead, Guess, LeftOut, Lengths, Part
from throughtime.applications.reading.readable import ExampleT, Readable
from throughtime.runtime.reading.notes import Notes

SHOWN = 3
"""Examples that are shown, spread over the training data."""
LISTED = 3
"""Files of a part that are told by name."""
FILES, PLACES, LETTERS = 1000, 100, 1000
"""Most file names of a part, places of what was left out, and characters of an example that ``data.json`` keeps."""


@dataclass(frozen=True)
class Origin:
    """Where examples come from.

    Attributes:
        sources: In a word, by part.
        files: The files of each part that has some.
    """

    sources: Mapping[str, str]
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)


def account_of(
    bound: Readable[ExampleT],
    size: Callable[[ExampleT], int],
    examples: Mapping[str, Sequence[ExampleT]],
    origin: Origin,
    notes: Notes,
) -> DataRead:
    """What was read, with the settings and the vocabulary of the run.

    Args:
        bound: The application.
        size: Steps of an example.
        examples: By part.
        origin: Where they come from.
        notes: What readers told.
    """
    parts: dict[str, Part] = {}
    for part, members in examples.items():
        labels = Counter(label for example in members for label in bound.labels_of(example))
        lengths = lengths_of([size(example) for example in members], bound.unit)
        names = list(origin.files.get(part, ()))[:FILES]
        parts[part] = Part(names, origin.sources.get(part, ""), len(members), dict(labels.most_common()), lengths)
    guess = bound.guess(examples["valid"], examples["train"]) if examples.get("valid") else None
    shown = [bound.as_read(example)[:LETTERS] for example in spread(examples["train"])]
    return with_notes(parts, notes, shown, guess)


def with_notes(parts: dict[str, Part], notes: Notes, shown: list[str], guess: Guess | None) -> DataRead:
    """The account of parts, with what readers told."""
    left = [LeftOut(why, len(places), places[:PLACES]) for why, places in notes.left_out.items()]
    return DataRead(parts, list(notes.taken), left, shown, guess, dict(notes.columns))


def lengths_of(sizes: Sequence[int] | npt.NDArray[np.int64], unit: str) -> Lengths:
    """Median, longest and total of lengths.

    Example:
        >>> lengths_of([3, 1, 8], "words")
        Lengths(unit='words', median=3.0, longest=8, total=12)
    """
    found = np.asarray(sizes, np.int64)
    if not len(found):
        return Lengths(unit, 0.0, 0, 0)
    return Lengths(unit, float(np.median(found)), int(found.max()), int(found.sum()))


def spread(examples: Sequence[ExampleT] | npt.NDArray[Any]) -> list[Any]:
    """A few examples from the beginning, the middle and the end: the first ones are often alike.

    Example:
        >>> spread("abcdefg"), spread("ab")
        (['a', 'd', 'g'], ['a', 'b'])
    """
    last = len(examples) - 1
    return [examples[place] for place in sorted({last * number // (SHOWN - 1) for number in range(SHOWN)})]


def in_a_word(files: Sequence[Path | str]) -> str:
    """Files by name, of many the first ones.

    Example:
        >>> in_a_word([Path(name) for name in "abcdef"])
        'a, b, c and 3 more'
    """
    more = f" and {len(files) - LISTED:,} more" if len(files) > LISTED else ""
    return ", ".join(map(str, files[:LISTED])) + more
