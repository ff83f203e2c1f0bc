"""Music: frames of keys or events, one-to-many; new tunes from nothing, a genre or first notes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from rich.text import Text

from throughtime.applications.application import Application
from throughtime.applications.exported import Exported
from throughtime.applications.folder.describing import describe_model
from throughtime.applications.live import Live
from throughtime.applications.memory import written_as
from throughtime.applications.options import Drawing, Drawn, Ranked, Written
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.settings import ExampleSettings
from throughtime.applications.task import Report
from throughtime.data.examples import Judged
from throughtime.data.parts import check_there
from throughtime.data.progress import report
from throughtime.decoding import Sampling
from throughtime.errors import UserError
from throughtime.models import Model
from throughtime.pictures import short_name
from throughtime.runtime.music.events import SILENCE, Likely
from throughtime.runtime.music.items import read_prompt
from throughtime.runtime.music.tunes import KEYS, PITCHES, Tune, drawn_data, in_beats, in_words
from throughtime.tasks.music.events import EVENTS_GUESSED, EventModel
from throughtime.tasks.music.files import FORMATS, check_format, draw_tune, roll_as_svg, write_tune
from throughtime.tasks.music.keys import KEYS_GUESSED, Keys
from throughtime.tasks.music.live_events import LiveEvents
from throughtime.tasks.music.live_keys import LiveKeys
from throughtime.tasks.music.memory import spill, write_item
from throughtime.tasks.music.tunes import (
    KNOWN,
    Kind,
    Learnt,
    MusicKind,
    MusicSettings,
    TuneExample,
    find_tunes,
    read_tunes,
    readable,
)
from throughtime.training import Evaluation

TOGETHER = 16
"""Tunes of a batch where nothing is trained; they may be long."""

CONTINUED = Sampling(length=256, seed=0)
"""How ``predict --out`` goes on."""

SHOWN = 16
"""Steps of a tune that a run tells of."""

LONGEST = 1 << 24
"""Steps of a tune that is read again: days of music."""


@dataclass(frozen=True, repr=False, kw_only=True)
class TunePrediction(Prediction):
    """How a tune surprises the model, and what it expects after it.

    Attributes:
        tune: Where it stands.
        nats_per_event: Its surprise, of a model of events.
        events: How many it has.
        nats_per_frame: Its surprise, of a model of keys.
        frames: How many it has.
        next: What is likeliest after it.
        notes: ``(start, length, pitch)`` in beats, as it was read; for the picture in a notebook alone.
        time: What that picture's time is counted in.
    """

    tune: str
    nats_per_event: float | None = None
    events: int | None = None
    nats_per_frame: float | None = None
    frames: int | None = None
    next: Sequence[Likely]
    notes: Sequence[tuple[float, float, int]] = ()
    time: str = ""

    def _named(self) -> dict[str, Any]:
        return {name: value for name, value in super()._named().items() if name not in ("notes", "time")}

    def _repr_html_(self) -> str:
        """The roll under what is told."""
        return super()._repr_html_() + roll_as_svg(self.notes, self.time)


class TuneOptions(Ranked, Drawn, Written):
    """Of a tune: what may be asked of it."""


class Music(Application[TuneExample]):
    """Music, note by note or frame by frame."""

    name: ClassVar[str] = "music"
    summary: ClassVar[str] = "model of music (MIDI, ABC, piano rolls): sample new tunes, judge given ones"
    settings_type: ClassVar[type[ExampleSettings]] = MusicSettings
    example_type: ClassVar[type[Any]] = TuneExample
    vocabulary_type: ClassVar[Any] = Learnt
    baselines: ClassVar[tuple[Baseline, ...]] = (*KEYS_GUESSED, *EVENTS_GUESSED)
    suffixes: ClassVar[tuple[str, ...]] = KNOWN
    predicting = TuneOptions
    reads_files: ClassVar[bool] = True
    numbers = f"notes (start, length, pitch) in beats, or a piano roll [T, {KEYS}]"

    def __init__(self, settings: MusicSettings, vocabulary: Mapping[str, Any]) -> None:
        settings = settings.model_copy(update={"model": vocabulary["model"]})  # the data may have chosen it
        super().__init__(settings, vocabulary)
        self.grid = settings.grid(vocabulary["model"])
        keys = vocabulary["model"] == "keys"
        self.kind: MusicKind = Keys(settings, vocabulary) if keys else EventModel(settings, vocabulary)
        self.drawing, self.unit = self.kind.drawing, self.kind.unit
        self.trained = f"{self.kind.step}s"

    @classmethod
    def find(cls, paths: Sequence[Path], settings: MusicSettings) -> dict[str, list[Path]]:
        """Folders by the names of parts, and the parts inside of piano rolls."""
        return find_tunes(paths)

    @classmethod
    def read(cls, paths: Sequence[Path], settings: MusicSettings) -> Iterator[TuneExample]:
        """The tunes of files and folders."""
        return read_tunes(paths, settings)

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Piano rolls ``[T, 88]``, or lists of ``(start, length, pitch)`` in beats, with a genre or without."""
        return spill(data, folder)

    @classmethod
    def key(cls, example: TuneExample) -> Hashable:
        """Tunes of the same notes are the same."""
        return tuple(map(tuple, example.notes))

    @classmethod
    def learn(cls, train: Sequence[TuneExample], settings: MusicSettings) -> dict[str, Any]:
        """Which model it is, and what it learns before training."""
        kind: Kind = settings.model or ("keys" if all(example.rolled for example in train) else "events")
        return {"model": kind, **(Keys.learn(train) if kind == "keys" else EventModel.learn(train))}

    def build(self) -> Model:
        """The model of keys, or of events."""
        return self.kind.build()

    def initialise(self, model: Any) -> None:
        """Keys sound as often as in the training data."""
        self.kind.initialise(model)

    def size(self, example: TuneExample) -> int:
        """Frames, or events."""
        return self.kind.size(example)

    def check(self, example: TuneExample) -> None:
        """Notes on the keyboard of MIDI, within a tune of bounded length."""
        inside = all(s >= 0 and n > 0 and s + n <= example.steps and 0 <= p < PITCHES for s, n, p in example.notes)
        if not inside or not 0 <= example.steps <= LONGEST:
            raise ValueError(f"expected notes within a tune of at most {LONGEST:,} steps")

    def input_of(self, example: TuneExample) -> str:
        """Its first events, or the keys that begin in its first frames."""
        return f"{example.where}: {self.kind.first(example, SHOWN)}"

    def labels_of(self, example: TuneExample) -> list[str]:
        """Its genre, if that is known."""
        return [example.genre] if example.genre else []

    def answer_of(self, example: TuneExample) -> str:
        """What comes next, at every step."""
        return ""

    def guess(self, examples: Sequence[TuneExample], train: Sequence[TuneExample]) -> Guess:
        """What notes tell by how often they sound alone."""
        return self.kind.guess(examples)

    def rival(self, figures: Mapping[str, Any], examples: Sequence[TuneExample]) -> Guess:
        """The same."""
        return replace(self.kind.guess(examples), figure=f"nats_per_{self.kind.step}")

    def batch(self, examples: Sequence[TuneExample]) -> Any:
        """Tunes as they are."""
        return self.kind.batch(examples, moved=False)

    def training_batch(self, examples: Sequence[TuneExample]) -> Any:
        """Tunes moved at random, if the settings say so."""
        return self.kind.batch(examples, moved=True)

    def in_batches(self, examples: Sequence[TuneExample]) -> Judged[TuneExample, Any]:
        """Few tunes together, which may be long."""
        return Judged(examples, self.batch, self.size, TOGETHER)

    @torch.no_grad()
    def validate(self, model: Any, examples: Sequence[TuneExample]) -> Evaluation:
        """Nats a frame, or an event, over all of them."""
        nats, steps = 0.0, 0
        for batch in self.in_batches(examples).batches(0):
            for found in self.kind.nats(model, batch):
                nats, steps = nats + float(found.double().sum()), steps + len(found)
        mean = nats / max(1, steps)
        return Evaluation(mean, {"nats": mean})

    @torch.no_grad()
    def evaluate(self, model: Any, examples: Sequence[TuneExample], options: TuneOptions) -> Report:
        """The figures of the literature, beside those of simple guesses."""
        return self.kind.report(model, examples, self.in_batches(examples))

    def exported(self, model: Any) -> Exported:
        """The grid of the notes, and the genres."""
        return Exported(self.vocabulary["model"], {"grid": self.grid, "genres": list(self.kind.genres)})

    def live(self, model: Any) -> Live:
        """Frames of keys, or notes, are read and drawn as they come."""
        if isinstance(self.kind, EventModel):
            return LiveEvents(model, self.kind.events, self.grid)
        return LiveKeys(model, self.grid)

    def summarise(self, model: Model) -> str:
        """What is predicted, the genres known, and the model."""
        known = f", genres {', '.join(self.kind.genres)}" if self.kind.genres else ""
        return f"{self.kind.step} by {self.kind.step}{known}\n{super().summarise(model)}"

    def predict_file(self, model: Any, path: Path, options: TuneOptions) -> Iterator[Prediction]:
        """How far a tune surprises the model, and what it would go on with.

        ``picture`` draws its notes and the surprise over time; ``out`` writes the tune with a continuation.
        """
        if options.out is not None:
            check_format(options.out)
        examples = list(readable([path], self.grid))
        if len(examples) > 1 and (options.picture or options.out):
            raise UserError(f"{path}: expected one tune for --picture or --out, got {len(examples)}")
        for number, example in enumerate(examples, 1):
            report(number, len(examples), "tunes")
            yield self._predict(model, example, options)

    def predict_items(self, model: Any, items: Sequence[Any], options: TuneOptions) -> list[Prediction]:
        """Of files, piano rolls ``[T, 88]``, and lists of ``(start, length, pitch)`` in beats."""
        found: list[Prediction] = []
        for number, item in enumerate(items, 1):
            if isinstance(item, str | Path):
                found += self.predict_file(model, Path(item), options)
                continue
            with written_as(f"input {number}") as folder:
                (example,) = read_tunes([write_item(item, folder)], self.settings)
            found.append(self._predict(model, replace(example, where=f"input {number}"), options))
        return found

    def _predict(self, model: Any, example: TuneExample, options: TuneOptions) -> Prediction:
        tune, kind = example.tune, self.kind
        (nats,) = kind.nats(model, self.batch([example]))
        found = kind.next(model, tune, options.nbest)
        mean = float(nats.mean())
        if options.picture is not None:
            title = (short_name(example.where), describe_model(self.name, self.settings))
            draw_tune(options.picture, tune, self.grid, kind.surprise(tune, nats), *title, time=kind.time)
        if options.out is not None:
            title = (f"{short_name(example.where)}, continued", describe_model(self.name, self.settings))
            write_tune(
                options.out, self._drawn(model, kind.prompt("", tune), CONTINUED), self.grid, *title, time=kind.time
            )
        shown = Text(f"{example.where}  {mean:.3f} nats per {kind.step}  next: ")
        shown.append(", ".join(f"{self._told(each)} ({100 * each.probability:.0f} %)" for each in found))
        by_step: dict[str, Any] = {f"nats_per_{kind.step}": mean, f"{kind.step}s": len(nats)}
        notes = in_beats(tune, self.grid)
        return TunePrediction(shown, tune=example.where, **by_step, next=found, notes=notes, time=kind.time)

    def _told(self, likely: Likely) -> str:
        if likely.beats is None:
            return likely.name
        if not likely.beats:
            return f"{likely.name} at the same time"
        time = in_words(round(likely.beats * self.grid), self.grid)
        return f"{likely.name} {'for' if likely.name == SILENCE else 'after'} {time}"

    def _drawn(self, model: Any, prompt: Any, sampling: Sampling) -> Tune:
        return self.kind.drawn([item for _, item in self.kind.draw(model, prompt, sampling)])

    def sampler(self, model: Any) -> MusicSampler:
        """What draws new tunes."""
        return MusicSampler(self, model)


