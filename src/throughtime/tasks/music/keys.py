"""Music as frames of keys: a model, its judgement and its samples.

Shapes::

    B  tunes        T  frames        K  keys
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.applications.options import Drawing
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.settings import option
from throughtime.applications.task import Report, Table
from throughtime.decoding import Sampling
from throughtime.errors import UserError
from throughtime.models import KeyModel, RollBatch, StackConfig
from throughtime.runtime.music.events import Likely
from throughtime.runtime.music.tunes import KEYS, LOWEST, Roll, Tune, begins, name_of, room
from throughtime.tasks.music.tunes import MusicSettings, TuneExample

HALF = 0.5
"""Added to counts, so that nothing is impossible (Krichevsky and Trofimov 1981)."""


KEYS_GUESSED = (
    Baseline(
        "nats_per_frame",
        "unigram_nats_per_frame",
        "how often each key sounds in the training data, whatever came before, tells more than the model does",
        higher=False,
    ),
    Baseline(
        "nats_per_frame",
        "repeat_nats_per_frame",
        "how often a key goes on, or begins to sound, tells more than the model does of what came before",
        higher=False,
    ),
    Baseline(
        "frame_accuracy",
        "repeat_frame_accuracy",
        "a key counts as said only if it is likelier than not. Where notes may change at several times, the model's "
        "probabilities are spread over what may follow, and few are; the frame before is right wherever nothing "
        "changes. Nats per frame judge the probabilities themselves: by them models are compared",
    ),
)
"""Beside which a model of keys stands."""


class KeyDrawing(Drawing):
    """Of a new tune, frame by frame: each key is drawn on its own, and nothing ends."""

    prompt: str = option("", "What to go on from: notes (C4 E4+G4), or a MIDI file.", "Drawing")
    length: int = option(128, "Frames to draw.", "Drawing", ge=1)


class Keys:
    """Tunes as frames of 88 keys.

    Args:
        settings: Of the run.
        vocabulary: What :meth:`learn` found.
    """

    step = "frame"
    unit = "frames"
    drawing = KeyDrawing
    genres: Sequence[str] = ()

    def __init__(self, settings: MusicSettings, vocabulary: Mapping[str, Any]) -> None:
        self.settings, self.vocabulary = settings, vocabulary
        self.time = f"beats of {settings.grid('keys')} frames"

    @staticmethod
    def learn(train: Sequence[TuneExample]) -> dict[str, Any]:
        """How often each key sounds: ever, and after a frame in which it was silent, or sounded."""
        ever, after = np.zeros((2, KEYS)), np.zeros((2, 2, KEYS))
        for example in train:
            frames = example.tune.frames()
            before = _before(frames)
            ever += [frames.sum(0), np.full(KEYS, len(frames))]
            for state in (0, 1):
                after[state] += [(frames & (before == state)).sum(0), (before == state).sum(0)]
        chances = [(on + HALF) / (seen + 2 * HALF) for on, seen in (ever, *after)]
        return dict(zip(("sounds", "sounds_after_silence", "sounds_on"), (c.tolist() for c in chances), strict=True))

    def build(self) -> KeyModel:
        """The stack over frames, and the keys' logits."""
        stack = StackConfig(**self.settings.stack()).build(KEYS, engine=self.settings.engine)
        return KeyModel(stack, dropout=self.settings.dropout)

    def initialise(self, model: KeyModel) -> None:
        """The biases say how often each key sounds."""
        with torch.no_grad():
            model.keys.bias.copy_(torch.tensor(self.vocabulary["sounds"]).logit())

    def size(self, example: TuneExample) -> int:
        """Frames."""
        return example.steps

    def batch(self, examples: Sequence[TuneExample], moved: bool) -> RollBatch:
        """Piano rolls; ``moved`` by random semitones as the settings say."""
        frames = torch.zeros(len(examples), max((example.steps for example in examples), default=0), KEYS)
        for row, example in enumerate(examples):
            roll = example.tune.frames()
            if moved and self.settings.transpose:
                low, high = room((np.flatnonzero(roll.any(0)) + LOWEST).tolist(), self.settings.transpose, LOWEST, TOP)
                roll = np.roll(roll, int(torch.randint(low, high + 1, ())), 1)
            frames[row, : example.steps] = torch.from_numpy(roll)
        return RollBatch(frames, torch.tensor([example.steps for example in examples]))

    @staticmethod
    def nats(model: KeyModel, batch: RollBatch) -> list[Tensor]:
        """Of every frame of every tune."""
        return _cut(model.nats(batch), batch.lengths)

    def report(self, model: KeyModel, examples: Sequence[TuneExample], batches: Any) -> Report:
        """NLL a frame as in the literature, and frame accuracy, beside those of simple guesses."""
        nats = torch.zeros(2, dtype=torch.float64)
        hits = np.zeros((2, 3))
        hardest: list[tuple[float, TuneExample]] = []
        for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
            logits = model.next_logits(batch)
            found_said = (_cut(values, batch.lengths) for values in (model.nats(batch, logits), logits > 0))
            for number, found, said in zip(chosen, *found_said, strict=True):
                frames = examples[number].tune.frames()
                nats += torch.stack([found.double().sum(), found[1:].double().sum()]).cpu()
                hits += [_overlap(frames, said.cpu().numpy()), _overlap(frames, _before(frames))]
                hardest.append((float(found.mean()), examples[number]))
        frames_in_all, tunes = sum(example.steps for example in examples), len(examples)
        accuracy, repeated = (100 * both / max(1, both + more + less) for both, more, less in hits.tolist())
        figures = {
            "nats_per_frame": float(nats[0]) / frames_in_all,
            "nats_per_frame_without_first": float(nats[1]) / max(1, frames_in_all - tunes),
            "unigram_nats_per_frame": self._guess(examples, ["sounds", "sounds"]),
            "repeat_nats_per_frame": self.guess(examples).value,
            "frame_accuracy": accuracy,
            "repeat_frame_accuracy": repeated,
            "tunes": tunes,
            "frames": frames_in_all,
        }
        return Report(figures, [hard_table(hardest, "nats a frame")])

    def first(self, example: TuneExample, most: int) -> str:
        """The keys that begin to sound in each of the first frames."""
        frames = example.tune.frames()[:most]
        found = [begins(before, frame) for before, frame in zip(_before(frames), frames, strict=True)]
        return " ".join([*found, *["…"] * (example.steps > most)])

    def guess(self, examples: Sequence[TuneExample]) -> Guess:
        """Every key as often as it went on, or began, in the training data."""
        nats = self._guess(examples, ["sounds_after_silence", "sounds_on"])
        return Guess("nats", nats, "repeating the frame before, as often as the training data", higher=False)

    def _guess(self, examples: Sequence[TuneExample], names: Sequence[str]) -> float:
        """NLL a frame of chances of every key after silence, and after sound."""
        silent, sounding = (np.array(self.vocabulary[name]) for name in names)
        total = 0.0
        for example in examples:
            frames = example.tune.frames()
            chances = np.where(_before(frames) == 1, sounding, silent)
            total -= float(np.log(np.where(frames == 1, chances, 1 - chances)).sum())
        return total / max(1, sum(example.steps for example in examples))

    def next(self, model: KeyModel, tune: Tune, most: int) -> list[Likely]:
        """The likeliest keys of the frame after a tune."""
        logits, _ = model.logits(self._read(tune))
        chances, keys = logits[0, -1].sigmoid().topk(min(most, KEYS))
        return [
            Likely(name_of(key + LOWEST), chance) for key, chance in zip(keys.tolist(), chances.tolist(), strict=True)
        ]

    def prompt(self, genre: str, tune: Tune) -> Roll:
        """The frames to go on from.

        Raises:
            UserError: If a genre is asked for.
        """
        if genre:
            raise UserError(f"a model of keys knows no genres, got {genre!r}; give notes (C4 E4+G4), or a MIDI file")
        return tune.frames()

    @staticmethod
    def surprise(tune: Tune, nats: Tensor) -> list[tuple[float, float]]:
        """Every step with its nats."""
        return list(enumerate(nats.tolist()))

    def draw(self, model: KeyModel, prompt: Roll, sampling: Sampling) -> Iterator[tuple[str, Roll]]:
        """Frame by frame: what begins in it, and the frame ``[K]``; those of the prompt first."""
        generator = torch.Generator()
        generator.seed() if sampling.seed is None else generator.manual_seed(sampling.seed)
        before = np.zeros(KEYS, np.uint8)
        for frame in prompt:
            yield begins(before, frame), frame
            before = frame
        found, state = model.logits(self._read(Tune.of_frames(prompt)))
        logits, step = found[0, -1], model.stream(state, weights=sampling.weights)
        for drawn in range(sampling.length):
            if drawn:
                logits = step(torch.from_numpy(before).float().unsqueeze(0))[0]
            frame = draw_keys(logits, sampling.temperature, generator).numpy()
            yield begins(before, frame), frame
            before = frame

    @staticmethod
    def drawn(frames: Sequence[Roll]) -> Tune:
        """The tune of frames that were drawn."""
        return Tune.of_frames(np.array(frames).reshape(-1, KEYS))

    @staticmethod
    def _read(tune: Tune) -> Tensor:
        """Zeros and the tune's frames, ``[1, T + 1, K]``."""
        return torch.from_numpy(np.pad(tune.frames(), ((1, 0), (0, 0)))).float().unsqueeze(0)


