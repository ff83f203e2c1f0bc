"""Speech recognition: sound in, text out, by connectionist temporal classification."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from rich.text import Text
from torch import Tensor

from throughtime.applications.application import Application
from throughtime.applications.exported import Exported
from throughtime.applications.judging.word_errors import SAID_OF_ALL, word_error
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.reading.inputs import Asked, Column, Inputs
from throughtime.applications.settings import SignalSettings
from throughtime.applications.task import Report
from throughtime.data.remembered import Remembered
from throughtime.data.shards.names import expanded
from throughtime.data.speech.audio import SUFFIXES, Audio, Samples
from throughtime.data.speech.filterbank import SHIFT, FilterBank, Frames
from throughtime.data.speech.kaldi import is_kaldi
from throughtime.data.speech.recordings import AUDIO_NAMES, is_recordings, read_recordings
from throughtime.data.vocabulary import Vocabulary
from throughtime.decoding.ctc import CTCBeam, CTCStream
from throughtime.errors import UserError
from throughtime.models import CTCConfig, CTCModel, FrameBatch, Model
from throughtime.runtime.ctc import Fusion
from throughtime.runtime.kinds.speech import LATEST, STREAM_BLOCK
from throughtime.tasks.speech.examples import (
    Key,
    Learnt,
    SpeechExample,
    SpeechSettings,
    add_noise,
    join_some,
    learn_sound,
    low_rate,
    named,
    read_examples,
    split_units,
)
from throughtime.tasks.speech.fusion import open_fusion
from throughtime.tasks.speech.inputs import Utterance, sound_inputs
from throughtime.tasks.speech.judging import best_guess, report
from throughtime.tasks.speech.live import LiveSpeech
from throughtime.tasks.speech.memory import spill, write_sound
from throughtime.tasks.speech.options import JudgingOptions, SearchOptions, SpeechOptions
from throughtime.tasks.speech.pictures import Transcript
from throughtime.tasks.speech.recogniser import GreedySearch, Heard, Listener, Search
from throughtime.tasks.speech.telling import Teller
from throughtime.training import Evaluation

TELL = 5
"""Broken recordings that are named."""

DECIBEL = np.log(10) / 10
"""In the natural logarithm of energy."""

FILE_BLOCK = 0.25
"""Seconds of a recording that are read at once."""

LONGEST = 10_000_000
"""Seconds of a recording: months."""


class Speech(Application[SpeechExample]):
    """Recognises speech."""

    name: ClassVar[str] = "speech"
    summary: ClassVar[str] = "recogniser of speech: recordings in, transcripts out, with the time of every symbol"
    settings_type: ClassVar[type[SignalSettings]] = SpeechSettings
    example_type: ClassVar[type[Any]] = SpeechExample
    vocabulary_type: ClassVar[Any] = Learnt
    baselines: ClassVar[tuple[Baseline, ...]] = (SAID_OF_ALL,)
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    reads_files: ClassVar[bool] = True
    unit, trained = "frames of 10 ms", "frames"
    predicting, judging = SpeechOptions, JudgingOptions
    column = Column("audio", AUDIO_NAMES, files=True)

    def __init__(self, settings: SpeechSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.units = Vocabulary(["", *vocabulary["units"]])  # blank first
        self.bank = FilterBank(vocabulary["rate"], settings.mels)
        self.mean = np.array(vocabulary["mean"], dtype=np.float32)
        self.deviation = np.array(vocabulary["deviation"], dtype=np.float32)
        if len(self.mean) != settings.mels or len(self.deviation) != settings.mels:
            raise ValueError(f"expected a mean and a deviation for each of {settings.mels} bands")
        self.frames = Remembered(self._frames)
        self.samples = Remembered(self._samples)
        self.fusions: dict[Path | None, Fusion] = {}

    # Data.

    @classmethod
    def is_data(cls, path: Path) -> bool:
        """A manifest, or a folder of recordings with texts beside them."""
        return is_recordings(path)

    @classmethod
    def find(cls, paths: Sequence[Path], settings: SpeechSettings) -> dict[str, list[Path]]:
        """The manifests or folders of each part, which must agree with each other."""
        found = super().find(paths, settings)
        named = list(map(Path, expanded([path for path in (settings.valid, settings.test) if path is not None])))
        everything = [path for files in found.values() for path in files]
        read_recordings([*everything, *named], settings.audio_column, settings.transcript_column, settings.header)
        return found

    @classmethod
    def read(cls, paths: Sequence[Path], settings: SpeechSettings) -> Iterator[SpeechExample]:
        """Recordings and their transcripts."""
        return read_examples(paths, settings)

    @classmethod
    def key(cls, example: SpeechExample) -> Hashable:
        """The recording."""
        return example.audio

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Waveforms with their rates and transcripts, ``[((waveform, rate), transcript), …]``, as wav files."""
        return spill(data, folder)

    @classmethod
    def refers(cls, example: SpeechExample) -> Sequence[str]:
        """The recording."""
        return [example.audio]

    @classmethod
    def learn(cls, train: Sequence[SpeechExample], settings: SpeechSettings) -> dict[str, Any]:
        """Units, the rate, and mean and deviation of every band."""
        return learn_sound(train, settings)

    # Model.

    def build(self) -> CTCModel:
        """Masks, a recurrent stack, softmax."""
        settings = self.settings
        config = CTCConfig(
            **settings.stack(),
            features=settings.mels,
            frames=settings.frames,
            symbols=len(self.units),
            time_masks=settings.time_masks,
            time_width=settings.time_width,
            band_masks=settings.band_masks,
            band_width=settings.band_width,
        )
        return CTCModel(config, engine=settings.engine)

    def exported(self, model: Any) -> Exported:
        """The features of sound, and what the symbols stand for."""
        learnt = {name: self.vocabulary[name] for name in ("rate", "units", "mean", "deviation")}
        return Exported("speech", learnt | self.settings.model_dump(include={"mels", "frames", "unit"}))

    def summarise(self, model: Model) -> str:
        """The sound, the units and the model; recordings that are broken."""
        learnt = self.vocabulary
        lines = [f"{path}; what there is of it is used" for path in learnt["broken"][:TELL]]
        if (more := len(learnt["broken"]) - TELL) > 0:
            lines.append(f"and {more} more broken recordings")
        hours = learnt["seconds"] / 3600
        lines.append(
            f"{hours:.2f} h of sound at {learnt['rate']:,} Hz, {len(learnt['units'])} {self.settings.unit}, "
            f"{super().summarise(model)}"
        )
        return "\n".join(lines)

    def check(self, example: SpeechExample) -> None:
        """A length in time."""
        if not (0 <= example.seconds <= LONGEST and 0 <= (example.begin or 0) <= LONGEST):
            raise ValueError(f"expected at most {LONGEST:,} seconds of sound")

    def input_of(self, example: SpeechExample) -> str:
        """The recording and its length."""
        return f"{named(example)}: {example.seconds:.2f} s"

    def answer_of(self, example: SpeechExample) -> str:
        """The transcript, without what training does not see."""
        return self.text(self._numbers(example.transcript))

    def size(self, example: SpeechExample) -> int:
        """Frames."""
        return round(example.seconds / SHIFT)

    def batch(self, examples: Sequence[SpeechExample]) -> FrameBatch:
        """Features and symbols; symbols that training did not see are left out."""
        frames = [self.frames((example.audio, example.stretch, 1.0)) for example in examples]
        return self._batch(frames, [example.transcript for example in examples])

    def training_batch(self, examples: Sequence[SpeechExample]) -> FrameBatch:
        """As :meth:`batch`, of sound at another speed and volume; with noise, or joined, where that is asked for."""
        speeds = (torch.randint(-1, 2, (len(examples),)) * self.settings.speed + 1).tolist()
        keys = [(each.audio, each.stretch, round(speed, 3)) for each, speed in zip(examples, speeds, strict=True)]
        if self.settings.noise is None:
            frames = [self.frames(key) for key in keys]
        else:
            frames = [self.bank.frames([add_noise(self.samples(key), self.settings.noise)]) for key in keys]
        # A band's energy in the logarithm grows by the same amount everywhere.
        louder = (2 * torch.rand(len(frames)) - 1).numpy() * np.float32(self.settings.volume * DECIBEL)
        frames = [found + gain for found, gain in zip(frames, louder, strict=True)]
        return self._batch(*join_some(frames, [example.transcript for example in examples], self.settings.join))

    def _batch(self, frames: Sequence[Frames], transcripts: Sequence[str]) -> FrameBatch:
        return FrameBatch.of([self.normalise(found) for found in frames], list(map(self._numbers, transcripts)))

    def _numbers(self, transcript: str) -> list[int]:
        """The symbols of a transcript; those that training does not see are left out."""
        return self.units.ids(unit for unit in self._split(transcript) if unit in self.units)

    def _split(self, transcript: str) -> list[str]:
        return split_units(transcript, self.settings.unit)

    def normalise(self, frames: Frames) -> Tensor:
        """Features ``[T, mels]`` of mean 0 and deviation 1 in the training data."""
        return torch.from_numpy((frames - self.mean) / self.deviation)

    def _samples(self, key: Key) -> Samples:
        path, stretch, speed = key
        return np.concatenate(list(Audio(Path(path), stretch).blocks(self.bank.rate, speed)))

    def _frames(self, key: Key) -> Frames:
        path, stretch, speed = key
        return self.bank.frames(Audio(Path(path), stretch).blocks(self.bank.rate, speed))

    # Judgement.

    def validate(self, model: CTCModel, examples: Sequence[SpeechExample]) -> Evaluation:
        """Word error, which selects (of equal ones, the one with the lower loss), and the loss in nats a symbol."""
        heard, loss = self._judge(model, examples, SearchOptions())
        error = word_error([example.transcript for example in examples], heard)
        return Evaluation(error + 1e-3 * loss, {"word_error": error, "loss": loss})

    def evaluate(self, model: CTCModel, examples: Sequence[SpeechExample], options: SearchOptions) -> Report:
        """Word and character errors beside those of the commonest transcript; by length and word; the hardest."""
        heard, nats = self._judge(model, examples, options)
        unknown = sum(unit not in self.units for example in examples for unit in self._split(example.transcript))
        return report(examples, heard, self.vocabulary["commonest"], {"nats": nats, "unknown_symbols": unknown})

    def guess(self, examples: Sequence[SpeechExample], train: Sequence[SpeechExample]) -> Guess:
        """Nothing, or the commonest transcript of the training data, whatever is heard."""
        return best_guess([example.transcript for example in examples], self.vocabulary["commonest"])

    @torch.no_grad()
    def _judge(
        self, model: CTCModel, examples: Sequence[SpeechExample], options: SearchOptions
    ) -> tuple[list[str], float]:
        """What is heard in every recording, and the loss in nats a symbol."""
        heard = [""] * len(examples)
        nats, symbols = 0.0, 0
        begin = self._searches(options)
        batches = self.in_batches(examples)
        for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
            log_probs = model.log_probs(batch.features, batch.lengths)
            for number, row, length in zip(chosen, log_probs, model.steps(batch.lengths).tolist(), strict=True):
                search = begin()
                search.push(row[:length])
                heard[number] = self.text(search.best()[0].symbols)
            nats += float(model.losses_of(batch, log_probs).sum())
            symbols += int(batch.symbol_lengths.sum())
        return heard, nats / max(1, symbols)

    # Use.

    def predict_file(self, model: CTCModel, path: Path, options: SpeechOptions) -> Iterator[Prediction]:
        """What is said in a recording."""
        yield self._heard(model, Utterance(path, None, str(path)), options)

    def inputs(self, path: Path, asked: Asked) -> Inputs | None:
        """The recordings of a manifest, or of a folder of Kaldi's, without what is said in them."""
        return sound_inputs(path, self.column, asked)

    def is_whole(self, folder: Path) -> bool:
        """A folder of Kaldi's."""
        return is_kaldi(folder)

    def _heard(self, model: CTCModel, said: Utterance, options: SpeechOptions) -> Transcript:
        audio, name = Audio(said.file, said.stretch), said.name
        audio.name = name
        *_, heard = self._hear(model, audio, options, FILE_BLOCK)
        found = self.teller.transcript(audio.name, self._warnings(audio), heard, options)
        return replace(found, shown=Text.assemble((f"{name}  ", "dim"), found.shown))

    def predict_items(self, model: CTCModel, items: Sequence[Any], options: SpeechOptions) -> list[Prediction]:
        """What is said in recordings: paths, or pairs of a waveform and its rate; utterances of a manifest."""
        found: list[Prediction] = []
        with tempfile.TemporaryDirectory() as folder:
            for number, item in enumerate(items, 1):
                name = str(item) if isinstance(item, str | Path) else f"input {number}"
                if not isinstance(item, Utterance):
                    path = Path(name) if name == str(item) else write_sound(Path(folder, f"{number}.wav"), item, name)
                    item = Utterance(path, None, name)
                found.append(self._heard(model, item, options))
        return found

    def stream(self, model: CTCModel, path: Path | None, options: SpeechOptions) -> Iterator[Prediction]:
        """The last words of what is said so far, whenever they change; then what :meth:`predict_file` finds."""
        self._check_one_way()
        audio, before = Audio(path), ""
        for heard in self._hear(model, audio, options, STREAM_BLOCK):
            text = self.text(heard.search.latest(LATEST))
            if text != before:
                yield Prediction(Text(text), {"partial": text, "seconds": round(heard.seconds, 2)}, final=False)
            before = text
        yield self.teller.transcript(audio.name, self._warnings(audio), heard, options)

    def live(self, model: CTCModel) -> LiveSpeech:
        """A one-way model hears many streams side by side."""
        self._check_one_way()
        return LiveSpeech(model, self.bank, self.normalise, self.teller, self._searches)

    def _check_one_way(self) -> None:
        if self.settings.bidirectional:
            raise UserError(
                "--stream: this model reads in both directions, and so needs the whole recording; "
                "leave out --stream, or train one with --no-bidirectional"
            )

    def _hear(self, model: CTCModel, audio: Audio, options: SpeechOptions, block: float) -> Iterator[Heard]:
        search = self._searches(options, options.nbest)()
        keep = options.picture is not None or (options.explain and not isinstance(search, GreedySearch))
        if self.settings.bidirectional and options.weights != "float32":
            raise UserError(
                f"--weights: expected float32, got {options.weights}: this model reads in both directions, and so has "
                "no stream; leave out --weights, or train one with --no-bidirectional"
            )
        listener = Listener(model, self.bank, self.normalise, options.weights)
        return listener.hear(audio, search, block=block, keep=keep)

    def _searches(self, options: SearchOptions, nbest: int = 1) -> Callable[[], Search]:
        """What begins a search of the kind that is asked for: the best path, unless something else is."""
        if options.lm_weight is not None and options.lm is None:
            raise UserError("--lm-weight: expected a language model that it is the weight of; pass --lm RUN")
        if nbest == 1 and (options.beam, options.lm, options.word_bonus) == (None, None, None):
            return GreedySearch
        given = {"alpha": options.lm_weight, "beta": options.word_bonus}
        weights = {name: value for name, value in given.items() if value is not None}
        beam = CTCBeam(width=max(options.beam or CTCBeam.width, nbest), **weights)
        if options.lm is not None and options.lm not in self.fusions:
            self.fusions[options.lm] = open_fusion(options.lm, self.units.symbols, self.settings.unit)
        return lambda: CTCStream(beam, self.fusions.get(options.lm))

    def _warnings(self, audio: Audio) -> list[str]:
        return [*audio.warnings, *low_rate(audio.info.rate, self.bank.rate)]

    @property
    def teller(self) -> Teller:
        """What makes transcripts of what is heard."""
        return Teller(self.units, self.settings, self.bank)

    def text(self, symbols: Sequence[int]) -> str:
        """Symbols as a transcript."""
        return self.teller.text(symbols)
