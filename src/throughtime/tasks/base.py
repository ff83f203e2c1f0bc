"""What an application declares, and the settings that all of them share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from rich.text import Text

from throughtime.cells import CELLS, cell_options, find_cell
from throughtime.decoding import Sampling
from throughtime.engine import ENGINES, check_engine
from throughtime.errors import UserError, nearest
from throughtime.models import Model, StackConfig
from throughtime.training import OptimiserName, Plan, Schedule, Trainer

SettingsT = TypeVar("SettingsT", bound="TrainSettings")

Device = Literal["auto", "cpu", "cuda"]


def option(default: Any, help: str, group: str, **bounds: Any) -> Any:
    """A field that the command line shows as an option, under the heading ``group``."""
    return Field(default, description=help, json_schema_extra={"group": group}, **bounds)


class TrainSettings(BaseModel):
    """What every task's training takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    batch: int = option(32, "Sequences side by side in a batch.", "Training", ge=1)
    epochs: float = option(10.0, "Passes over the data.", "Training", gt=0)
    steps: int | None = option(None, "Steps in all, instead of epochs.", "Training", ge=1)
    minutes: float | None = option(None, "Wall-clock minutes in all, instead of epochs.", "Training", gt=0)
    optimiser: OptimiserName = option("adam", "adam, adamw, sgd, or asgd (SGD with averaging).", "Training")
    lr: float = option(4e-3, "Peak learning rate.", "Training", gt=0)
    schedule: Schedule = option("cosine", "Of the learning rate: constant, linear, cosine, plateau.", "Training")
    warmup: int = option(0, "Steps over which the learning rate rises.", "Training", ge=0)
    momentum: float = option(0.0, "Of SGD.", "Training", ge=0, lt=1)
    weight_decay: float = option(0.0, "Of the optimiser.", "Training", ge=0)
    average: float = option(
        0.0, "Share of the run, at its end, that weights are averaged over.", "Training", ge=0, lt=1
    )
    clip_norm: float = option(1.0, "Bound on the gradient's norm; 0: off.", "Training", ge=0)
    clip_value: float = option(0.0, "Bound on every component of the gradient; 0: off.", "Training", ge=0)
    evaluate_every: int | None = option(None, "Steps between evaluations; default: ten a run.", "Training", ge=1)
    patience: int | None = option(None, "Stop after so many evaluations without improvement.", "Training", ge=1)
    checkpoint_seconds: float = option(60.0, "Seconds between checkpoints.", "Training", ge=0)
    seed: int = option(0, "Of weights, order and dropout.", "Training", ge=0, lt=2**63)
    device: Device = option("auto", "auto, cpu or cuda.", "Training")

    def plan(self) -> Plan:
        """The training floor's view of these settings."""
        return Plan(
            epochs=self.epochs,
            steps=self.steps,
            minutes=self.minutes,
            optimiser=self.optimiser,
            lr=self.lr,
            schedule=self.schedule,
            warmup=self.warmup,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            average=self.average,
            clip_norm=self.clip_norm or None,
            clip_value=self.clip_value or None,
            evaluate_every=self.evaluate_every,
            patience=self.patience,
            checkpoint_seconds=self.checkpoint_seconds,
        )


