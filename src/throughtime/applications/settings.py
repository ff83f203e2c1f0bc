"""Settings: what every task's training takes, as options of the command line and as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from throughtime.cells import CELLS, cell_options, cell_states, find_cell
from throughtime.engine import BY_NAME, ENGINES, check_engine
from throughtime.errors import UserError, listed, nearest
from throughtime.models import StackConfig
from throughtime.runtime.reading.encodings import check_encoding
from throughtime.training import OptimiserName, Plan, Schedule
from throughtime.training.plan import PATIENCE

SettingsT = TypeVar("SettingsT", bound=BaseModel)

Device = Literal["auto", "cpu", "cuda"]

Encoding = Annotated[str, AfterValidator(check_encoding)]
"""The name of an encoding of text."""


def read_shares(value: Any) -> Any:
    """A share, or shares by state, as the command line writes them; what is neither is the schema's to refuse.

    Raises:
        ValueError: If one is not from 0 to 1, 1 excluded.

    Example:
        >>> read_shares("0.1"), read_shares("h=0.05,c=0.5")
        (0.1, {'h': 0.05, 'c': 0.5})
    """
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(",")]
        try:
            value = {name.strip(): float(share) for name, _, share in pairs} if "=" in value else float(value)
        except ValueError:
            raise ValueError("expected a share, or shares by state such as h=0.05,c=0.5") from None
    shares = value.values() if isinstance(value, dict) else [value]
    if not all(0 <= share < 1 for share in shares if isinstance(share, (int, float))):
        raise ValueError("expected shares of at least 0 and less than 1")
    return value


Shares = Annotated[float | dict[str, float], BeforeValidator(read_shares)]
"""A share of all states' units, or of each state's."""


def option(default: Any, help: str, group: str, **bounds: Any) -> Any:
    """A field that the command line shows as an option, under the heading ``group``."""
    return Field(default, description=help, json_schema_extra={"group": group}, **bounds)


FEW = 500
"""Steps that most tasks need to learn something from a hundred examples."""


def steps_at_least(default: int = FEW) -> Any:
    """The field that bounds a task's plan from below; what each needs is measured (``recipes/small_data.py``)."""
    told = "Steps at least, where passes over little data come to fewer; 0 where --epochs is given."
    return option(default, told, "Training", ge=0)


class TrainSettings(BaseModel):
    """What every task's training takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    lacking: ClassVar[Mapping[str, str]] = {}
    """Options that other tasks have, and why this one has not."""

    batch: int = option(32, "Sequences side by side in a batch.", "Training", ge=1, le=2**20)
    epochs: float = option(10.0, "Passes over the data.", "Training", gt=0)
    steps: int | None = option(None, "Steps in all, instead of epochs.", "Training", ge=1)
    least_steps: int = steps_at_least(0)
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
    patience: int | None = option(
        None,
        f"Stop after so many evaluations without improvement; default: never, with the least steps {PATIENCE}.",
        "Training",
        ge=1,
    )
    checkpoint_seconds: float = option(60.0, "Seconds between checkpoints.", "Training", ge=0)
    accumulate: int = option(
        1,
        "Parts that a process goes through a batch in, so that a large one fits into memory.",
        "Training",
        ge=1,
        le=2**20,
    )
    deterministic: bool = option(False, "The same bits by any number of processes, each on one thread.", "Training")
    shards: int = option(
        12,
        "With --deterministic: parts of a batch that are added in order; processes at most.",
        "Training",
        ge=1,
        le=2**20,
    )
    shuffle_window: int | None = option(
        None,
        "Examples, side by side in the data, that are shuffled together; default: all.",
        "Training",
        ge=1,
        le=2**40,
    )
    seed: int = option(0, "Of weights, order and dropout.", "Training", ge=0, lt=2**63)
    device: Device = option("auto", "auto, cpu or cuda.", "Training")

    @model_validator(mode="before")
    @classmethod
    def _as_many_passes_as_asked(cls, values: Any) -> Any:
        return {"least_steps": 0, **values} if isinstance(values, dict) and "epochs" in values else values

    def plan(self) -> Plan:
        """The training floor's view of these settings."""
        return Plan(
            epochs=self.epochs,
            steps=self.steps,
            least_steps=self.least_steps,
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
            accumulate=self.accumulate,
            deterministic=self.deterministic,
            shards=self.shards,
            seed=self.seed,
        )


