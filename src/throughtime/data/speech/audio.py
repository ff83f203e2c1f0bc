"""Recordings as samples: block by block, so that an hour takes no more memory than a second.

wav, flac, ogg and mp3 are read through libsndfile, mixed to one channel and resampled. The resampler's output does not
depend on where the blocks are cut: what is read from a pipe is what is read from the file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from io import UnsupportedOperation
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.data.speech.heads import Endless, WavData, is_cut_ogg, wav_data
from throughtime.errors import UserError, listed
from throughtime.extras import extra
from throughtime.plain import check_regular, member_of, open_member
from throughtime.runtime.remarks import cut_sound

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3")
"""Of the files that hold sound."""

Samples = npt.NDArray[np.float32]

ENDLESS = 0x7FFF0000
"""Bytes from which on a wav head's length is what programs write that do not know it yet: they write to a pipe."""

RATES = (1_000, 1_000_000)
"""Samples a second, at least and at most, of a recording."""

CHANNELS = 128
"""Of a recording, at most."""

LOUDEST = 32.0
"""Of a sample, which should be within [-1, 1]: 30 decibels more than that are no sound that was too loud, but whole
numbers written as reals."""

NO_LENGTH = 1 << 62
"""Frames from which on libsndfile means that a file does not tell how many it has."""

REALS = ("FLOAT", "DOUBLE")
"""libsndfile's names of samples that may be anything."""

