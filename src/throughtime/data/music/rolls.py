"""Piano rolls in files: MATLAB files of 88 keys, and JSON files of the pitches of every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from throughtime.data.music.matlab import LARGEST, Matrix, read_cells
from throughtime.data.parts import PARTS
from throughtime.errors import UserError, listed
from throughtime.plain import check_regular, parse_json
from throughtime.runtime.music.tunes import KEYS, LOWEST, PITCHES, Tune
from throughtime.runtime.reading.files import read_file

CELLS = {"train": "traindata", "valid": "validdata", "test": "testdata"}
"""The cells of a ``.mat`` file, by part."""

SUFFIXES = (".mat", ".json")


def read_rolls(path: Path) -> dict[str, list[Tune]]:
    """The tunes of a file by part, ``train``, ``valid``, ``test``.

    ``.mat``: cells ``traindata``, ``validdata``, ``testdata`` of ``[T, 88]`` matrices, the first key being MIDI pitch
    21 (Boulanger-Lewandowski et al. 2012, as Bai et al. 2018 share them). ``.json``: an object of parts, each a list
    of tunes, each a list of steps, each a list of MIDI pitches, -1 for a voice that is silent.

    Raises:
        UserError: If the file is not one of these; names it.
    """
    found = _read_mat(path) if path.suffix.lower() == ".mat" else _read_json(path)
    if not any(found.values()):
        raise UserError(f"{path}: expected tunes, got none")
    for part, tunes in found.items():
        for number, tune in enumerate(tunes, 1):
            if not tune.steps:
                raise UserError(f"{path}: {part} {number}: expected at least one frame, got none")
    return found


def _read_mat(path: Path) -> dict[str, list[Tune]]:
    cells = read_cells(path, CELLS.values())
    named = {part: cells[cell] for part, cell in CELLS.items() if cell in cells}
    if "train" not in named and "test" not in named:
        raise UserError(f"{path}: expected the cells {listed(CELLS.values())}, found none of them")
    return {
        part: [_roll(f"{path}: {part} {number}", roll) for number, roll in enumerate(matrices, 1)]
        for part, matrices in named.items()
    }


def _roll(where: str, roll: Matrix) -> Tune:
    if roll.ndim != 2 or roll.shape[1] != KEYS or not np.isin(roll, (0, 1)).all():
        shape = "×".join(map(str, roll.shape))
        raise UserError(f"{where}: expected a matrix of frames × {KEYS} keys of zeros and ones, got {shape}")
    return Tune.of_frames(roll.astype(np.uint8))


def _read_json(path: Path) -> dict[str, list[Tune]]:
    check_regular(path, LARGEST)
    value = parse_json("".join(read_file(path)), str(path))
    if not isinstance(value, dict) or not set(value) & set(PARTS):
        raise UserError(f"{path}: expected a JSON object of {listed(PARTS)}, got {_outline(value)}")
    found = {part: value[part] for part in PARTS if part in value}
    for part, tunes in found.items():
        if not isinstance(tunes, list):
            raise UserError(f"{path}: {part}: expected a list of tunes, got {type(tunes).__name__}")
    return {
        part: [_chorale(f"{path}: {part} {number}", steps) for number, steps in enumerate(tunes, 1)]
        for part, tunes in found.items()
    }


def _outline(value: Any) -> str:
    return f"one of {', '.join(list(value)[:3]) or 'nothing'}" if isinstance(value, dict) else type(value).__name__


def _chorale(where: str, steps: Any) -> Tune:
    if not isinstance(steps, list) or not all(isinstance(step, list) for step in steps):
        raise UserError(f"{where}: expected a list of steps, each a list of pitches")
    roll = np.zeros((len(steps), KEYS), np.uint8)
    for number, step in enumerate(steps):
        for pitch in step:
            if pitch == -1:
                continue
            if not isinstance(pitch, int | float) or not 0 <= pitch < PITCHES or pitch != int(pitch):
                raise UserError(f"{where}, step {number}: expected a MIDI pitch from 0 to 127, or -1, got {pitch!r}")
            if 0 <= int(pitch) - LOWEST < KEYS:
                roll[number, int(pitch) - LOWEST] = 1
    return Tune.of_frames(roll)