class StackSettings(TrainSettings):
    """What every model that is built around a recurrent stack takes."""

    cell: str = option(
        "lstm", f"{', '.join(CELLS)}, or module:Class; several, separated by commas, are trained alike.", "Model"
    )
    cell_option: tuple[str, ...] = option((), "An option of the cell, as name=value; may be repeated.", "Model")
    hidden: int = option(256, "Units of a layer.", "Model", ge=1, le=2**24)
    layers: int = option(1, "Depth.", "Model", ge=1, le=1_000)
    dropout: float = option(0.2, "Between layers and before the output.", "Model", ge=0, lt=1)
    input_dropout: float = option(0.0, "Variational, on every layer's input.", "Model", ge=0, lt=1)
    recurrent_dropout: float = option(0.0, "Variational, on the recurrence.", "Model", ge=0, lt=1)
    zoneout: Shares = option(
        0.0, "Units that keep their old state at a step; a share, or by state: h=0.05,c=0.5.", "Model"
    )
    weight_drop: float = option(0.0, "Recurrent weights dropped.", "Model", ge=0, lt=1)
    residual: bool = option(False, "Add a layer's input to its output.", "Model")
    engine: str = option("auto", f"auto, {', '.join(engine.name for engine in (*ENGINES, *BY_NAME))}.", "Model")

    @field_validator("cell_option")
    @classmethod
    def _named(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not value.partition("=")[0].isidentifier() or "=" not in value:
                raise ValueError("expected name=value")
        return values

    def cell_options(self) -> dict[str, Any]:
        """The cell's options, numbers as numbers."""
        return read_options(self.cell_option)

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
        self._check_zoneout()
        check_options(self.cell, self.cell_options())

    def _check_zoneout(self) -> None:
        states = cell_states(find_cell(self.cell))
        for name in self.zoneout if isinstance(self.zoneout, dict) else ():
            if name not in states:
                has = f"{nearest(name, states)}; states: {listed(states)}"
                raise UserError(f"--zoneout: cell {self.cell} has no state {name!r}{has}")


class SplitSettings(TrainSettings):
    """How examples are divided where nobody did."""

    group: str | None = option(
        None,
        "Examples of one value in this column stay on one side of a split; or a pattern for names of files, "
        "such as '^([^_]+)_', whose first group does it.",
        "Data",
    )
    folds: int | None = option(
        None,
        "Cross-validate: cut the data into so many parts, and train as many models, each tested on one part; all "
        "other options, --minutes too, are of each.",
        "Data",
        ge=2,
        le=100_000,
    )
    fold: int | None = option(
        None, "Train one of --folds alone: the one that is tested on this part, from 1.", "Data", ge=1, le=100_000
    )

    @model_validator(mode="after")
    def _which_fold(self) -> Self:
        if self.fold is not None and (self.folds is None or self.fold > self.folds):
            raise ValueError(f"--fold: expected one of the folds that --folds counts, got {self.fold}")
        return self


class ModelSettings(StackSettings):
    """What every recurrent model of tokens takes."""

    embedding: int = option(128, "Features of a token's embedding.", "Model", ge=1, le=2**24)


def read_options(words: Sequence[str]) -> dict[str, Any]:
    """Options of a cell from ``name=value``, numbers as numbers."""
    pairs = (word.partition("=") for word in words)
    return {name: _number(value) for name, _, value in pairs}


def check_options(cell: str, options: Mapping[str, Any]) -> None:
    """Refuses an option that a cell has not.

    Raises:
        UserError: If there is no such cell, or option of it; names the nearest one.
    """
    known = cell_options(find_cell(cell))
    for name in options:
        if name not in known:
            has = f"options: {listed(known)}" if known else "it has none"
            raise UserError(f"--cell-option: cell {cell} has no option {name!r}{nearest(name, known)}; {has}")


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


EXTENDABLE = frozenset(
    {
        "epochs",
        "steps",
        "least_steps",
        "minutes",
        "checkpoint_seconds",
        "evaluate_every",
        "patience",
        "accumulate",
        "device",
    }
)
"""Settings that a resumed run may be given anew; all others stay as they were."""


def check_settings(kind: type[SettingsT], options: Mapping[str, Any]) -> SettingsT:
    """Settings from options by name.

    Raises:
        UserError: If there is no such option, or a value is out of range; names the option, or the nearest one.
    """
    refuse_lacking(kind, options)
    for name in options:
        if name not in kind.model_fields:
            known = [flag(field) for field in kind.model_fields]
            has = f"it has {listed(known)}" if known else "it has none"
            raise UserError(f"unknown option {flag(name)}{nearest(flag(name), known)}; {has}")
    try:
        return kind(**options)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # options that do not go together: the message names them
            raise UserError(message) from error
        name = flag(str(first["loc"][0]))
        raise UserError(f"{name}: {message[:1].lower()}{message[1:]}, got {first['input']!r}") from error


def refuse_lacking(kind: type[BaseModel], names: Iterable[str]) -> None:
    """Refuses options that others have.

    Raises:
        UserError: If one is lacking for a reason; tells it.
    """
    lacking: Mapping[str, str] = getattr(kind, "lacking", {})
    for name in names:
        if name in lacking:
            raise UserError(f"{flag(name)}: {lacking[name]}")


def flag(name: str) -> str:
    """A field as the command line writes it; a last underscore keeps it from being a word of Python's own.

    Example:
        >>> flag("weight_decay"), flag("from_")
        ('--weight-decay', '--from')
    """
    return f"--{name.rstrip('_').replace('_', '-')}"


class FileSettings(TrainSettings):
    """What training on data of the user's takes, whatever the model and however it is divided."""

    cell: str = option("lstm", "Name of a cell, or module:Class.", "Model")
    held_out: float = option(
        0.1,
        "Share of the training data held out for each part that is missing; 0: none, the last weights are kept.",
        "Data",
        ge=0,
        le=0.4,
    )
    valid: str | None = option(None, "Validation data: a file or folder.", "Data")
    test: str | None = option(None, "Test data: a file or folder.", "Data")
    encoding: Encoding | None = option(None, "Of text that is not UTF-8, such as cp1252.", "Data")

    def check_model(self) -> None:
        """Refuses what no model can be built from.

        Raises:
            UserError: If there is no such cell, say.
        """
        raise NotImplementedError(f"{type(self).__name__}: define check_model(self)")


class DataSettings(SplitSettings, FileSettings):
    """What training on labelled examples takes, whatever the model."""


class SignalSettings(StackSettings, DataSettings):
    """What training a recurrent stack on labelled signals takes: their features are no embeddings."""

    least_steps: int = steps_at_least()


class ExampleSettings(ModelSettings, DataSettings):
    """What training a recurrent stack on labelled tokens takes."""

    least_steps: int = steps_at_least()
