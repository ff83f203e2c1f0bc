"""Tunes as files: MIDI, sound, pictures; and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from throughtime.data.music.midi import MIDI, write_midi, write_wav
from throughtime.data.music.tunes import Note, Tune, name_of
from throughtime.errors import UserError, listed
from throughtime.pictures import COLOURS, SUFFIXES, check_picture, new_figure, save_figure

FORMATS = (*MIDI, ".wav", *SUFFIXES)
"""Suffixes of files that tunes are written to."""

BEATS = 8
"""Of a picture's inch, at most."""


def check_format(path: Path) -> None:
    """Refuses a file that no tune can be written to, before anything is computed.

    Raises:
        UserError: If its suffix is not known, or a picture cannot be drawn.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"--out: expected a file that ends in {listed(FORMATS)}, got {path}")
    if path.suffix.lower() in SUFFIXES:
        check_picture(path, "--out")


def write_tune(path: Path, tune: Tune, grid: int, *title: str) -> None:
    """Writes a tune as its suffix says; ``grid`` are the steps of a beat, the title stands above a picture."""
    suffix = path.suffix.lower()
    if suffix in MIDI:
        write_midi(path, tune, grid)
    elif suffix == ".wav":
        write_wav(path, tune, grid)
    else:
        draw_tune(path, tune, grid, (), *title)


def tune_data(tune: Tune, grid: int) -> list[dict[str, Any]]:
    """A tune's notes as plain data, times in beats."""
    return [
        {"start": start / grid, "beats": length / grid, "pitch": pitch, "name": name_of(pitch)}
        for start, length, pitch in tune.notes
    ]


def roll_as_svg(notes: Sequence[Note]) -> str:
    """A piano roll for a notebook; nothing of no notes."""
    if not notes:
        return ""
    low, high = min(pitch for *_, pitch in notes), max(pitch for *_, pitch in notes)
    across, down = 760 / max(start + length for start, length, _ in notes), 5
    drawn = "".join(
        f'<rect x="{start * across:.1f}" y="{(high - pitch) * down}" width="{max(1.0, length * across):.1f}" '
        f'height="{down - 1}" fill="{COLOURS[2]}"><title>{name_of(pitch)}</title></rect>'
        for start, length, pitch in notes
    )
    return f'<svg width="760" height="{(high - low + 1) * down}">{drawn}</svg>'


def draw_tune(path: Path, tune: Tune, grid: int, surprise: Sequence[tuple[float, float]], *title: str) -> None:
    """Draws a piano roll.

    Args:
        path: The picture.
        tune: The tune.
        grid: Steps of a beat.
        surprise: Steps of the tune and the nats that the model found there, drawn below the roll.
        title: Lines above it.
    """
    width = max(7.0, tune.steps / grid / BEATS + 1)
    figure = new_figure(width, 5.4 if surprise else 4.0, *(title or ("a tune",)))
    axes = figure.subplots(2 if surprise else 1, 1, sharex=True, squeeze=False)[:, 0]
    pitches = [pitch for *_, pitch in tune.notes] or [60]
    low, high = min(pitches) - 1, max(pitches) + 1
    roll = axes[0]
    for start, length, pitch in tune.notes:
        roll.broken_barh([(start / grid, 0.96 * length / grid)], (pitch - 0.4, 0.8), color=COLOURS[2])
    octaves = [pitch for pitch in range(low, high + 1) if pitch % 12 == 0]
    if len(octaves) < 2:  # a narrow tune is told by its lowest and highest key
        octaves = sorted({low + 1, high - 1})
    roll.set_yticks(octaves, [name_of(pitch) for pitch in octaves])
    roll.set_ylim(low, high)
    end = max(1, tune.steps) / grid
    roll.set_xlim(-0.005 * end, end)  # what stands at the beginning is seen whole
    roll.set_ylabel("key (name)")
    roll.grid(axis="y", color=COLOURS[7], alpha=0.4)
    if surprise:
        steps, nats = zip(*surprise, strict=True)
        axes[1].vlines([step / grid for step in steps], 0, nats, color=COLOURS[4])
        axes[1].set_ylabel("surprise (nats)")
        axes[1].set_ylim(bottom=0)
    axes[-1].set_xlabel("time (beats)")
    save_figure(figure, path)
