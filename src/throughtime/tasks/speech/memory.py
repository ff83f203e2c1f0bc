"""Recordings in memory as files; nothing of them is lost."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.applications.memory import as_array, holds, rows, write_rows
from throughtime.data.speech.audio import RATES, check_samples
from throughtime.errors import UserError, shown
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
        where = f"example {number + 1}"
        sound, said = row.get("audio"), row.get("transcript")
        if "transcript" in row and not (isinstance(said, str) and said.strip()):
            raise UserError(f"{where}: expected a text as its transcript, got {shown(said)}; leave it out, or mend it")
        if isinstance(sound, str | Path):
            row["audio"] = str(Path(sound).absolute())
        elif sound is not None:
            row["audio"] = write_sound(holds(folder / f"{number:05}.wav", number + 1), sound, where).name
    return [write_rows(found, folder / "recordings.jsonl")]


def write_sound(path: Path, sound: Any, where: str) -> Path:
    """A waveform and its rate as a wav file: whole numbers of 16 bits as they are, others as 32-bit reals.

    Args:
        path: Where it is written.
        sound: ``(waveform, rate)``: an array, a tensor, or a list of reals; of one dimension, or with one channel.
        where: What it is called.

    Raises:
        UserError: If it is none, or empty; if a sample is no number, or the reals are as large as whole numbers are.
    """
    if not (isinstance(sound, Sequence) and len(sound) == 2 and as_array(sound[1]).ndim == 0):
        raise UserError(f"{where}: expected (waveform, rate), got a {type(sound).__name__}")
    samples, rate = _samples(sound[0], where), _rate(sound[1], where)
    soundfile = extra("soundfile", "speech", "sound in memory")
    made = BytesIO()
    whole = samples.dtype == np.int16
    soundfile.write(made, samples, rate, "PCM_16" if whole else "FLOAT", format="WAV")
    write_chunks(path, [made.getvalue()])
    return path


def _samples(waveform: Any, where: str) -> npt.NDArray[Any]:
    """``[T]``, of 16-bit whole numbers or 32-bit reals."""
    samples = as_array(waveform)
    if samples.ndim == 2 and 1 in samples.shape:  # one channel, as torchaudio and soundfile give it
        samples = samples.reshape(-1)
    if samples.ndim != 1 or not (samples.dtype == np.int16 or np.issubdtype(samples.dtype, np.floating)):
        got = f"{samples.dtype} {list(samples.shape)}" if samples.ndim else f"a {type(waveform).__name__}"
        raise UserError(f"{where}: expected a waveform [T] of reals or of 16-bit whole numbers, got {got}")
    if not len(samples):
        raise UserError(f"{where}: expected a waveform, got one without samples; leave it out")
    if samples.dtype == np.int16:
        return samples
    check_samples(samples, where, lambda at: f"as sample {at + 1:,}")
    return samples.astype(np.float32)


def _rate(rate: Any, where: str) -> int:
    least, most = RATES
    try:
        whole = int(rate)
        if whole == float(rate) and least <= whole <= most:
            return whole
    except (TypeError, ValueError, OverflowError):
        pass
    raise UserError(f"{where}: expected a whole number from {least:,} to {most:,} samples a second, got {shown(rate)}")
