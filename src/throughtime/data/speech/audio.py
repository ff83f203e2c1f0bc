"""Recordings as samples: block by block, so that an hour takes no more memory than a second.

wav, flac, ogg and mp3 are read through libsndfile, mixed to one channel and resampled. The resampler's output does not
depend on where the blocks are cut: what is read from a pipe is what is read from the file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import UnsupportedOperation
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.plain import check_regular

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3")
"""Of the files that hold sound."""

Samples = npt.NDArray[np.float32]

ENDLESS = 0x7FFF0000
"""Bytes from which on a wav head's length is what programs write that do not know it yet: they write to a pipe."""

RATES = (1_000, 1_000_000)
"""Samples a second, at least and at most, of a recording."""

CHANNELS = 128
"""Of a recording, at most."""

LOUDEST = 1e6
"""Of a sample, which should be within [-1, 1]; some programs write whole numbers of 16 bits as they are."""

_DATA = re.compile(r"^data\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)


@dataclass(frozen=True)
class AudioInfo:
    """What the head of a recording says.

    Attributes:
        rate: Samples a second.
        seconds: Its length; infinite where the head does not know it.
        warning: What is wrong with it; empty where nothing is.
    """

    rate: int
    seconds: float
    warning: str = ""


class Audio:
    """An open recording.

    Args:
        path: The file; None: standard input.

    Raises:
        UserError: If it is no recording that libsndfile knows; names it.
    """

    def __init__(self, path: Path | None) -> None:
        self.name = "standard input" if path is None else str(path)
        self.library = extra("soundfile", "speech", "reading audio")
        if path is not None:
            check_regular(path)  # a pipe is read as standard input
        source = _standard_input() if path is None else str(path)
        try:
            self.file = self.library.SoundFile(source, closefd=False)
        except (self.library.LibsndfileError, TypeError) as error:  # TypeError: a suffix that means raw samples
            known = "wav (with its head)" if path is None else ", ".join(SUFFIXES)
            raise UserError(f"{self.name}: expected sound ({known}), which this is not, or it is damaged") from error
        try:
            _check_head(self.name, self.file)
        except UserError:
            self.file.close()
            raise
        self.info = _info(self.file)
        self.warnings = [self.info.warning] if self.info.warning else []

    def blocks(self, rate: int, speed: float = 1.0, seconds: float = 0.25) -> Iterator[Samples]:
        """The samples, in [-1, 1], of one channel; :attr:`warnings` tells what was missing once they have been read.

        Args:
            rate: Samples a second that are wanted.
            speed: Of the sound: 1.1 makes it a tenth faster, and higher (Ko et al. 2015).
            seconds: Of a block.

        Raises:
            UserError: If there is no sound in it at all, or a sample is no number or far too loud.
        """
        resampler = None
        if self.info.rate * speed != rate:
            library = extra("soxr", "speech", "reading audio at another rate")
            resampler = library.ResampleStream(self.info.rate * speed, rate, 1, dtype="float32")
        read = 0
        with self.file:
            for block in self._read(max(1, round(seconds * self.info.rate))):
                if not np.abs(block).max() <= LOUDEST:
                    raise _damaged(self.name, read / self.info.rate)
                read += len(block)
                yield block if resampler is None else resampler.resample_chunk(block)
        if not read:
            raise _empty(self.name)
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        if not self.warnings and read / self.info.rate < self.info.seconds - 0.1 and np.isfinite(self.info.seconds):
            self.warnings.append(_cut(read / self.info.rate, self.info.seconds))

    def _read(self, frames: int) -> Iterator[Samples]:
        while True:
            try:
                block = self.file.read(frames, dtype="float32", always_2d=True)
            except self.library.LibsndfileError:  # broken in the middle: what came before is used
                return
            if not len(block):
                return
            yield block.mean(1) if block.shape[1] > 1 else block[:, 0]


def audio_info(path: Path) -> AudioInfo:
    """What the head of a recording says.

    Raises:
        UserError: If it is no recording, or an empty one.
    """
    audio = Audio(path)
    audio.file.close()
    if not audio.info.seconds:
        raise _empty(str(path))
    return audio.info


def _check_head(name: str, file: Any) -> None:
    least, most = RATES
    if not least <= file.samplerate <= most:
        raise UserError(
            f"{name}: expected from {least:,} to {most:,} samples a second, got {file.samplerate:,}; "
            "the recording is damaged, or convert it"
        )
    if file.channels > CHANNELS:
        raise UserError(
            f"{name}: expected at most {CHANNELS} channels, got {file.channels:,}; the recording is damaged"
        )


def _info(file: Any) -> AudioInfo:
    frames = file.frames
    declared = _DATA.search(file.extra_info)
    if declared is None:
        endless = frames * file.channels * 2 >= ENDLESS and not file.seekable()
        return AudioInfo(file.samplerate, np.inf if endless else frames / file.samplerate)
    said, there = map(int, declared.groups())
    seconds = frames / file.samplerate
    warning = "" if said >= ENDLESS or said <= there else _cut(seconds, seconds * said / max(1, there))
    return AudioInfo(file.samplerate, seconds, warning)


def _empty(name: str) -> UserError:
    return UserError(f"{name}: expected sound, got none: the recording is empty; leave it out, or record it again")


def _damaged(name: str, seconds: float) -> UserError:
    return UserError(
        f"{name}: expected samples within [-1, 1], got one at {seconds:.2f} s or soon after that is no number, or far "
        "outside; the recording is damaged: leave it out"
    )


def _cut(got: float, said: float) -> str:
    return f"the recording is cut off or broken: expected {said:.1f} s of sound, {got:.1f} s could be read"


def _standard_input() -> Any:
    """Its number, which libsndfile reads as a pipe; the object itself where it has none."""
    try:
        return sys.stdin.fileno()
    except UnsupportedOperation:
        return sys.stdin.buffer
