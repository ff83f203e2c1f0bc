"""What speech is learnt from: settings, recordings with their units, the loudness of bands, noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from typing_extensions import TypedDict

from throughtime.applications.folder.learnt import Closed, Real
from throughtime.applications.memory import is_spilled
from throughtime.applications.settings import SignalSettings, option, steps_at_least
from throughtime.data.progress import counted
from throughtime.data.speech.audio import Audio, Samples, Stretch, audio_info
from throughtime.data.speech.filterbank import SHIFT, FilterBank, Frames
from throughtime.data.speech.recordings import read_recordings
from throughtime.data.speech.spoken import stretch_of
from throughtime.data.vocabulary import Vocabulary
from throughtime.decoding.ctc import frames_needed
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import note

LEARNT = 2 * 3600.0
"""Seconds of sound, drawn evenly from the training data, that say how loud each band is."""

NOISE_SPAN = 30.0
"""Decibels from the loudest noise of training to the faintest."""


class SpeechSettings(SignalSettings):
    """What a recogniser of speech is trained from."""

    audio_column: str | None = option(None, "Manifest's column of recordings: its name, or number from 1.", "Data")
    transcript_column: str | None = option(None, "The same of transcripts.", "Data")
    header: bool | None = option(None, "A manifest's first row names its columns; default: judged.", "Data")
    unit: Literal["characters", "words"] = option(
        "characters", "What is recognised: characters, or words (whatever stands between spaces).", "Data"
    )
    rate: int | None = option(
        None, "Samples a second; default: those of the first recording.", "Data", ge=4000, le=192_000
    )
    mels: int = option(40, "Bands of the spectrogram.", "Data", ge=4, le=128)
    frames: int = option(3, "Frames, of 10 ms each, that are read as one step.", "Model", ge=1, le=1_000)
    bidirectional: bool = option(True, "Read in both directions; without it, --stream works.", "Model")
    hidden: int = option(128, "Units of a layer.", "Model", ge=1, le=2**24)
    layers: int = option(2, "Depth.", "Model", ge=1, le=1_000)
    batch: int = option(16, "Recordings side by side in a batch.", "Training", ge=1, le=2**20)
    epochs: float = option(30.0, "Passes over the data.", "Training", gt=0)
    least_steps: int = steps_at_least(600)
    lr: float = option(3e-3, "Peak learning rate.", "Training", gt=0)
    time_masks: int = option(2, "SpecAugment: masks over time.", "Training", ge=0, le=1_000)
    time_width: int = option(20, "SpecAugment: most frames of a mask.", "Training", ge=0, le=1_000_000)
    band_masks: int = option(1, "SpecAugment: masks over bands.", "Training", ge=0, le=1_000)
    band_width: int = option(6, "SpecAugment: most bands of a mask.", "Training", ge=0, le=1_000)
    speed: float = option(
        0.1, "Sound is faster or slower by this share, or as it is, while training.", "Training", ge=0, lt=1
    )
    volume: float = option(
        6.0, "Sound is louder or fainter by up to so many decibels while training.", "Training", ge=0
    )
    join: float = option(
        0.0, "Share of recordings that another one is joined to while training.", "Training", ge=0, le=1
    )
    noise: float | None = option(
        None, "Add noise while training: decibels of the sound above the loudest noise.", "Training"
    )

    @property
    def fastest(self) -> float:
        """The fastest that sound is in training."""
        return 1.0 + self.speed


class Learnt(TypedDict):
    """What is learnt of the training data, before training."""

    rate: Annotated[int, Field(ge=1000, le=1_000_000)]
    units: Closed
    mean: list[Real]
    deviation: list[Real]
    commonest: str
    seconds: Real
    broken: list[str]


@dataclass(frozen=True)
class SpeechExample:
    """A recording and what is said in it.

    Attributes:
        audio: The file.
        transcript: Words, one space apart.
        seconds: Its length, or that of the stretch in which it is said.
        warning: What is wrong with the file; empty where nothing is.
        where: Manifest and line, or the transcript's file.
        begin: Seconds before that stretch; None: all of the recording is read.
    """

    audio: str
    transcript: str
    seconds: float
    warning: str
    where: str
    begin: float | None = None

    @property
    def stretch(self) -> Stretch | None:
        """What is read of the recording; None: all of it."""
        return None if self.begin is None else Stretch(self.begin, self.begin + self.seconds)


Key = tuple[str, Stretch | None, float]
"""A recording, what is read of it, and how fast."""


def read_examples(paths: Sequence[Path], settings: SpeechSettings) -> Iterator[SpeechExample]:
    """Recordings and their transcripts.

    Raises:
        UserError: If a recording is damaged or not there, or a line of a manifest is broken.
    """
    info = lru_cache(maxsize=1)(audio_info)  # the stretches of a recording mostly stand together
    for found in read_recordings(paths, settings.audio_column, settings.transcript_column, settings.header):
        whole = info(found.audio)
        stretch, odd = stretch_of(found, whole)
        begin, seconds = None, whole.seconds
        if stretch is not None:
            begin, seconds = stretch.begin, stretch.end - stretch.begin
            note(f"{found.where.rpartition(':')[0]}: of a recording that stretch alone is read that its line tells")
        warning = whole.warning or odd
        yield SpeechExample(str(found.audio), found.transcript, seconds, warning, found.where, begin)


def named(example: SpeechExample) -> str:
    """What an example is called: its file, and where a stretch of it begins; of data in memory its number."""
    if is_spilled(example.audio):
        return example.where
    return example.audio if example.begin is None else f"{example.audio} at {example.begin:g} s"


def split_units(transcript: str, unit: str) -> list[str]:
    """A transcript as characters or words."""
    return list(transcript) if unit == "characters" else transcript.split()


def low_rate(rate: int, trained: int) -> list[str]:
    """A warning where a recording lacks the high sounds that a model was trained on."""
    if rate >= trained:
        return []
    return [f"recorded at {rate:,} Hz, where the model was trained at {trained:,} Hz: it misses the higher sounds"]


def add_noise(samples: Samples, least: float) -> Samples:
    """White noise over sound, which stands at least so many decibels above it, as PyTorch's generator draws."""
    ratio = least + NOISE_SPAN * float(torch.rand(()))
    loudness = float(np.sqrt(np.mean(np.square(samples))))
    noise: Samples = torch.randn(len(samples)).numpy()
    return samples + noise * np.float32(loudness * 10 ** (-ratio / 20))


