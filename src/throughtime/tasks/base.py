"""What an application declares, and the settings that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from throughtime.errors import UserError
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
            clip_norm=self.clip_norm or None,
            clip_value=self.clip_value or None,
            evaluate_every=self.evaluate_every,
            patience=self.patience,
            checkpoint_seconds=self.checkpoint_seconds,
        )


EXTENDABLE = frozenset({"epochs", "steps", "minutes", "checkpoint_seconds", "evaluate_every", "patience", "device"})
"""Settings that a resumed run may be given anew; all others stay as they were."""


class Task:
    """An application: its data, model, metric, and how a result is shown."""

    name: ClassVar[str]
    summary: ClassVar[str]
    settings: ClassVar[type[TrainSettings]]

    def start(self, paths: Sequence[str], out: Path, options: dict[str, Any]) -> Trainer[Any]:
        """Reads the data, makes the run's folder, and returns what trains; nothing is left behind on bad input."""
        raise NotImplementedError

    def resume(self, out: Path, options: dict[str, Any]) -> Trainer[Any]:
        """What goes on with a run that was stopped."""
        raise NotImplementedError

    def describe(self, trainer: Trainer[Any]) -> str:
        """A line on what is about to be trained."""
        raise NotImplementedError

    def evaluate(self, run: Path, paths: Sequence[str], cell: str | None) -> dict[str, Any]:
        """The metrics of a trained model on other data."""
        raise NotImplementedError


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
        name = str(first["loc"][0]).replace("_", "-")
        raise UserError(f"--{name}: {message[:1].lower()}{message[1:]}, got {first['input']!r}") from error
