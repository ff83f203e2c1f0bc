"""MIDI and ABC files as tunes, and tunes as MIDI files and sound."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.data.music.abc import abc_to_midi
from throughtime.data.music.tunes import Note, Tune
from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.files import write_chunks
from throughtime.plain import read_bytes

MIDI = (".mid", ".midi")
ABC = (".abc",)

ABC2MIDI = "abc2midi.exe" if os.name == "nt" else "abc2midi"
"""The program that symusic brings along."""

LARGEST = 64 << 20
"""Bytes of a MIDI file."""

MOST_STEPS = 1_000_000
"""Of a tune: what is longer has broken times."""

TICKS = 480
"""Of a beat, in files that are written."""
VELOCITY = 80
RATE = 22050
"""Samples of a second, in sound that is written."""
TEMPO = 120.0
"""Beats of a minute, in files that are written."""


def read_midi(path: Path, grid: int) -> Tune:
    """The notes of a MIDI file, drums left out, from its first note on.

    Args:
        path: The file.
        grid: Steps of a beat (a quarter note) that notes are moved to.

    Raises:
        UserError: If the file is broken, or holds no notes; names it.
    """
    symusic = extra("symusic", "music", f"{path}: reading MIDI")
    content = read_bytes(path, LARGEST)
    try:
        score = symusic.Score.from_midi(content)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path}: expected a MIDI file, which this is not, or a broken one ({error})") from error
    return _tune(str(path), score, grid)


def read_abc(where: str, text: str, grid: int) -> Tune:
    """The notes of a tune in ABC, its chords among them, repeats played.

    Args:
        where: File and line, for errors.
        text: The tune.
        grid: As in :func:`read_midi`.

    Raises:
        UserError: If it is broken or holds no notes.
    """
    symusic = extra("symusic", "music", f"{where}: reading ABC")
    midi = abc_to_midi(where, text, Path(symusic.__file__).parent / "bin" / ABC2MIDI)
    try:
        score = symusic.Score.from_midi(midi)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{where}: expected a tune in ABC, which this is not ({error})") from error
    return _tune(where, score, grid)


def _tune(where: str, score: Any, grid: int) -> Tune:
    if score.ticks_per_quarter <= 0:
        raise UserError(f"{where}: expected a MIDI file, which this is not, or a broken one (a beat of no ticks)")
    beat = score.ticks_per_quarter / grid
    notes: list[Note] = []
    for track in score.tracks:
        if track.is_drum:
            continue
        for note in track.notes:
            start, end = round(note.start / beat), round((note.start + note.duration) / beat)
            notes.append((start, max(1, end - start), note.pitch))
    if not notes:
        raise UserError(f"{where}: expected notes, found none")
    first = min(start for start, *_ in notes)
    tune = Tune.of([(start - first, length, pitch) for start, length, pitch in notes])
    if tune.steps > MOST_STEPS:
        raise UserError(f"{where}: expected a tune of at most {MOST_STEPS:,} steps, got {tune.steps:,}: broken times")
    return tune


def write_midi(path: Path, tune: Tune, grid: int, tempo: float = TEMPO) -> None:
    """Writes a tune as a MIDI file of one piano.

    Args:
        path: The file.
        tune: The tune.
        grid: Steps of a beat.
        tempo: Beats a minute.
    """
    symusic = extra("symusic", "music", f"{path}: writing MIDI")
    score = symusic.Score(TICKS)
    score.tempos.append(symusic.Tempo(0, tempo))
    track = symusic.Track("piano", 0, False)
    for start, length, pitch in tune.notes:
        begin, end = (round(step * TICKS / grid) for step in (start, start + length))
        track.notes.append(symusic.Note(begin, end - begin, pitch, VELOCITY))
    score.tracks.append(track)
    write_chunks(path, [score.dumps_midi()])


def write_wav(path: Path, tune: Tune, grid: int, tempo: float = TEMPO) -> None:
    """Renders a tune with plain sine waves, and writes it as a wav file; arguments as of :func:`write_midi`."""
    pretty_midi = extra("pretty_midi", "music", f"{path}: rendering sound")
    soundfile = extra("soundfile", "music", f"{path}: writing sound")
    step = 60.0 / tempo / grid
    piano = pretty_midi.Instrument(0)
    piano.notes = [
        pretty_midi.Note(VELOCITY, pitch, start * step, (start + length) * step) for start, length, pitch in tune.notes
    ]
    score = pretty_midi.PrettyMIDI()
    score.instruments.append(piano)
    # The library adds a second of silence, and cannot divide where there is nothing to hear.
    sound = score.synthesize(fs=RATE)[: round(tune.steps * step * RATE)] if tune.notes else np.zeros(0)
    made = BytesIO()
    soundfile.write(made, 0.9 * sound, RATE, format="WAV")
    write_chunks(path, [made.getvalue()])