class MusicSampler:
    """A model of music as a :class:`throughtime.applications.task.Sampler`.

    Args:
        music: The task.
        model: The trained model.
    """

    suffixes = FORMATS

    def __init__(self, music: Music, model: Any) -> None:
        self.kind, self.grid, self.model = music.kind, music.grid, model
        self.described = describe_model(music.name, music.settings)

    def warnings(self, prompt: str) -> Sequence[str]:
        """None: what cannot be read is an error."""
        return ()

    def sample(self, options: Drawing, number: int = 0) -> MusicSample:
        """Draws a tune from nothing (""), a genre, first notes (``"C4 E4+G4"``), both, or a file to go on from.

        Raises:
            UserError: If the prompt is none of these.
        """
        genre, tune = self._read(options.prompt.strip())
        return MusicSample(self, self.kind.prompt(genre, tune), options.sampling(number))

    def samples(self, options: Drawing, count: int) -> list[MusicSample]:
        """The first of many, drawn one after the other."""
        return [self.sample(options, number) for number in range(count)]

    def _read(self, prompt: str) -> tuple[str, Tune]:
        path = Path(prompt)
        if path.suffix.lower() in KNOWN:
            check_there(path)
            found = list(readable([path], self.grid))
            if len(found) != 1:
                raise UserError(f"{path}: expected a file of one tune to go on from, got {len(found)}")
            return "", found[0].tune
        return read_prompt(prompt, self.kind.genres, self.grid)


