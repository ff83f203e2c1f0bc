"""What training a forecaster takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from throughtime.applications.settings import FileSettings, StackSettings, option, steps_at_least
from throughtime.data.series.frequency import parse
from throughtime.data.series.history import ScaleName
from throughtime.data.series.roles import Reading
from throughtime.models.series.densities import LEVELS, DensityKind, DensityName
from throughtime.training import OptimiserName

TIME = (
    "what comes later is no other example of what came before: a forecast is judged by the last windows of each series"
)

HORIZONS = {"D": 14, "B": 14, "W": 13}
"""Steps ahead where nobody says how many, as M4 has them; of months, quarters and years :data:`MONTHS`."""

MONTHS = {1: 18, 3: 8, 12: 6}

FURTHEST = 100_000
"""Of lags."""

OFTEN = 48
"""Steps ahead of what is measured more often than daily."""


def _numbers(value: Any) -> Any:
    """Words between commas, as the command line writes them."""
    return tuple(word for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def _names(value: Any) -> Any:
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def _rising(levels: tuple[float, ...]) -> tuple[float, ...]:
    return DensityKind("quantiles", levels).levels


Levels = Annotated[str | tuple[float, ...], BeforeValidator(_numbers), AfterValidator(_rising)]
Lags = Annotated[str | tuple[int, ...], BeforeValidator(_numbers)]
Names = Annotated[str | tuple[str, ...], BeforeValidator(_names)]


class ForecastSettings(StackSettings, FileSettings):
    """What training a forecaster takes."""

    lacking: ClassVar[Mapping[str, str]] = {"folds": TIME, "fold": TIME, "group": TIME}

    layout: Literal["long", "wide", "m4", "tsf", "lines"] | None = option(
        None,
        "long (a row a value), wide (a column a series), m4 (a row a series), tsf, lines; default: told.",
        "Data",
    )
    id: str | None = option(None, "Column of the series' names; default: guessed, told.", "Data")
    time: str | None = option(None, "Column of times; default: guessed, told.", "Data")
    value: str | None = option(None, "Column of values; default: guessed, told.", "Data")
    frequency: str | None = option(None, "Between two steps: h, 15min, D, B, W, MS, …; default: found, told.", "Data")
    static: Names = option((), "Columns of what holds for a whole series, with commas between them.", "Data")
    known: Names = option((), "Columns of what is known ahead, such as holidays.", "Data")
    past: Names = option((), "Columns of what is known up to the present alone.", "Data")
    zone: str | None = option(None, "Of times without offsets, such as Europe/Berlin; read as UTC.", "Data")
    decimal: Literal[".", ","] | None = option(None, "The sign before decimals.", "Data")
    header: bool | None = option(None, "The first row names the columns; default: told.", "Data")
    day_first: bool | None = option(None, "03/04/2024 is in April; default: told.", "Data")
    horizon: int | None = option(None, "Steps ahead; default: by the frequency, hourly 48.", "Data", ge=1, le=100_000)
    season: int | None = option(None, "Steps of a season; default: by the frequency.", "Data", ge=1, le=100_000)
    windows: int | None = option(
        None,
        "Forecasts at the end of each series that it is judged by, and as many to validate; default: see --held-out.",
        "Data",
        ge=1,
        le=10_000,
    )
    held_out: float = option(
        0.1,
        "Share of the shortest series, at its end, held out for each part that is missing, in windows, 20 at most; 0: "
        "none, the last weights are kept.",
        "Data",
        ge=0,
        le=0.4,
    )
    head: DensityName = option("quantiles", "What is said of a step ahead.", "Model")
    levels: Levels = option(LEVELS, "Of quantiles, with commas between them; 0.5 among them.", "Model")
    recursive: bool = option(False, "Learn one step ahead, and draw paths from it, instead of all at once.", "Model")
    samples: int = option(200, "Paths that are drawn, where it is recursive.", "Model", ge=2, le=100_000)
    lags: Lags = option((), "Steps back that are inputs, with commas between them; default: by the frequency.", "Model")
    scale: ScaleName = option("mean", "Of a history: mean absolute seasonal difference, or robust.", "Model")
    hidden: int = option(48, "Units of a layer.", "Model", ge=1, le=2**24)
    width: int = option(64, "Units of the network that looks at a step ahead.", "Model", ge=1, le=2**20)
    bptt: int = option(512, "Steps that a gradient goes back; a state is carried.", "Training", ge=8, le=2**24)
    warm_up: int = option(512, "Steps before them that give a state.", "Training", ge=0, le=2**24)
    origins: int = option(16, "Forecasts in so many steps that are learnt from at once.", "Training", ge=1, le=2**20)
    dropout: float = option(0.3, "Between layers, and of what looks at a step ahead.", "Model", ge=0, lt=1)
    optimiser: OptimiserName = option("adamw", "adam, adamw, sgd, or asgd (SGD with averaging).", "Training")
    weight_decay: float = option(0.01, "Of the optimiser.", "Training", ge=0)
    average: float = option(
        0.8, "Share of the run, at its end, that weights are averaged over.", "Training", ge=0, lt=1
    )
    lr: float = option(3e-3, "Peak learning rate.", "Training", gt=0)
    least_steps: int = steps_at_least(800)

    def reading(self) -> Reading:
        """How files are read."""
        return Reading(
            self.layout,
            self.id,
            self.time,
            self.value,
            self.frequency,
            tuple(self.static),
            tuple(self.known),
            tuple(self.past),
            self.zone,
            self.decimal,
            self.header,
            self.day_first,
        )

    @property
    def steps_back(self) -> tuple[int, ...]:
        """The lags, checked."""
        return tuple(lag for lag in self.lags if isinstance(lag, int))

    @property
    def edges(self) -> tuple[float, ...]:
        """The levels, checked."""
        return tuple(level for level in self.levels if isinstance(level, float))

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if any(not 1 <= lag <= FURTHEST for lag in self.steps_back):
            raise ValueError(f"--lags: expected steps back from 1 to {FURTHEST:,}, got {self.lags}")
        return self

    def ahead(self, frequency: str) -> int:
        """Steps ahead.

        Example:
            >>> [ForecastSettings().ahead(name) for name in ("h", "D", "ME", "QE", "YE", "")]
            [48, 14, 18, 8, 6, 12]
        """
        if self.horizon is not None:
            return self.horizon
        if not frequency:
            return 12
        found = parse(frequency)
        return MONTHS.get(found.count, 6) if found.unit == "M" else HORIZONS.get(found.unit, OFTEN)
