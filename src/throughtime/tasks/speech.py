"""Speech recognition: sound in, text out, by connectionist temporal classification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from throughtime.data.audio import SUFFIXES, Audio, Samples, audio_info
from throughtime.data.filterbank import SHIFT, FilterBank, Frames
from throughtime.data.recordings import is_recordings, read_recordings
from throughtime.data.remembered import Remembered
from throughtime.data.vocabulary import Vocabulary
from throughtime.decoding.ctc import ctc_greedy, frames_needed
from throughtime.errors import UserError
from throughtime.models import CTCConfig, CTCModel, FrameBatch, Model
from throughtime.tasks.application import Application, SignalSettings
from throughtime.tasks.base import Report, Table, option
from throughtime.tasks.word_errors import by_length, by_word, error_figures, hardest, word_error
from throughtime.training import Evaluation

LEARNT = 2 * 3600.0
"""Seconds of sound, drawn evenly from the training data, that say how loud each band is."""

NOISE_SPAN = 30.0
"""Decibels from the loudest noise of training to the faintest."""

TELL = 5
"""Broken recordings that are named."""


class SpeechSettings(SignalSettings):
    """What a recogniser of speech is trained from."""

    audio_column: str | None = option(None, "Manifest's column of recordings: its name, or number from 1.", "Data")
    transcript_column: str | None = option(None, "The same of transcripts.", "Data")
    unit: Literal["characters", "words"] = option(
        "characters", "What is recognised: characters, or words (whatever stands between spaces).", "Data"
    )
    rate: int | None = option(
        None, "Samples a second; default: those of the first recording.", "Data", ge=4000, le=192_000
    )
    mels: int = option(40, "Bands of the spectrogram.", "Data", ge=4, le=128)
    frames: int = option(3, "Frames, of 10 ms each, that are read as one step.", "Model", ge=1)
    bidirectional: bool = option(True, "Read in both directions; without it, --stream works.", "Model")
    hidden: int = option(128, "Units of a layer.", "Model", ge=1)
    layers: int = option(2, "Depth.", "Model", ge=1)
    batch: int = option(16, "Recordings side by side in a batch.", "Training", ge=1)
    epochs: float = option(30.0, "Passes over the data.", "Training", gt=0)
    lr: float = option(2e-3, "Peak learning rate.", "Training", gt=0)
    time_masks: int = option(2, "SpecAugment: masks over time.", "Training", ge=0)
    time_width: int = option(20, "SpecAugment: most frames of a mask.", "Training", ge=0)
    band_masks: int = option(2, "SpecAugment: masks over bands.", "Training", ge=0)
    band_width: int = option(8, "SpecAugment: most bands of a mask.", "Training", ge=0)
    speed: float = option(
        0.1, "Sound is faster or slower by this share, or as it is, while training.", "Training", ge=0, lt=1
    )
    noise: float | None = option(
        None, "Add noise while training: decibels of the sound above the loudest noise.", "Training"
    )

    @property
    def fastest(self) -> float:
        """The fastest that sound is in training."""
        return 1.0 + self.speed


@dataclass(frozen=True)
class SpeechExample:
    """A recording and what is said in it.

    Attributes:
        audio: The file.
        transcript: Words, one space apart.
        seconds: Its length.
        warning: What is wrong with the file; empty where nothing is.
        where: Manifest and line, or the transcript's file.
    """

    audio: str
    transcript: str
    seconds: float
    warning: str
    where: str


class Speech(Application[SpeechExample]):
    """Recognises speech."""

    name: ClassVar[str] = "speech"
    summary: ClassVar[str] = "recogniser of speech: recordings in, transcripts out, with the time of every symbol"
    settings_type: ClassVar[type[SignalSettings]] = SpeechSettings
    example_type: ClassVar[type[Any]] = SpeechExample
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    reads_files: ClassVar[bool] = True

    def __init__(self, settings: SpeechSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.units = Vocabulary(["", *vocabulary["units"]])  # blank first
        self.bank = FilterBank(vocabulary["rate"], settings.mels)
        self.mean = np.array(vocabulary["mean"], dtype=np.float32)
        self.deviation = np.array(vocabulary["deviation"], dtype=np.float32)
        self.frames = Remembered(self._frames)
        self.samples = Remembered(self._samples)

    # Data.

    @classmethod
    def is_data(cls, path: Path) -> bool:
        """A manifest, or a folder of recordings with texts beside them."""
        return is_recordings(path)

    @classmethod
    def find(cls, paths: Sequence[Path], settings: SpeechSettings) -> dict[str, list[Path]]:
        """The manifests or folders of each part, which must agree with each other."""
        found = super().find(paths, settings)
        named = [Path(path) for path in (settings.valid, settings.test) if path is not None]
        everything = [path for files in found.values() for path in files]
        read_recordings([*everything, *named], settings.audio_column, settings.transcript_column)
        return found

    @classmethod
    def read(cls, paths: Sequence[Path], settings: SpeechSettings) -> Iterator[SpeechExample]:
        """Recordings and their transcripts."""
        for found in read_recordings(paths, settings.audio_column, settings.transcript_column):
            info = audio_info(found.audio)
            yield SpeechExample(str(found.audio), found.transcript, info.seconds, info.warning, found.where)

    @classmethod
    def key(cls, example: SpeechExample) -> Hashable:
        """The recording."""
        return example.audio

    @classmethod
    def learn(cls, train: Sequence[SpeechExample], settings: SpeechSettings) -> dict[str, Any]:
        """Units, the rate, and mean and deviation of every band."""
        units = Vocabulary.closed(unit for example in train for unit in split_units(example.transcript, settings.unit))
        if not len(units):
            raise UserError(f"expected transcripts, got only empty ones ({train[0].where})")
        for example in train:
            _check_length(example, units, settings)
        rate = settings.rate or audio_info(Path(train[0].audio)).rate
        mean, deviation = _statistics(train, FilterBank(rate, settings.mels))
        return {
            "rate": rate,
            "units": units.symbols,
            "mean": mean.tolist(),
            "deviation": deviation.tolist(),
            "commonest": Counter(example.transcript for example in train).most_common(1)[0][0],
            "seconds": sum(example.seconds for example in train),
            "broken": [f"{example.audio}: {example.warning}" for example in train if example.warning],
        }

    # Model.

    def build(self) -> CTCModel:
        """Masks, a recurrent stack, softmax."""
        settings = self.settings
        config = CTCConfig(
            **settings.stack(),
            features=settings.mels,
            symbols=len(self.units),
            time_masks=settings.time_masks,
            time_width=settings.time_width,
            band_masks=settings.band_masks,
            band_width=settings.band_width,
        )
        return CTCModel(config, engine=settings.engine)

    def summarise(self, model: Model) -> str:
        """The sound, the units and the model; recordings that are broken."""
        learnt = self.vocabulary
        lines = [f"{path}; what there is of it is used" for path in learnt["broken"][:TELL]]
        if more := len(learnt["broken"]) - TELL:
            lines += [f"and {more} more broken recordings"] if more > 0 else []
        hours = learnt["seconds"] / 3600
        lines.append(
            f"{hours:.2f} h of sound at {learnt['rate']:,} Hz, {len(learnt['units'])} {self.settings.unit}, "
            f"{super().summarise(model)}"
        )
        return "\n".join(lines)

    def size(self, example: SpeechExample) -> int:
        """Frames."""
        return round(example.seconds / SHIFT)

    def batch(self, examples: Sequence[SpeechExample]) -> FrameBatch:
        """Features and symbols; symbols that training did not see are left out."""
        return self._batch([self.frames((example.audio, 1.0)) for example in examples], examples)

    def training_batch(self, examples: Sequence[SpeechExample]) -> FrameBatch:
        """As :meth:`batch`, of sound at another speed, and with noise where that is asked for."""
        speeds = (torch.randint(-1, 2, (len(examples),)) * self.settings.speed + 1).tolist()
        keys = [(example.audio, round(speed, 3)) for example, speed in zip(examples, speeds, strict=True)]
        if self.settings.noise is None:
            return self._batch([self.frames(key) for key in keys], examples)
        noisy = (add_noise(self.samples(key), self.settings.noise, NOISE_SPAN) for key in keys)
        return self._batch([self.bank.frames([samples]) for samples in noisy], examples)

    def _batch(self, frames: Sequence[Frames], examples: Sequence[SpeechExample]) -> FrameBatch:
        symbols = [
            [number for number in map(self._number, split_units(example.transcript, self.settings.unit)) if number]
            for example in examples
        ]
        return FrameBatch.of([self.normalise(found) for found in frames], symbols)

    def _number(self, unit: str) -> int:
        return self.units.ids([unit])[0] if unit in self.units else 0

    def normalise(self, frames: Frames) -> Tensor:
        """Features ``[T, mels]`` of mean 0 and deviation 1 in the training data."""
        return torch.from_numpy((frames - self.mean) / self.deviation)

    def _samples(self, key: tuple[str, float]) -> Samples:
        path, speed = key
        return np.concatenate(list(Audio(Path(path)).blocks(self.bank.rate, speed)))

    def _frames(self, key: tuple[str, float]) -> Frames:
        path, speed = key
        return self.bank.frames(Audio(Path(path)).blocks(self.bank.rate, speed))

    # Judgement.

    def validate(self, model: CTCModel, examples: Sequence[SpeechExample]) -> Evaluation:
        """Word error, which selects (of equal ones, the one with the lower loss), and the loss in nats a symbol."""
        heard, loss = self._judge(model, examples)
        error = word_error([example.transcript for example in examples], heard)
        return Evaluation(error + 1e-3 * loss, {"word_error": error, "loss": loss})

    def evaluate(self, model: CTCModel, examples: Sequence[SpeechExample]) -> Report:
        """Word and character errors beside those of the commonest transcript; by length and word; the hardest."""
        said = [example.transcript for example in examples]
        heard, loss = self._judge(model, examples)
        figures = error_figures(said, heard)
        baseline = word_error(said, [self.vocabulary["commonest"]] * len(said))
        units = [unit for transcript in said for unit in split_units(transcript, self.settings.unit)]
        return Report(
            {
                "word_error": figures.pop("word_error"),
                "commonest_word_error": baseline,
                **figures,
                "nats": loss,
                "unknown_symbols": sum(unit not in self.units for unit in units),
                "recordings": len(said),
                "seconds": round(sum(example.seconds for example in examples), 1),
            },
            [
                by_length(said, heard),
                by_word(said, heard),
                hardest(said, heard, [example.audio for example in examples]),
                Table(
                    "broken recordings",
                    ["recording", "warning"],
                    [[example.audio, example.warning] for example in examples if example.warning],
                ),
            ],
        )

    @torch.no_grad()
    def _judge(self, model: CTCModel, examples: Sequence[SpeechExample]) -> tuple[list[str], float]:
        """What is heard in every recording, and the loss in nats a symbol."""
        heard = [""] * len(examples)
        nats, symbols = 0.0, 0
        batches = self.in_batches(examples)
        for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
            log_probs = model.log_probs(batch.features, batch.lengths)
            for number, found in zip(chosen, ctc_greedy(log_probs, model.steps(batch.lengths)), strict=True):
                heard[number] = self.text(found)
            nats += float(model.losses(batch, log_probs).sum())
            symbols += int(batch.symbol_lengths.sum())
        return heard, nats / max(1, symbols)

    def text(self, symbols: Sequence[int]) -> str:
        """Symbols as a transcript."""
        return join_units([self.units.symbols[symbol] for symbol in symbols], self.settings.unit)


def split_units(transcript: str, unit: str) -> list[str]:
    """A transcript as characters or words."""
    return list(transcript) if unit == "characters" else transcript.split()


def join_units(units: Sequence[str], unit: str) -> str:
    """Characters or words as a transcript.

    Example:
        >>> join_units([" ", "n", "o", " ", " ", "w"], "characters"), join_units(["no", "one"], "words")
        ('no w', 'no one')
    """
    return " ".join(("" if unit == "characters" else " ").join(units).split())


def add_noise(samples: Samples, least: float, span: float) -> Samples:
    """White noise over sound, from ``least`` decibels below it to ``span`` below that, as torch's generator draws.

    Args:
        samples: The sound.
        least: Decibels of the sound above the loudest noise.
        span: Decibels from the loudest noise to the faintest.
    """
    ratio = least + span * float(torch.rand(()))
    loudness = float(np.sqrt(np.mean(np.square(samples))))
    noise: Samples = torch.randn(len(samples)).numpy()
    return samples + noise * np.float32(loudness * 10 ** (-ratio / 20))


def _check_length(example: SpeechExample, units: Vocabulary, settings: SpeechSettings) -> None:
    """Refuses a transcript that no path of the model stands for.

    Raises:
        UserError: If the recording is too short for it, also where training makes it faster.
    """
    symbols = units.ids(split_units(example.transcript, settings.unit))
    steps = int(example.seconds / settings.fastest / SHIFT) // settings.frames
    if steps < frames_needed(symbols):
        raise UserError(
            f"{example.where}: expected at most {steps} {settings.unit} in {example.seconds:.2f} s of sound, got "
            f"{len(symbols)}, {example.transcript[:40]!r}; mend the transcript, or pass a smaller --frames or --speed"
        )


def _statistics(train: Sequence[SpeechExample], bank: FilterBank) -> tuple[Frames, Frames]:
    """Mean and deviation of every band over at most :data:`LEARNT` seconds of sound."""
    every = max(1, round(sum(example.seconds for example in train) / LEARNT))
    count, total, squares = 0, np.zeros(bank.mels), np.zeros(bank.mels)
    for example in train[::every]:
        frames = bank.frames(Audio(Path(example.audio)).blocks(bank.rate)).astype(np.float64)
        count, total, squares = count + len(frames), total + frames.sum(0), squares + (frames**2).sum(0)
    mean = total / count
    return mean.astype(np.float32), np.sqrt(np.maximum(squares / count - mean**2, 1e-4)).astype(np.float32)
