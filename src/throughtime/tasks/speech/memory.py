"""Recordings in memory as files; nothing of them is lost."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.applications.memory import rows, write_rows
from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.files import write_chunks

NAMES = ("audio", "transcript")


def spill(data: Any, folder: Path) -> list[Path]:
    """A manifest, and a wav file for every waveform.

    Args:
        data: ``[((waveform, rate), transcript), …]`` or ``[(waveform, rate, transcript), …]``; a path may stand for a
            waveform and its rate.
        folder: Where they are written, and stay.

    Raises:
        UserError: If the data have no such form.
    """
    if isinstance(data, list) and data and all(isinstance(row, tuple | list) and len(row) == 3 for row in data):
        data = [((sound, rate), said) for sound, rate, said in data]
    found = rows(data, NAMES)
    for number, row in enumerate(found):
        sound = row.get("audio")
        if isinstance(sound, str | Path):
            row["audio"] = str(Path(sound).absolute())
        elif sound is not None:
            row["audio"] = write_sound(folder / f"{number:05}.wav", sound, f"example {number + 1}").name
    return [write_rows(found, folder / "recordings.jsonl")]


def write_sound(path: Path, sound: Any, where: str) -> Path:
    """A waveform and its rate as a wav file: whole numbers of 16 bits as they are, others as 32-bit reals.

    Raises:
        UserError: If it is none; ``where`` is what it is called.
    """
    if not (isinstance(sound, Sequence) and len(sound) == 2 and np.ndim(sound[1]) == 0):
        raise UserError(f"{where}: expected (waveform, rate), got a {type(sound).__name__}")
    samples, rate = np.asarray(sound[0]), int(sound[1])
    if samples.ndim != 1 or not (samples.dtype == np.int16 or np.issubdtype(samples.dtype, np.floating)):
        got = f"{samples.dtype} {list(samples.shape)}"
        raise UserError(f"{where}: expected a waveform [T] of reals or of 16-bit whole numbers, got {got}")
    soundfile = extra("soundfile", "speech", "sound in memory")
    made = BytesIO()
    whole = samples.dtype == np.int16
    soundfile.write(
        made, samples if whole else samples.astype(np.float32), rate, "PCM_16" if whole else "FLOAT", format="WAV"
    )
    write_chunks(path, [made.getvalue()])
    return path
