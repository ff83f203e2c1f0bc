"""Tunes: notes on a grid of steps, and the same as frames of a piano roll.

Shapes::

    T  frames        K  keys of a piano, 88
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError

Roll = npt.NDArray[np.uint8]
Note = tuple[int, int, int]
"""The step that a note begins at, how many it lasts, and its MIDI pitch."""

LOWEST = 21
"""The MIDI pitch of a piano's first key."""
KEYS = 88
PITCHES = 128

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MAJOR = (0, 2, 4, 5, 7, 9, 11)
"""Semitones of a major scale above its tonic."""

_NAMED = re.compile(r"([A-Ga-g])(#|b?)(-?\d)")
_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True)
class Tune:
    """Notes on a grid.

    Attributes:
        notes: In the order of their beginnings, then of their pitches; each lasts a step at least.
        steps: The tune's length.
    """

    notes: tuple[Note, ...]
    steps: int

    @classmethod
    def of(cls, notes: Sequence[Note], steps: int = 0) -> Tune:
        """A tune of notes in any order; of two that begin together on one pitch the longer one stays.

        Args:
            notes: The notes.
            steps: Least length.

        Example:
            >>> Tune.of([(4, 2, 64), (0, 4, 60), (0, 1, 60)])
            Tune(notes=((0, 4, 60), (4, 2, 64)), steps=6)
        """
        longest: dict[tuple[int, int], int] = {}
        for start, length, pitch in notes:
            longest[start, pitch] = max(length, longest.get((start, pitch), 1))
        ordered = tuple((start, length, pitch) for (start, pitch), length in sorted(longest.items()))
        return cls(ordered, max([steps, *(start + length for start, length, _ in ordered)]))

    @classmethod
    def of_frames(cls, frames: Roll) -> Tune:
        """A tune of a piano roll ``[T, K]``: a key that sounds in frame after frame is one note.

        Example:
            >>> roll = np.zeros((3, KEYS), np.uint8)
            >>> roll[1:, 60 - LOWEST] = 1
            >>> Tune.of_frames(roll)
            Tune(notes=((1, 2, 60),), steps=3)
        """
        padded = np.pad(frames.astype(np.int8), ((1, 1), (0, 0)))
        change = np.diff(padded, axis=0).T
        keys, starts = np.nonzero(change == 1)
        ends = np.nonzero(change == -1)[1]
        notes = zip(starts.tolist(), (ends - starts).tolist(), (keys + LOWEST).tolist(), strict=True)
        return cls(tuple(sorted(notes, key=lambda note: (note[0], note[2]))), len(frames))

    def frames(self) -> Roll:
        """The piano roll ``[T, K]``: 1 where a key sounds; what no piano plays is left out."""
        roll = np.zeros((self.steps, KEYS), np.uint8)
        for start, length, pitch in self.notes:
            if 0 <= pitch - LOWEST < KEYS:
                roll[start : start + length, pitch - LOWEST] = 1
        return roll


def room(pitches: Sequence[int], most: int, low: int = 0, high: int = PITCHES - 1) -> tuple[int, int]:
    """How far pitches can be moved down and up, at most ``most`` semitones, and stay between ``low`` and ``high``.

    Example:
        >>> room([60, 106], 5, LOWEST, LOWEST + KEYS - 1)
        (-5, 2)
    """
    if not pitches:
        return 0, 0
    return max(-most, min(0, low - min(pitches))), min(most, max(0, high - max(pitches)))


def best_scale(pitches: Sequence[int]) -> tuple[float, int]:
    """The share of pitches that lie in the scale that fits them best, and the tonic of its major form, 0 for C.

    The scales are the twelve of the major keys, each of which is a natural minor key's, too.

    Example:
        >>> best_scale([60, 62, 64, 65, 67, 69, 71]), best_scale([62, 66, 69, 70])
        ((1.0, 0), (0.75, 2))
    """
    counts = np.bincount(np.array(pitches, dtype=np.int64) % 12, minlength=12)
    inside = [int(counts[[(tonic + degree) % 12 for degree in MAJOR]].sum()) for tonic in range(12)]
    tonic = int(np.argmax(inside))
    return inside[tonic] / max(1, len(pitches)), tonic


def name_of(pitch: int) -> str:
    """The name of a MIDI pitch; middle C is C4.

    Example:
        >>> name_of(60), name_of(69), name_of(22)
        ('C4', 'A4', 'A#0')
    """
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def pitch_of(name: str) -> int | None:
    """The MIDI pitch of a name, the inverse of :func:`name_of`; None where it is no name of one.

    Example:
        >>> pitch_of("C4"), pitch_of("bb3"), pitch_of("jigs")
        (60, 58, None)
    """
    found = _NAMED.fullmatch(name)
    if found is None:
        return None
    letter, sign, octave = found.groups()
    pitch = 12 * (int(octave) + 1) + _NATURAL[letter.upper()] + {"": 0, "#": 1, "b": -1}[sign]
    return pitch if 0 <= pitch < PITCHES else None


def in_words(steps: int, beat: int) -> str:
    """A time as musicians count it.

    Args:
        steps: Of the grid.
        beat: Steps of a beat.

    Example:
        >>> [in_words(steps, 12) for steps in (4, 12, 18, 96)]
        ['1/3 beat', '1 beat', '1 1/2 beats', '8 beats']
    """
    whole, rest = divmod(steps, beat)
    parts = [str(whole)] * bool(whole or not rest) + [str(Fraction(rest, beat))] * bool(rest)
    return f"{' '.join(parts)} beat{'s' if steps > beat else ''}"


def read_notes(text: str, length: int) -> Tune:
    """Notes one after another, ``"C4 E4 G4"``; those that sound together are joined, ``"C4+E4+G4"``.

    Args:
        text: Names of pitches.
        length: Steps of each.

    Raises:
        UserError: If a word is no note.

    Example:
        >>> read_notes("C4+E4 G4", 2).notes
        ((0, 2, 60), (0, 2, 64), (2, 2, 67))
    """
    notes: list[Note] = []
    for number, chord in enumerate(text.split()):
        for name in chord.split("+"):
            pitch = pitch_of(name)
            if pitch is None:
                raise UserError(f"expected notes such as C4, F#3 or C4+E4+G4, got {name!r}")
            notes.append((number * length, length, pitch))
    return Tune.of(notes)


def in_beats(tune: Tune, grid: int) -> list[tuple[float, float, int]]:
    """A tune's notes, ``(start, length, pitch)``; ``grid`` are the steps of a beat."""
    return [(start / grid, length / grid, pitch) for start, length, pitch in tune.notes]


def tune_data(tune: Tune, grid: int) -> list[dict[str, Any]]:
    """A tune's notes as plain data, times in beats."""
    return [
        {"start": start, "beats": length, "pitch": pitch, "name": name_of(pitch)}
        for start, length, pitch in in_beats(tune, grid)
    ]


def drawn_data(words: Sequence[str], tune: Tune, grid: int) -> dict[str, Any]:
    """Of a tune that was drawn: names as they are shown; the share of notes in key; every note as plain data."""
    share, _ = best_scale([pitch for *_, pitch in tune.notes])
    return {"text": " ".join(words), "in_key": share, "notes": tune_data(tune, grid)}


def begins(before: Roll, frame: Roll) -> str:
    """The names of the keys that begin to sound, "-" where none does."""
    keys = np.flatnonzero(frame > before).tolist()
    return "+".join(name_of(key + LOWEST) for key in keys) or "-"