TOP = LOWEST + KEYS - 1


def draw_keys(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Draws each key of ``[K]`` by its own probability, ``σ(logit / temperature)``; at 0 what is likelier.

    Example:
        >>> draw_keys(torch.tensor([-1.0, 2.0]), 0.0, torch.Generator())
        tensor([0, 1], dtype=torch.uint8)
    """
    logits = logits.cpu().double()
    if temperature == 0.0:
        return (logits > 0).to(torch.uint8)
    return torch.bernoulli((logits / temperature).sigmoid(), generator=generator).to(torch.uint8)


def hard_table(hardest: Sequence[tuple[float, TuneExample]], title: str, most: int = 10) -> Table:
    """The tunes that surprise a model most."""
    highest = sorted(hardest, key=lambda found: -found[0])[:most]
    rows: list[list[str | float]] = [[nats, example.where] for nats, example in highest]
    return Table("hardest tunes", [title, "tune"], rows)


def _cut(values: Tensor, lengths: Tensor) -> list[Tensor]:
    return [row[:length] for row, length in zip(values, lengths.tolist(), strict=True)]


def _before(frames: Roll) -> Roll:
    """The frame before each; nothing sounds before the first."""
    return np.pad(frames[:-1], ((1, 0), (0, 0)))


def _overlap(frames: Roll, said: Any) -> list[int]:
    """Keys that sound and are said, that are only said, that only sound."""
    both = int((frames & said).sum())
    return [both, int(said.sum()) - both, int(frames.sum()) - both]
