"""The adding problem (Hochreiter and Schmidhuber 1997): two numbers among many, far apart, are to be added up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from throughtime.applications.application import Application
from throughtime.applications.exported import Exported
from throughtime.applications.folder import learnt
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.settings import StackSettings, option
from throughtime.applications.task import Report
from throughtime.models import Model, NumberBatch, Regressor, StackConfig
from throughtime.tasks.memory.settings import MadeSettings
from throughtime.training import Evaluation

CHANCE = 1 / 6
"""The mean squared error of always saying 1: the variance of the sum of two uniform numbers."""

SOLVED = 0.04
"""A sum is right where it is not further off than this, as in the original experiment."""


class AddingSettings(MadeSettings):
    """What a network that adds is trained from."""

    length: int = option(100, "Steps of a sequence.", "Data", ge=2, le=1_000_000)
    hidden: int = option(128, "Units of a layer.", "Model", ge=1, le=2**24)
    epochs: float = option(3.0, "Passes over the data.", "Training", gt=0)

    def far(self) -> int:
        """A sequence."""
        return self.length


@dataclass(frozen=True)
class Sum:
    """A sequence, told by the seed that draws it.

    Attributes:
        seed: Of its numbers and marks.
        where: Part and number.
    """

    seed: int
    where: str


class Adding(Application[Sum]):
    """The sum of the two numbers that are marked."""

    name: ClassVar[str] = "adding"
    summary: ClassVar[str] = "network that adds two marked numbers of a long sequence, with every cell"
    settings_type: ClassVar[type[StackSettings]] = AddingSettings
    example_type = Sum
    vocabulary_type: ClassVar[Any] = learnt.Nothing
    baselines: ClassVar[tuple[Baseline, ...]] = (
        Baseline(
            "squared_error",
            "chance",
            "always saying 1, the mean of the sums, errs less: the model has not found the two numbers to add",
            higher=False,
        ),
    )
    chance = CHANCE

    @classmethod
    def make(cls, part: str, settings: AddingSettings) -> Iterator[Sum]:
        """Seeds."""
        for number, seed in enumerate(settings.random(part).integers(0, 2**53, settings.count(part)), 1):
            yield Sum(int(seed), f"{part}:{number}")

    @classmethod
    def learn(cls, train: Sequence[Sum], settings: AddingSettings) -> dict[str, Any]:
        """Nothing."""
        return {}

    def build(self) -> Model:
        """A recurrent stack and a linear layer on its last step."""
        return Regressor(StackConfig(**self.settings.stack()).build(2, engine=self.settings.engine))

    def size(self, example: Sum) -> int:
        """Steps."""
        return int(self.settings.length)

    def check(self, example: Sum) -> None:
        """A seed that a generator takes."""
        if example.seed < 0:
            raise ValueError("expected a seed of at least 0")

    def batch(self, examples: Sequence[Sum]) -> NumberBatch:
        """Numbers and marks, and their sums."""
        drawn = [draw(example.seed, self.settings.length) for example in examples]
        features = torch.from_numpy(np.stack(drawn)) if drawn else torch.zeros(0, self.settings.length, 2)
        lengths = torch.full((len(drawn),), self.settings.length)
        return NumberBatch(features, lengths, features.prod(2).sum(1, keepdim=True))

    def input_of(self, example: Sum) -> str:
        """Its size, and the numbers that are marked."""
        steps = draw(example.seed, self.settings.length)
        marked = " and ".join(f"{number:.4f} at step {place + 1:,}" for place, number in _marked(steps))
        return f"{len(steps):,} steps × 2 features, marked {marked}"

    def answer_of(self, example: Sum) -> str:
        """The sum of the numbers that are marked."""
        return f"{sum(number for _, number in _marked(draw(example.seed, self.settings.length))):.4f}"

    def guess(self, examples: Sequence[Sum], train: Sequence[Sum]) -> Guess:
        """The variance of the sum."""
        return Guess("squared_error", CHANCE, "always saying 1", higher=False)

    def validate(self, model: Regressor, examples: Sequence[Sum]) -> Evaluation:
        """The mean squared error."""
        errors = self._errors(model, examples)
        figures = {"squared_error": float(errors.square().mean()), "solved": _solved(errors)}
        return Evaluation(figures["squared_error"], figures)

    def evaluate(self, model: Regressor, examples: Sequence[Sum], options: Any) -> Report:
        """The same beside that of always saying 1, and the share of sums that are right."""
        return Report({**self.validate(model, examples).figures, "chance": CHANCE, "examples": len(examples)})

    def exported(self, model: Regressor) -> Exported:
        """Nothing: the graph tells what it reads."""
        return Exported("steps", {})

    @torch.no_grad()
    def _errors(self, model: Regressor, examples: Sequence[Sum]) -> Tensor:
        batches = self.in_batches(examples).batches(0)
        return torch.cat([(model(b.features, b.lengths).cpu() - b.targets)[:, 0] for b in batches])


def draw(seed: int, length: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Numbers from 0 to 1 and marks, ``[T, 2]``; one mark stands in the first half, one in the second.

    Example:
        >>> steps = draw(7, 10)
        >>> steps[:5, 1].sum(), steps[5:, 1].sum()
        (np.float32(1.0), np.float32(1.0))
    """
    random = np.random.default_rng(seed)
    steps = np.zeros((length, 2), dtype=np.float32)
    steps[:, 0] = random.random(length, dtype=np.float32)
    half = length // 2
    steps[[random.integers(half), random.integers(half, length)], 1] = 1.0
    return steps


def _marked(steps: np.ndarray[Any, np.dtype[np.float32]]) -> list[tuple[int, float]]:
    """The places of the marks, and the numbers there."""
    return [(int(place), float(steps[place, 0])) for place in np.flatnonzero(steps[:, 1])]


def _solved(errors: Tensor) -> float:
    return 100 * float((errors.abs() < SOLVED).double().mean())
