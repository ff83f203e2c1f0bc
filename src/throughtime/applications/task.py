"""What an application is: what it trains, tells, predicts and draws, whatever its data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from throughtime.applications.options import Options
from throughtime.applications.prediction import Prediction
from throughtime.applications.settings import TrainSettings
from throughtime.errors import UserError
from throughtime.models import Model
from throughtime.training import Trainer

Use = Literal["predict", "evaluate", "sample"]
"""What a trained model can be asked for with options."""


class Task:
    """An application: its data, model, metric, and how a result is shown."""

    name: str
    summary: str
    settings: type[TrainSettings]
    makes_data: bool = False
    """Whether it needs no data of the user's."""

    def start(self, paths: Sequence[str], out: Path, options: dict[str, Any]) -> Trainer[Any]:
        """Reads the data, makes the run's folder, and returns what trains; nothing is left behind on bad input."""
        raise NotImplementedError

    def resume(self, out: Path, options: dict[str, Any], paths: Sequence[str] = ()) -> Trainer[Any]:
        """What goes on with a run that was stopped; ``paths`` tell where its data lie, if it asks."""
        raise NotImplementedError

    def describe(self, trainer: Trainer[Any], cell: str | None = None) -> str:
        """A line on what is about to be trained; ``cell`` allows the user's own."""
        raise NotImplementedError

    def options(self, run: Path, use: Use, cell: str | None = None) -> type[Options]:
        """The options that a trained model has for a use.

        Raises:
            UserError: If it has no such use.
        """
        raise NotImplementedError

    def evaluate(self, run: Path, paths: Sequence[str], cell: str | None, options: Options) -> Report:
        """The metrics of a trained model on other data; ``options`` tell how results are sought."""
        raise NotImplementedError

    def inspected(self, run: Path, cell: str | None, wanted: Wanted) -> Inspected:
        """A trained or half-trained model with a batch of data to look at it by.

        Raises:
            UserError: If the data is bad, or the task's models have no steps in time.
        """
        raise UserError(f"{run}: a model of task {self.name!r} cannot be inspected")

    def compare(self, runs: Mapping[str, Path], picture: Path) -> Sequence[Table]:
        """What sets runs apart that differ in their cell, drawn and as tables.

        Args:
            runs: Folders of finished runs, by cell.
            picture: The file.
        """
        raise NotImplementedError(f"{type(self).__name__}: define compare(self, runs, picture)")

    def predictor(self, run: Path, cell: str | None) -> Predictor:
        """A trained model that predicts.

        Raises:
            UserError: If the task has nothing to predict.
        """
        raise UserError(f"{run}: a model of task {self.name!r} has nothing to predict; see: throughtime --help")

    def sampler(self, run: Path, cell: str | None) -> Sampler:
        """A trained model that draws new sequences.

        Raises:
            UserError: If the task has none to draw.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Wanted:
    """What a model is to be looked at by.

    Attributes:
        paths: Data; none: the run's own, held out from training.
        prompt: A text instead.
        rows: Most sequences.
        length: Most steps of a sequence.
    """

    paths: Sequence[str] = ()
    prompt: str | None = None
    rows: int = 8
    length: int = 100


@dataclass(frozen=True)
class Inspected:
    """A model and a batch that it is looked at by.

    Attributes:
        model: With its weights.
        batch: Of the kind that the model reads.
        kind: Name of the model's cell.
        facts: Lines on the model and the data.
        steps: What stands at each step of each sequence, by the name of the layer that reads it.
    """

    model: Model
    batch: Any
    kind: str
    facts: Sequence[str]
    steps: Mapping[str, Sequence[Sequence[str]]]


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        title: What it shows.
        columns: Headings.
        rows: Cells; numbers stand on the right.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]


@dataclass(frozen=True)
class Report:
    """How good a model is.

    Attributes:
        figures: The field's metrics by name, the baseline beside them.
        tables: Counts per class, the hardest errors.
    """

    figures: dict[str, Any]
    tables: Sequence[Table] = ()


class Progress(Protocol):
    """Is told how far a long piece of work has come."""

    def __call__(self, done: float, total: float | None, unit: str) -> None:
        """So many units are done, of so many, where that is known: ``(1000, 1800000, "bases")``."""
        ...


def no_progress(done: float, total: float | None, unit: str) -> None:
    """Tells nobody."""


class Predictor(Protocol):
    """A trained model that predicts.

    Attributes:
        progress: Is told how far a long input is read.
    """

    progress: Progress

    @property
    def suffixes(self) -> Sequence[str]:
        """Of the files that it reads, each of them an input; none: it reads lines of text."""
        ...

    def predict(self, lines: Sequence[str], options: Any) -> list[Prediction]:
        """A prediction for every line."""
        ...

    def predict_file(self, path: Path, options: Any) -> Iterator[Prediction]:
        """What the model makes of a file: one prediction, or one of each thing in it."""
        ...

    def stream(self, path: Path | None, options: Any) -> Iterator[Prediction]:
        """What the model makes of a file, or of standard input, as it comes; the last prediction is final."""
        ...


class Sample(Protocol):
    """A sequence that is drawn while it is read, once."""

    def __iter__(self) -> Iterator[str]:
        """What is shown, piece by piece as it is drawn, the prompt first."""
        ...

    @property
    def data(self) -> dict[str, Any]:
        """What was drawn, for programs: plain data, ``text`` among it."""
        ...

    def save(self, path: Path) -> None:
        """Writes what was drawn in the format that the file's suffix names."""
        ...


class Sampler(Protocol):
    """A trained model that draws new sequences."""

    @property
    def suffixes(self) -> Sequence[str]:
        """Of the files that it writes."""
        ...

    def warnings(self, prompt: str) -> Sequence[str]:
        """What the user should know of a prompt."""
        ...

    def sample(self, options: Any, number: int = 0) -> Sample:
        """Draws a sequence that begins with the prompt; the ``number``-th of several has a seed of its own.

        Raises:
            UserError: If the model cannot read the prompt, or draw in that way.
        """
        ...