class StackSettings(TrainSettings):
    """What every model that is built around a recurrent stack takes."""

    cell: str = option(
        "lstm", f"{', '.join(CELLS)}, or module:Class; several, separated by commas, are trained alike.", "Model"
    )
    cell_option: tuple[str, ...] = option((), "An option of the cell, as name=value; may be repeated.", "Model")
    hidden: int = option(256, "Units of a layer.", "Model", ge=1)
    layers: int = option(1, "Depth.", "Model", ge=1)
    dropout: float = option(0.2, "Between layers and before the output.", "Model", ge=0, lt=1)
    input_dropout: float = option(0.0, "Variational, on every layer's input.", "Model", ge=0, lt=1)
    recurrent_dropout: float = option(0.0, "Variational, on the recurrence.", "Model", ge=0, lt=1)
    zoneout: float = option(0.0, "Units that keep their old state at a step.", "Model", ge=0, lt=1)
    weight_drop: float = option(0.0, "Recurrent weights dropped.", "Model", ge=0, lt=1)
    residual: bool = option(False, "Add a layer's input to its output.", "Model")
    engine: str = option("auto", f"auto, {', '.join(engine.name for engine in ENGINES)}.", "Model")

    @field_validator("cell_option")
    @classmethod
    def _named(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not value.partition("=")[0].isidentifier() or "=" not in value:
                raise ValueError("expected name=value")
        return values

    def cell_options(self) -> dict[str, Any]:
        """The cell's options, numbers as numbers."""
        pairs = (value.partition("=") for value in self.cell_option)
        return {name: _number(value) for name, _, value in pairs}

    def stack(self) -> dict[str, Any]:
        """The fields of :class:`throughtime.models.StackConfig` that are settings."""
        own = {field.name for field in fields(StackConfig)} & set(type(self).model_fields)
        return {**{name: getattr(self, name) for name in own}, "options": self.cell_options()}

    def check_model(self) -> None:
        """Refuses what no model can be built from.

        Raises:
            UserError: If there is no such engine, cell or option of the cell.
        """
        check_engine(self.engine)
        known = cell_options(find_cell(self.cell))
        for name in self.cell_options():
            if name not in known:
                has = f"options: {', '.join(known)}" if known else "it has none"
                raise UserError(f"--cell-option: cell {self.cell} has no option {name!r}{nearest(name, known)}; {has}")


class ModelSettings(StackSettings):
    """What every recurrent model of tokens takes."""

    embedding: int = option(128, "Features of a token's embedding.", "Model", ge=1)


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


EXTENDABLE = frozenset({"epochs", "steps", "minutes", "checkpoint_seconds", "evaluate_every", "patience", "device"})
"""Settings that a resumed run may be given anew; all others stay as they were."""


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

    def resume(self, out: Path, options: dict[str, Any]) -> Trainer[Any]:
        """What goes on with a run that was stopped."""
        raise NotImplementedError

    def describe(self, trainer: Trainer[Any]) -> str:
        """A line on what is about to be trained."""
        raise NotImplementedError

    def evaluate(self, run: Path, paths: Sequence[str], cell: str | None, asked: Asked) -> Report:
        """The metrics of a trained model on other data; ``asked`` tells how results are sought."""
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


@dataclass(frozen=True)
class Asked:
    """What is asked of a prediction, or of the predictions that a model is judged by, beside themselves.

    Attributes:
        nbest: Results for each input, the best first.
        beam: Hypotheses that a search keeps; None: as many as are wanted, and the task's own least.
        explain: Show what in the input the result rests on.
        picture: Draw the result, or that, to this file.
        out: Write the result to this file, in a format of the field.
        lm: The folder of a language model that knows what is likely to be said.
        lm_weight: What its log-probability counts; None: the task's own weight.
        word_bonus: Added for every word, or other unit, of a hypothesis; None: the task's own.
        progress: Is told how far a long input is read.
    """

    nbest: int = 1
    beam: int | None = None
    explain: bool = False
    picture: Path | None = None
    out: Path | None = None
    lm: Path | None = None
    lm_weight: float | None = None
    word_bonus: float | None = None
    progress: Progress = no_progress

    def only(self, *names: str) -> None:
        """Refuses what a task does not have.

        Args:
            names: What it has: names of attributes.

        Raises:
            UserError: If something else is asked for; names the options.
        """
        rest = [field.name for field in fields(self) if field.name not in (*names, "progress")]
        wrong = [_flag(name) for name in rest if getattr(self, name) != getattr(PLAIN, name)]
        if wrong:
            has = ", ".join(map(_flag, names))
            raise UserError(f"this task has no {', '.join(wrong)}; leave it out" + (f" (it has {has})" if has else ""))


PLAIN = Asked()
"""Nothing is asked beside the results themselves."""


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True)
class Prediction:
    """What a model makes of an input.

    Attributes:
        shown: For people.
        data: For programs: plain data.
        warnings: What the user should know of the input.
        final: False where more of the input is to come, and may change it.
    """

    shown: Text
    data: dict[str, Any]
    warnings: Sequence[str] = ()
    final: bool = True


class Predictor(Protocol):
    """A trained model that predicts."""

    @property
    def suffixes(self) -> Sequence[str]:
        """Of the files that it reads, each of them an input; none: it reads lines of text."""
        ...

    def predict(self, lines: Sequence[str], asked: Asked) -> list[Prediction]:
        """A prediction for every line."""
        ...

    def predict_file(self, path: Path, asked: Asked) -> Iterator[Prediction]:
        """What the model makes of a file: one prediction, or one of each thing in it."""
        ...

    def stream(self, path: Path | None, asked: Asked) -> Iterator[Prediction]:
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

    @property
    def length(self) -> int:
        """Most tokens, or frames, that are drawn where nobody says."""
        ...

    def warnings(self, prompt: str) -> Sequence[str]:
        """What the user should know of a prompt."""
        ...

    def sample(self, prompt: str, settings: Sampling) -> Sample:
        """Draws a sequence that begins with the prompt.

        Raises:
            UserError: If the model cannot read the prompt, or draw in that way.
        """
        ...


def check_settings(kind: type[SettingsT], options: dict[str, Any]) -> SettingsT:
    """Settings from options by name.

    Raises:
        UserError: If a value is out of range; names the option.
    """
    try:
        return kind(**options)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # options that do not go together: the message names them
            raise UserError(message) from error
        name = str(first["loc"][0]).rstrip("_").replace("_", "-")
        raise UserError(f"--{name}: {message[:1].lower()}{message[1:]}, got {first['input']!r}") from error