class MusicSample:
    """A tune that is drawn while it is read.

    Args:
        sampler: Whose model draws.
        prompt: What the model begins with.
        settings: How to draw.
    """

    def __init__(self, sampler: MusicSampler, prompt: Any, settings: Sampling) -> None:
        self.sampler, self.pieces = sampler, sampler.kind.draw(sampler.model, prompt, settings)
        self.words: list[str] = []
        self.items: list[Any] = []

    def __iter__(self) -> Iterator[str]:
        with torch.no_grad():
            for word, item in self.pieces:
                yield f" {word}" if self.words else word
                self.words.append(word)
                self.items.append(item)

    @property
    def tune(self) -> Tune:
        """What was drawn, the prompt before it."""
        return self.sampler.kind.drawn(self.items)

    @property
    def data(self) -> dict[str, Any]:
        """Names as they are shown; the share of notes in key; every note's beginning and beats, pitch and name."""
        return drawn_data(self.words, self.tune, self.sampler.grid)

    @property
    def picture(self) -> str:
        """The roll, for a notebook."""
        return roll_as_svg(in_beats(self.tune, self.sampler.grid), self.sampler.kind.time)

    def save(self, path: Path) -> None:
        """Writes MIDI, sound, or a picture."""
        title, time = ("a tune that was drawn", self.sampler.described), self.sampler.kind.time
        write_tune(path, self.tune, self.sampler.grid, *title, time=time)
