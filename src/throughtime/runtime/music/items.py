"""Tunes in memory, and what a new one goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from throughtime.errors import UserError
from throughtime.runtime.music.tunes import KEYS, PITCHES, Note, Roll, Tune, pitch_of, read_notes
from throughtime.runtime.reading.arrays import array_of

FINE = 24
"""Steps of a beat that notes are kept on: thirds and eighths of a beat among them."""


def fine_notes(notes: Any, where: str) -> list[Note]:
    """Notes ``(start, length, pitch)`` in beats as those of a grid of :data:`FINE` steps a beat.

    Raises:
        UserError: If a note is none.
    """
    found = []
    for note in notes:
        try:
            start, length, pitch = (float(part) for part in note)
        except (TypeError, ValueError) as error:
            raise UserError(f"{where}: expected notes (start, length, pitch), got {note!r}") from error
        if not (0 <= start < 1e6 and 0 < length < 1e6 and 0 <= pitch < PITCHES and pitch == int(pitch)):
            raise UserError(f"{where}: expected a note within a million beats and {PITCHES} keys, got {note!r}")
        found.append((round(start * FINE), max(1, round(length * FINE)), int(pitch)))
    return found


def is_roll(tune: Any) -> bool:
    """Whether it is a piano roll ``[T, 88]``."""
    return hasattr(tune, "shape") and len(tune.shape) == 2 and tune.shape[1] == KEYS


def checked_roll(roll: Any, where: str) -> Roll:
    """A piano roll as it is.

    Raises:
        UserError: If it is not one of zeros and ones.
    """
    values = np.asarray(roll)
    if not np.isin(values, (0, 1)).all():
        step, key = np.argwhere(~np.isin(values, (0, 1)))[0].tolist()
        raise UserError(
            f"{where}: expected a piano roll of zeros and ones, got {values[step, key]:g} at step {step}, key {key}"
        )
    return values.astype(np.uint8)


def as_tune(item: Any, grid: int, where: str) -> Tune:
    """A piano roll, or notes in beats, as a tune on a grid that begins with its first note.

    Args:
        item: ``[T, 88]`` of zeros and ones, or the path of a ``.npy`` file of it; a list of ``(start, length, pitch)``.
        grid: Steps of a beat.
        where: What it is called.

    Raises:
        UserError: If it is neither, or has no notes.

    Example:
        >>> as_tune([(1, 0.5, 60), (1.5, 1, 64)], 12, "tune 1").notes
        ((0, 6, 60), (6, 12, 64))
    """
    item = array_of(item)
    if is_roll(item):
        frames = checked_roll(item, where)
        if not len(frames):
            raise UserError(f"{where}: expected at least one frame, got none")
        return Tune.of_frames(frames)
    if isinstance(item, str) or not isinstance(item, Sequence):
        raise UserError(
            f"{where}: expected a piano roll [T, {KEYS}], or a list of (start, length, pitch) in beats, "
            f"got a {type(item).__name__}; files are read by: throughtime predict"
        )
    moved = [
        (round(start * grid / FINE), round((start + length) * grid / FINE), pitch)
        for start, length, pitch in fine_notes(item, where)
    ]
    if not moved:
        raise UserError(f"{where}: expected notes, found none")
    first = min(begin for begin, *_ in moved)
    return Tune.of([(begin - first, max(1, end - begin), pitch) for begin, end, pitch in moved])


def read_prompt(prompt: str, known: Sequence[str], grid: int) -> tuple[str, Tune]:
    """The genre and the first notes of a prompt: ``"jigs"``, ``"C4 E4+G4"``, both, or nothing.

    Args:
        prompt: The prompt.
        known: Genres.
        grid: Steps of a note.

    Raises:
        UserError: If a word is no note.

    Example:
        >>> read_prompt("jigs C4", ["jigs"], 12)
        ('jigs', Tune(notes=((0, 12, 60),), steps=12))
    """
    genre = next((name for name in sorted(known, key=len, reverse=True) if f"{prompt} ".startswith(f"{name} ")), "")
    rest = prompt.removeprefix(genre)
    if not genre and not any(pitch_of(name) for name in rest.replace("+", " ").split()):
        return rest, Tune((), 0)  # a genre that is not known: the model says which are
    return genre, read_notes(rest, grid)
