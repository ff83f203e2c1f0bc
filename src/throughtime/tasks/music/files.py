"""Tunes as files: MIDI, sound, pictures; and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from throughtime.data.music.midi import MIDI, write_midi, write_wav
from throughtime.errors import UserError, listed
from throughtime.pictures import COLOURS, SUFFIXES, check_picture, new_figure, save_figure
from throughtime.runtime.music.tunes import Tune, name_of

FORMATS = (*MIDI, ".wav", *SUFFIXES)
"""Suffixes of files that tunes are written to."""

BEATS = "beats"
"""What time is counted in where nothing else is said."""

INCH = 8
"""Beats of a picture's inch, at most."""

WIDTH, GUTTER, KEY = 760, 36, 6
"""Of a notebook's roll, in dots: its breadth, what stands left of it for names, and the height of a key."""


def check_format(path: Path) -> None:
    """Refuses a file that no tune can be written to, before anything is computed.

    Raises:
        UserError: If its suffix is not known, or a picture cannot be drawn.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"--out: expected a file that ends in {listed(FORMATS)}, got {path}")
    if path.suffix.lower() in SUFFIXES:
        check_picture(path, "--out")


def write_tune(path: Path, tune: Tune, grid: int, *title: str, time: str = BEATS) -> None:
    """Writes a tune as its suffix says; ``grid`` are the steps of a beat, ``title`` and ``time`` those of a picture."""
    suffix = path.suffix.lower()
    if suffix in MIDI:
        write_midi(path, tune, grid)
    elif suffix == ".wav":
        write_wav(path, tune, grid)
    else:
        draw_tune(path, tune, grid, (), *title, time=time)


def roll_as_svg(notes: Sequence[tuple[float, float, int]], time: str = BEATS) -> str:
    """A piano roll for a notebook, its keys named at the left and its beats below; nothing of no notes.

    Args:
        notes: ``(start, length, pitch)``, in beats.
        time: What its time is counted in.
    """
    if not notes:
        return ""
    pitches = [pitch for *_, pitch in notes]
    low, high, end = min(pitches), max(pitches), max(start + length for start, length, _ in notes)
    across, bottom = WIDTH / end, (high - low + 1) * KEY
    drawn = "".join(
        f'<rect x="{GUTTER + start * across:.1f}" y="{(high - pitch) * KEY}" width="{max(1.0, length * across):.1f}" '
        f'height="{KEY - 1}" fill="{COLOURS[3]}"><title>{name_of(pitch)}</title></rect>'
        for start, length, pitch in notes
    )
    named = named_keys(low, high)
    keys = "".join(
        f'<text x="{GUTTER - 6}" y="{(high - pitch + 1) * KEY}" text-anchor="end">{name_of(pitch)}</text>'
        for pitch in named
    )
    every = next(beats for beats in (2**power for power in range(64)) if end / beats <= 12)
    beats = "".join(
        f'<text x="{GUTTER + beat * across:.1f}" y="{bottom + 14}" text-anchor="middle">{beat}</text>'
        for beat in range(0, int(end) + 1, every)
    )
    return (
        f'<svg viewBox="0 -6 {GUTTER + WIDTH + 20} {bottom + 36}" width="{GUTTER + WIDTH + 20}" font-size="11" '
        f'fill="currentColor" role="img" style="max-width: 100%; height: auto"><title>keys over beats</title>'
        f"{drawn}{keys}{beats}"
        f'<text x="{GUTTER + WIDTH / 2:.0f}" y="{bottom + 28}" text-anchor="middle">time ({time})</text></svg>'
    )


def named_keys(low: int, high: int) -> list[int]:
    """Keys that are named on an axis: every C, and where there are fewer than two, the lowest and the highest.

    Example:
        >>> named_keys(50, 75), named_keys(62, 66), named_keys(60, 60)
        ([60, 72], [62, 66], [60])
    """
    octaves = [pitch for pitch in range(low, high + 1) if pitch % 12 == 0]
    return octaves if len(octaves) >= 2 else sorted({low, high})


def draw_tune(
    path: Path, tune: Tune, grid: int, surprise: Sequence[tuple[float, float]], *title: str, time: str = BEATS
) -> None:
    """Draws a piano roll.

    Args:
        path: The picture.
        tune: The tune.
        grid: Steps of a beat.
        surprise: Steps of the tune and the nats that the model found there, drawn below the roll.
        title: Lines above it.
        time: What its time is counted in.
    """
    width = max(7.0, tune.steps / grid / INCH + 1)
    figure = new_figure(width, 5.4 if surprise else 4.0, *(title or ("a tune",)))
    axes = figure.subplots(2 if surprise else 1, 1, sharex=True, squeeze=False)[:, 0]
    pitches = [pitch for *_, pitch in tune.notes] or [60]
    low, high = min(pitches) - 1, max(pitches) + 1
    roll = axes[0]
    for start, length, pitch in tune.notes:
        roll.broken_barh([(start / grid, 0.96 * length / grid)], (pitch - 0.4, 0.8), color=COLOURS[2])
    named = named_keys(low + 1, high - 1)
    roll.set_yticks(named, [name_of(pitch) for pitch in named])
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
    axes[-1].set_xlabel(f"time ({time})")
    save_figure(figure, path)
