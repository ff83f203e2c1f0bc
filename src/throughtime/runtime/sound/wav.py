"""Sound for a recogniser: wav files through the standard library, and waveforms in memory."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.errors import UserError
from throughtime.plain import open_regular
from throughtime.runtime.remarks import cut_sound, remark
from throughtime.runtime.sound.filterbank import Samples

ENDLESS = 0x7FFFFFFF - 0x1000
"""Bytes of sound from which on a head says no more than that more is to come."""

BLOCK = 0.25
"""Seconds that are read at once."""


def read_wav(path: Path, rate: int, seconds: float = BLOCK) -> Iterator[Samples]:
    """The samples of a wav file (PCM of 8 to 32 bits), in [-1, 1], its channels mixed to one, block by block.

    Args:
        path: The file.
        rate: Samples a second that it must have: nothing is resampled here.
        seconds: Of a block.

    Raises:
        UserError: If it is no such file, holds no sound, or has another rate.
    """
    with open_regular(path) as stream:
        try:
            file = wave.Wave_read(stream)
        except (wave.Error, EOFError) as error:
            raise UserError(
                f"{path}: expected a wav file of PCM samples, got another ({error}); convert it: "
                f"ffmpeg -i FILE -ac 1 -ar {rate} -c:a pcm_s16le OUT.wav"
            ) from error
        check_rate(str(path), file.getframerate(), rate)
        heard = 0
        while block := file.readframes(max(1, round(seconds * rate))):
            samples = _floats(block, file.getsampwidth(), file.getnchannels())
            heard += len(samples)
            yield samples
        if not heard:
            raise UserError(f"{path}: expected sound, got a recording without samples; leave it out")
        said = file.getnframes() * file.getnchannels() * file.getsampwidth()
        if said < ENDLESS and heard < file.getnframes() - rate / 10:
            remark(str(path), [cut_sound(heard / rate, file.getnframes() / rate)])


def read_waveform(sound: Any, rate: int, where: str) -> Iterator[Samples]:
    """The samples of a waveform ``[T]`` of reals in [-1, 1], or of 16-bit whole numbers, with its rate.

    Raises:
        UserError: If it is none, is empty, or has another rate.
    """
    if not (isinstance(sound, tuple | list) and len(sound) == 2):
        raise UserError(f"{where}: expected a path or (waveform, rate), got a {type(sound).__name__}")
    samples = np.asarray(sound[0])
    whole = samples.dtype == np.int16
    if samples.ndim != 1 or not samples.size or not (whole or samples.dtype.kind == "f"):
        raise UserError(
            f"{where}: expected a waveform [T] of reals or of 16-bit whole numbers, "
            f"got {samples.dtype} {list(samples.shape)}"
        )
    check_rate(where, sound[1], rate)
    yield samples.astype(np.float32) / np.float32(32768) if whole else samples.astype(np.float32)


def check_rate(where: str, got: Any, rate: int) -> None:
    """Refuses a recording of another rate than the model's.

    Raises:
        UserError: Says how to convert it.
    """
    if got != rate:
        raise UserError(
            f"{where}: expected {rate:,} samples a second, as the model was trained on, got {got:,}; convert it: "
            f"ffmpeg -i FILE -ar {rate} OUT.wav"
        )


def _floats(block: bytes, width: int, channels: int) -> Samples:
    if width == 1:
        whole, most = np.frombuffer(block, np.uint8).astype(np.int64) - 128, 2**7
    elif width == 3:
        filled = np.zeros((len(block) // 3, 4), np.uint8)
        filled[:, 1:] = np.frombuffer(block, np.uint8).reshape(-1, 3)
        whole, most = filled.view("<i4")[:, 0].astype(np.int64), 2**31
    else:
        whole, most = np.frombuffer(block, f"<i{width}").astype(np.int64), 2 ** (8 * width - 1)
    samples: Samples = whole.reshape(-1, channels).astype(np.float32) / np.float32(most)
    return samples.mean(1) if channels > 1 else samples[:, 0]
