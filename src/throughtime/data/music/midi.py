"""MIDI and ABC files as tunes, and tunes as MIDI files and sound."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np

from throughtime.data.music.abc import abc_to_midi
from throughtime.data.music.midi_notes import BrokenError, Struck, parse_midi
from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.files import write_chunks
from throughtime.plain import read_bytes
from throughtime.runtime.music.tunes import Note, Tune
from throughtime.runtime.reading.notes import note

MIDI = (".mid", ".midi")
ABC = (".abc",)

ABC2MIDI = "abc2midi.exe" if os.name == "nt" else "abc2midi"
"""The program that symusic brings along."""

LARGEST = 64 << 20
"""Bytes of a MIDI file."""

MOST_STEPS = 1_000_000
"""Of a tune: what is longer has broken times."""

APART = 2
"""The format of files whose tracks are tunes of their own."""

TICKS = 480
"""Of a beat, in files that are written."""
VELOCITY = 80
RATE = 22050
"""Samples of a second, in sound that is written."""
TEMPO = 120.0
"""Beats of a minute, in files that are written."""


def read_midi(path: Path, grid: int) -> Tune:
    """The notes of a MIDI file of one tune, drums left out, from its first note on.

    Args:
        path: The file.
        grid: Steps of a beat (a quarter note) that notes are moved to.

    Raises:
        UserError: If the file is broken, or holds no notes, or several tunes; names it.
    """
    tunes = midi_tunes(path, grid)
    if len(tunes) > 1:
        raise UserError(f"{path}: expected a file of one tune, got {len(tunes)}, as format 2 has them")
    return tunes[0]


def midi_tunes(path: Path, grid: int) -> list[Tune]:
    """The tunes of a MIDI file: one, or in format 2 one of each track that has notes.

    Which end belongs to which note is told at :func:`throughtime.data.music.midi_notes.parse_midi`. Tempo changes
    nothing, as time is counted in beats; what is shorter than a step lasts a step.

    Args:
        path: The file.
        grid: As in :func:`read_midi`.

    Raises:
        UserError: As :func:`read_midi`.
    """
    content = read_bytes(path, LARGEST)
    try:
        found = parse_midi(content)
    except BrokenError as error:
        raise UserError(f"{path}: expected a MIDI file, which this is not, or a broken one ({error})") from error
    if found.told != len(found.tracks):
        note(f"{path}: its head tells of {found.told:,} tracks, {len(found.tracks):,} are there and read")
    if found.endless:
        note(f"{path}: notes that nothing ends ({found.endless:,}) last to the end of their track")
    if found.format == APART:
        tunes = [_tune(str(path), track, found.beat, grid) for track in found.tracks if track]
        if len(tunes) > 1:
            note(f"{path}: each of its {len(tunes):,} tracks is a tune of its own (MIDI of format 2)")
        if tunes:
            return tunes
    return [_tune(str(path), list(chain.from_iterable(found.tracks)), found.beat, grid)]


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
        found = parse_midi(midi)
    except BrokenError as error:
        raise UserError(f"{where}: expected a tune in ABC, which this is not ({error})") from error
    return _tune(where, list(chain.from_iterable(found.tracks)), found.beat, grid)


def _tune(where: str, struck: Sequence[Struck], beat: int, grid: int) -> Tune:
    if not struck:
        raise UserError(f"{where}: expected notes, found none")
    step = beat / grid
    moved = [(round(begin / step), round(end / step), pitch) for begin, end, pitch in struck]
    first = min(begin for begin, *_ in moved)
    tune = Tune.of([(begin - first, max(1, end - begin), pitch) for begin, end, pitch in moved])
    if tune.steps > MOST_STEPS:
        raise UserError(f"{where}: expected a tune of at most {MOST_STEPS:,} steps, got {tune.steps:,}: broken times")
    return tune


def write_midi(path: Path, tune: Tune, grid: int, tempo: float = TEMPO) -> None:
    """Writes a tune as a MIDI file of one piano; a note on a key that still sounds stands in a track of its own.

    Args:
        path: The file.
        tune: The tune.
        grid: Steps of a beat.
        tempo: Beats a minute.
    """
    symusic = extra("symusic", "music", f"{path}: writing MIDI")
    score = symusic.Score(TICKS)
    score.tempos.append(symusic.Tempo(0, tempo))
    for voice in _voices(tune):
        track = symusic.Track("piano", 0, False)
        for start, length, pitch in voice:
            begin, end = (round(step * TICKS / grid) for step in (start, start + length))
            track.notes.append(symusic.Note(begin, end - begin, pitch, VELOCITY))
        score.tracks.append(track)
    write_chunks(path, [score.dumps_midi()])


def _voices(tune: Tune) -> list[list[Note]]:
    """The notes of each track that is needed, so that no key is struck in one before its end there."""
    voices: list[list[Note]] = [[]]
    until: list[dict[int, int]] = [{}]  # of every voice, the step that its keys are free at
    for start, length, pitch in tune.notes:
        free = (number for number, ends in enumerate(until) if ends.get(pitch, 0) <= start)
        number = next(free, len(voices))
        if number == len(voices):
            voices.append([])
            until.append({})
        voices[number].append((start, length, pitch))
        until[number][pitch] = start + length
    return voices


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