_DATA = re.compile(r"^data\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)


@dataclass(frozen=True)
class Stretch:
    """A part of a recording, in seconds from its beginning."""

    begin: float
    end: float


@dataclass(frozen=True)
class AudioInfo:
    """What there is in a recording.

    Attributes:
        rate: Samples a second.
        seconds: Its length; infinite where its head does not know it.
        warning: What is wrong with it; empty where nothing is.
    """

    rate: int
    seconds: float
    warning: str = ""


class Audio:
    """An open recording.

    Args:
        path: The file; None: standard input.
        stretch: The part of it that is read; None: all of it.

    Raises:
        UserError: If it is no recording that libsndfile knows; names it.
    """

    def __init__(self, path: Path | None, stretch: Stretch | None = None) -> None:
        self.name = "standard input" if path is None else str(path)
        self.library = extra("soundfile", "speech", "reading audio")
        if path is not None:
            check_regular(path)  # a pipe is read as standard input
        data = None if path is None else wav_data(path)
        source: Any = _standard_input() if path is None else str(path)
        if path is not None and data is not None and data.unclosed:
            source = Endless(path, data)
        elif path is not None and (member := member_of(path)) is not None:
            source = open_member(member)
        try:
            self.file = self.library.SoundFile(source, closefd=False)
        except (self.library.LibsndfileError, TypeError) as error:  # TypeError: a suffix that means raw samples
            known = "wav (with its head)" if path is None else listed(SUFFIXES)
            raise UserError(f"{self.name}: expected sound ({known}), which this is not, or it is damaged") from error
        try:
            _check_head(self.name, self.file)
        except UserError:
            self.file.close()
            raise
        self.stretch = stretch
        self.info = _info(self.file)
        if data is not None and data.stray:
            self.info = replace(self.info, warning=_stray(data))
        elif path is not None and is_cut_ogg(path):
            warning = f"the recording is cut off: its last page is missing; {self.info.seconds:.1f} s could be read"
            self.info = replace(self.info, warning=warning)
        if stretch is not None:
            self.info = replace(self.info, seconds=stretch.end - stretch.begin)
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
                read += len(block)
                yield block if resampler is None else resampler.resample_chunk(block)
        if not read:
            raise _empty(self.name, self.info)
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        if not self.warnings and read / self.info.rate < self.info.seconds - 0.1 and np.isfinite(self.info.seconds):
            self.warnings.append(cut_sound(read / self.info.rate, self.info.seconds))

    def tells_all(self) -> bool:
        """Whether its head tells what there is in it: the last sample stands where it says, and none can be broken."""
        frames = self.file.frames
        if self.file.subtype in REALS or frames >= NO_LENGTH:
            return False
        return not frames or (self._seek(frames - 1) and len(self._block(1)[0]) == 1)

    def _read(self, frames: int) -> Iterator[Samples]:
        """Blocks of one channel."""
        begin, end = 0, NO_LENGTH
        if self.stretch is not None:
            begin, end = (round(at * self.info.rate) for at in (self.stretch.begin, self.stretch.end))
        whole = not begin or self._seek(begin)
        while whole and begin < end:
            block, whole = self._block(min(frames, end - begin))
            if not len(block):
                return
            check_samples(block, self.name, partial(self._time, begin))
            begin += len(block)
            yield block.mean(1) if block.shape[1] > 1 else block[:, 0]

    def _time(self, begin: int, at: int) -> str:
        return f"at {(begin + at) / self.info.rate:.2f} s"

    def _seek(self, frame: int) -> bool:
        """Whether it can be read from there on."""
        try:
            return int(self.file.seek(frame)) == frame
        except self.library.LibsndfileError:
            return False

    def _block(self, frames: int) -> tuple[Samples, bool]:
        """The next samples, ``[t, channels]``, and whether more may follow: broken in the middle, it ends there."""
        block = np.full((frames, self.file.channels), np.nan, np.float32)
        try:
            return self.file.read(dtype="float32", always_2d=True, out=block), True
        except self.library.LibsndfileError:  # what came before it is there
            return block[: np.isfinite(block[:, 0]).argmin() if np.isnan(block[:, 0]).any() else frames], False


def audio_info(path: Path) -> AudioInfo:
    """What there is in a recording: its head is believed where that tells all, and else all of it is read.

    Raises:
        UserError: If it is no recording, or an empty one; if a sample is no number or far too loud.
    """
    audio = Audio(path)
    info = audio.info
    if audio.tells_all():
        audio.file.close()
    else:
        audio = Audio(path)  # seeking in what is broken may leave it anywhere
        read = sum(map(len, audio.blocks(info.rate)))
        info = AudioInfo(info.rate, read / info.rate, "; ".join(audio.warnings))
    if not info.seconds:
        raise _empty(str(path), info)
    return info


def check_samples(samples: npt.NDArray[np.floating[Any]], where: str, time: Callable[[int], str]) -> None:
    """Refuses samples that are no sound.

    Args:
        samples: Their time is the first axis.
        where: What a message begins with.
        time: Tells where a sample is.

    Raises:
        UserError: If one is no number, infinite, or as large as whole numbers are; names where it is.
    """
    loud = np.abs(samples)
    if loud.max(initial=0) <= LOUDEST:  # never, where one is no number
        return
    at = int(np.argmax(~(loud.reshape(len(loud), -1).max(1) <= LOUDEST)))
    largest = float(loud[at].max())
    bits = next((bits for bits in (16, 24, 32) if largest <= 2 ** (bits - 1)), None)
    if bits is None:
        kind = "no number" if np.isnan(largest) else "infinite" if np.isinf(largest) else "far outside"
        raise UserError(
            f"{where}: expected samples within [-1, 1], got one {time(at)} that is {kind}; the recording is damaged: "
            "leave it out"
        )
    raise UserError(
        f"{where}: expected samples within [-1, 1], got {largest:,.6g} {time(at)}: whole numbers of {bits} bits kept "
        f"as reals, it seems; divide them by {2 ** (bits - 1):,}, or leave the recording out"
    )


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
        endless = frames >= NO_LENGTH or (frames * file.channels * 2 >= ENDLESS and not file.seekable())
        return AudioInfo(file.samplerate, np.inf if endless else frames / file.samplerate)
    said, there = map(int, declared.groups())
    seconds = frames / file.samplerate
    warning = "" if said >= ENDLESS or said <= there else cut_sound(seconds, seconds * said / max(1, there))
    return AudioInfo(file.samplerate, seconds, warning)


def _empty(name: str, info: AudioInfo) -> UserError:
    why = info.warning or "the recording is empty, or its head says so"
    return UserError(f"{name}: expected sound, got none: {why}; leave it out, or record it again")


def _stray(data: WavData) -> str:
    if data.unclosed:
        return (
            f"its head says that it holds no sound, though {data.there:,} bytes follow, as recorders leave it that did "
            "not come to an end; they are read as sound"
        )
    return f"{data.stray:,} bytes behind the sound that its head tells of are left out"


def _standard_input() -> Any:
    """Its number, which libsndfile reads as a pipe; the object itself where it has none."""
    try:
        return sys.stdin.fileno()
    except UnsupportedOperation:
        return sys.stdin.buffer
