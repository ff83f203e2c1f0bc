"""Tunes in memory as files of the formats that the task reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.applications.memory import begin_at, holds
from throughtime.data.music.midi import write_midi
from throughtime.errors import UserError
from throughtime.files import make_folder, write_json
from throughtime.runtime.music.items import FINE, checked_roll, fine_notes, is_roll
from throughtime.runtime.music.tunes import KEYS, LOWEST, Tune


def spill(data: Any, folder: Path) -> list[Path]:
    """Piano rolls as one file of chorales; notes as a MIDI file each, those of a genre in a folder of its name.

    Args:
        data: Rolls ``[T, 88]`` of zeros and ones, or tunes as lists of ``(start, length, pitch)`` in beats; each may
            stand in a pair with its genre.
        folder: Where they are written.

    Raises:
        UserError: If the data have no such form, or rolls stand among notes.
    """
    if not isinstance(data, list | tuple) or not data:
        raise UserError(f"expected piano rolls [T, {KEYS}], or tunes as lists of (start, length, pitch)")
    pairs = [item if _has_genre(item) else (item, "") for item in data]
    rolled = [is_roll(tune) for tune, _ in pairs]
    if all(rolled):
        if any(genre for _, genre in pairs):
            raise UserError("expected piano rolls without genres, which their models do not know; give notes instead")
        path = folder / "rolls.json"
        write_json(
            begin_at(path, ()),
            {"train": [_steps(number, tune) for number, (tune, _) in enumerate(pairs, 1)]},
        )
        return [path / "train"]
    if any(rolled):
        raise UserError("expected piano rolls alone, or notes alone, got both")
    return [write_notes(folder, number, tune, genre) for number, (tune, genre) in enumerate(pairs, 1)]


def write_item(item: Any, folder: Path) -> Path:
    """One tune to predict, as a file."""
    if not is_roll(item):
        return write_notes(folder, 1, item, "")
    write_json(folder / "rolls.json", {"test": [_steps(1, item)]})
    return folder / "rolls.json"


def write_notes(folder: Path, number: int, notes: Any, genre: str) -> Path:
    """Notes as a MIDI file, whose folder tells the genre.

    Raises:
        UserError: If a note is none.
    """
    found = fine_notes(notes, f"tune {number}")
    if "/" in genre or genre.startswith("."):
        raise UserError(f"tune {number}: expected a genre that can name a folder, got {genre!r}")
    place = folder / (genre or "train")  # the name of a part tells no genre
    make_folder(place)
    path = holds(place / f"{number:05}.mid", number)
    write_midi(path, Tune.of(found), FINE)
    return path


def _has_genre(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], str)


def _steps(number: int, roll: Any) -> Sequence[list[int]]:
    return [[int(key) + LOWEST for key in np.flatnonzero(step)] for step in checked_roll(roll, f"tune {number}")]