def join_some(frames: Sequence[Frames], transcripts: Sequence[str], share: float) -> tuple[list[Frames], list[str]]:
    """Some recordings with another one after them, as PyTorch's generator draws: sentences seldom begin alike then.

    Example:
        >>> frames, transcripts = join_some([np.ones((2, 1)), np.zeros((3, 1))], ["yes", "no"], 1.0)
        >>> [len(found) for found in frames], len(transcripts[0].split())
        ([5, 5], 2)
    """
    joined = (torch.rand(len(frames)) < share).tolist()
    shifts = torch.randint(1, max(2, len(frames)), (len(frames),)).tolist()
    others = [(number + shift) % len(frames) for number, shift in enumerate(shifts)]
    return (
        [np.concatenate([f, frames[o]]) if j else f for f, o, j in zip(frames, others, joined, strict=True)],
        [f"{t} {transcripts[o]}" if j else t for t, o, j in zip(transcripts, others, joined, strict=True)],
    )


def check_length(example: SpeechExample, units: Vocabulary, settings: SpeechSettings) -> None:
    """Refuses a transcript that no path of the model stands for, also where training makes sound faster.

    Raises:
        UserError: If the recording is too short for it; names both.
    """
    symbols = units.ids(split_units(example.transcript, settings.unit))
    steps = int(example.seconds / settings.fastest / SHIFT) // settings.frames
    if steps < frames_needed(symbols):
        raise UserError(
            f"{example.where}: expected at most {steps} {settings.unit} in {example.seconds:.2f} s of sound, got "
            f"{len(symbols)}, {example.transcript[:40]!r}; mend the transcript, or pass a smaller --frames or --speed"
        )


def learn_sound(train: Sequence[SpeechExample], settings: SpeechSettings) -> dict[str, Any]:
    """Units, the rate, and mean and deviation of every band; see :class:`Learnt`.

    Raises:
        UserError: If there are only empty transcripts, or a recording is too short for its own.
    """
    units = Vocabulary.closed(unit for example in train for unit in split_units(example.transcript, settings.unit))
    if not len(units):
        raise UserError(f"expected transcripts, got only empty ones ({train[0].where})")
    for example in train:
        check_length(example, units, settings)
    rate = settings.rate or audio_info(Path(train[0].audio)).rate
    mean, deviation = statistics(train, FilterBank(rate, settings.mels))
    return {
        "rate": rate,
        "units": units.symbols,
        "mean": mean.tolist(),
        "deviation": deviation.tolist(),
        "commonest": Counter(example.transcript for example in train).most_common(1)[0][0],
        "seconds": sum(example.seconds for example in train),
        "broken": [f"{example.audio}: {example.warning}" for example in train if example.warning],
    }


def statistics(train: Sequence[SpeechExample], bank: FilterBank) -> tuple[Frames, Frames]:
    """Mean and deviation of every band over at most :data:`LEARNT` seconds of sound."""
    every = max(1, round(sum(example.seconds for example in train) / LEARNT))
    count, total, squares = 0, np.zeros(bank.mels), np.zeros(bank.mels)
    for example in counted(train[::every], "recordings"):
        frames = bank.frames(Audio(Path(example.audio), example.stretch).blocks(bank.rate)).astype(np.float64)
        count, total, squares = count + len(frames), total + frames.sum(0), squares + (frames**2).sum(0)
    count = max(1, count)
    mean = total / count
    return mean.astype(np.float32), np.sqrt(np.maximum(squares / count - mean**2, 1e-4)).astype(np.float32)
