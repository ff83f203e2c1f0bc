"""Forecasts: how a series goes on, with how sure that is. One network learns from many series."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from typing_extensions import TypedDict

from throughtime.applications.application import Application
from throughtime.applications.folder.describing import describe_model
from throughtime.applications.judging.forecasts import mase
from throughtime.applications.judging.plain_forecasts import seasonal_naive
from throughtime.applications.memory import begin_at
from throughtime.applications.options import Reading
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.settings import StackSettings, option
from throughtime.applications.task import Report
from throughtime.data.parts import find_parts
from throughtime.data.series.frames import write_columns
from throughtime.data.series.frequency import season
from throughtime.data.series.history import LONGEST, Lookback
from throughtime.data.series.reading import READABLE, read_series
from throughtime.data.series.series import Series
from throughtime.errors import UserError, nearest
from throughtime.models import Model, StackConfig
from throughtime.models.series.densities import DensityKind
from throughtime.models.series.forecaster import ForecastBatch, Forecaster
from throughtime.pictures import check_picture, short_name
from throughtime.runtime.reading.notes import note
from throughtime.tasks.forecast import dividing
from throughtime.tasks.forecast.covariates import Covariates, Known, calendar_of, learn
from throughtime.tasks.forecast.examples import SeriesExample, begins, check_start
from throughtime.tasks.forecast.fans import Fan, check_forecasts, write_forecasts
from throughtime.tasks.forecast.histories import Asked, Floats, forecasts
from throughtime.tasks.forecast.judging import BANDS, JUDGED, Window, fan_of, judge
from throughtime.tasks.forecast.live import LiveForecast
from throughtime.tasks.forecast.paths import path_forecasts
from throughtime.tasks.forecast.pictures import draw_forecasts
from throughtime.tasks.forecast.predictions import shown
from throughtime.tasks.forecast.settings import ForecastSettings
from throughtime.tasks.forecast.windows import Piece, Windows, drawn, judged, pieces
from throughtime.training import Evaluation

VALIDATED = 1000
"""Series that a validation looks at, spread over all."""


Steps = Annotated[int, Field(ge=1, le=100_000)]


class LearntSeries(TypedDict):
    """What is learnt of training data before training."""

    horizon: Steps
    season: Steps
    cycle: Steps
    frequency: str
    calendar: list[str]
    static: Known
    known: Known
    past: Known


class ForecastOptions(Reading):
    """Of a forecast: what may be asked of it."""

    out: Path | None = option(None, "Write the forecasts of a file to this .csv, .json or .jsonl.", "Results")
    start: str | None = option(None, "Of a stream: the time of its first number.", "Data")
    picture: Path | None = option(None, "Draw the forecasts of a file into this PNG.", "Results")


class JudgingOptions(Reading):
    """Of a back-test."""

    history: Path | None = option(None, "Series that those of PATHS go on with, by their names.", "Data")
    windows: int | None = option(None, "Forecasts at the end of each series; default: as in training.", "Data", ge=1)
    picture: Path | None = option(None, "Draw the last forecast of each series, with what came, into this.", "Results")


class Forecasting(Application[SeriesExample]):
    """How a series goes on."""

    name: ClassVar[str] = "forecast"
    summary: ClassVar[str] = "forecaster of numbers over time: the steps ahead, with how sure they are"
    settings_type: ClassVar[type[StackSettings]] = ForecastSettings
    example_type: ClassVar[type[Any]] = SeriesExample
    vocabulary_type: ClassVar[Any] = LearntSeries
    suffixes: ClassVar[tuple[str, ...]] = READABLE
    predicting = ForecastOptions
    judging = JudgingOptions
    reads_files: ClassVar[bool] = True
    trained: str = "steps"
    baselines: ClassVar[tuple[Baseline, ...]] = (
        Baseline(
            "mase",
            "seasonal_naive_mase",
            "repeating the last season errs less: more steps of training (--steps), or another --season, may help",
            higher=False,
        ),
    )

    @property
    def levels(self) -> tuple[float, ...]:
        """Of the quantiles that are told, those of the bands that are drawn among them."""
        return tuple(sorted({*self.settings.edges, *(level for edges in BANDS.values() for level in edges)}))

    def __init__(self, settings: ForecastSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.horizon, self.season, self.frequency = (vocabulary[name] for name in ("horizon", "season", "frequency"))
        ahead = 1 if settings.recursive else self.horizon
        self.lookback = Lookback.of(
            self.frequency, self.season, ahead, settings.steps_back, settings.scale, vocabulary["cycle"]
        )
        parts = (vocabulary[name] for name in ("static", "known", "past"))
        covariates = Covariates(self.frequency, vocabulary["calendar"], *parts)
        self.windows = Windows(self.lookback, covariates, settings.warm_up)

    # Data.

    @classmethod
    def find(cls, paths: Sequence[Path], settings: ForecastSettings) -> dict[str, list[Path]]:
        """By the names of files: what is called a test goes on with what is not."""
        return find_parts(paths, cls.is_data, ", ".join(cls.suffixes))

    @classmethod
    def read(cls, paths: Sequence[Path], settings: ForecastSettings) -> Iterator[SeriesExample]:
        """The series of files.

        Raises:
            UserError: If a file is not as it should be; names the line.
        """
        for series in read_series(paths, settings.reading()):
            _check(series)
            yield SeriesExample.of(series)

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Series in memory as a file of arrays.

        Args:
            data: A frame, columns by name, an array ``[steps]`` or ``[series, steps]``, or a list of arrays.
            folder: An empty one.
        """
        path = folder / "series.npz"
        write_columns(data, path)
        return [begin_at(path, begins(data))]

    @classmethod
    def key(cls, example: SeriesExample) -> Hashable:
        """Its name."""
        return example.name

    @classmethod
    def divided(
        cls, found: Mapping[str, Sequence[SeriesExample]], settings: ForecastSettings
    ) -> tuple[dict[str, list[Any]], dict[str, str]] | None:
        """By time."""
        return dividing.divide(found, settings)

    @classmethod
    def learn(cls, train: Sequence[SeriesExample], settings: ForecastSettings) -> dict[str, Any]:
        """Frequency, season, horizon, and what covariates are like."""
        series = [example.series for example in train]
        first = series[0]
        for other in series:
            if other.frequency != first.frequency:
                raise UserError(
                    f"{other.where}: expected steps of {first.frequency or 'no known time'}, as at {first.where}, "
                    f"got {other.frequency or 'none'}; train a model for each frequency"
                )
        steps = settings.season or season(first.frequency)
        horizon = settings.ahead(first.frequency)
        each = f"steps of {first.frequency}" if first.frequency else "steps of no known time (--frequency says it)"
        note(f"{each}, a season of {steps}, {horizon} steps ahead")
        return {
            "horizon": horizon,
            "season": steps,
            "cycle": max(1, min(LONGEST, max(map(len, series)) // 2)),
            "frequency": first.frequency,
            "calendar": calendar_of(series, first.frequency),
            **{kind: learn(series, kind) for kind in ("static", "known", "past")},
        }

    def check(self, example: SeriesExample) -> None:
        """Numbers, times and covariates of the kind that was trained on, and a step that is known."""
        if not (len(example) and 0 <= example.judged < len(example)):
            raise ValueError("expected at least one step that is known")
        if example.start:
            check_start("start", example.start)
        if np.isinf(example.series.values).any():
            raise ValueError("expected finite numbers")
        self._check_goes_with(example.series, len(example))

    def guess(self, examples: Sequence[SeriesExample], train: Sequence[SeriesExample]) -> Guess | None:
        """The MASE of repeating the last season."""
        found = []
        for example in examples[:: -(-len(examples) // VALIDATED)]:
            for origin in judged(example, self.lookback.horizon):
                values, begin = example.series.values, int(origin) + 1
                plain = seasonal_naive(values[:begin], self.lookback.horizon, self.season).values[: len(values) - begin]
                found.append(mase(values[begin : begin + len(plain)], plain, values[:begin], self.season))
        there = [value for value in found if np.isfinite(value)]
        return Guess("mase", float(np.mean(there)), "repeating the last season", higher=False) if there else None

    def rival(self, figures: Mapping[str, Any], examples: Sequence[SeriesExample]) -> Guess | None:
        """The same of what was judged."""
        return Guess("mase", figures["seasonal_naive_mase"], "repeating the last season", higher=False)

    def input_of(self, example: SeriesExample) -> str:
        """Its name and first values."""
        values = example.series.values
        first = ", ".join("–" if np.isnan(value) else f"{value:g}" for value in values[:6])
        since = f" from {example.start}" if example.start else ""
        return (
            f"{example.where}: {example.name}, {len(values):,} steps{since}: {first}{', …' if len(values) > 6 else ''}"
        )

    # Model.

    def build(self) -> Model:
        """A stack over histories, and a small network over the steps ahead."""
        settings: ForecastSettings = self.settings
        stack = StackConfig(**settings.stack()).build(self.windows.features, engine=settings.engine)
        kind = DensityKind(settings.head, settings.edges)
        ahead, candidates = self.windows.covariates.ahead, self.lookback.candidates
        width, dropout = settings.width, settings.dropout
        return Forecaster(stack, self.lookback.horizon, candidates, ahead, kind, width=width, dropout=dropout)

    def size(self, example: SeriesExample | Piece) -> int:
        """Steps that are read."""
        return example.end - example.begin if isinstance(example, Piece) else len(example)

    def pieces(self, train: Sequence[SeriesExample]) -> Sequence[Piece]:
        """Series in pieces that a gradient goes through."""
        return pieces(train, self.settings.bptt)

    def batch(self, examples: Sequence[SeriesExample]) -> ForecastBatch:
        """The ends of series, with the windows by which they are judged."""
        asked = []
        for example in examples:
            self._check_goes_with(example.series, len(example))
            origins = judged(example, self.lookback.horizon)
            asked.append((Piece(example, max(0, int(origins[0]) + 1 - self.settings.bptt), len(example)), origins))
        return self.windows.batch(asked)

    def training_batch(self, examples: Sequence[Any]) -> ForecastBatch:
        """Pieces, with origins drawn at random."""
        return self.windows.batch([(piece, drawn(piece, self.settings.origins)) for piece in examples])

    # Judgement.

    @torch.no_grad()
    def validate(self, model: Forecaster, examples: Sequence[SeriesExample]) -> Evaluation:
        """The loss, by which training selects, and the MASE of medians."""
        some = examples[:: -(-len(examples) // VALIDATED)]
        total, known, errors = 0.0, 0.0, []
        for batch in self.in_batches(some).batches(0):
            count = model.divisor(batch)
            outputs = model.medians(batch)
            total += float(model.loss(batch, None)[0]) * count
            known += count
            errors.append(np.nanmean(np.abs(outputs - batch.origins.targets.numpy()), 1) / batch.origins.scales.numpy())
        found = np.concatenate(errors)
        mase = float(found[np.isfinite(found)].mean()) if np.isfinite(found).any() else float("nan")
        return Evaluation(total / max(1.0, known), {"loss": total / max(1.0, known), "mase": mase})

    def evaluate(self, model: Forecaster, examples: Sequence[SeriesExample], options: JudgingOptions) -> Report:
        """A back-test: MASE, sMAPE, OWA, CRPS, coverage, beside plain forecasts."""
        if options.picture is not None:
            check_picture(options.picture)
        asked = []
        for example in self._judged(examples, options):
            self._check_goes_with(example.series, len(example))
            asked.append(Asked(example.series, judged(example, self.horizon)))
        windows = [
            Window(one.series, int(origin), quantiles[: len(one.series.values) - 1 - int(origin)])
            for one, found in zip(asked, self.forecasts(model, asked, JUDGED), strict=True)
            for origin, quantiles in zip(one.origins, found, strict=True)
        ]
        if options.picture is not None:
            last = {window.series.where + window.series.name: window for window in windows}
            draw_forecasts(options.picture, [fan_of(window) for window in last.values()], *self._title())
        return judge(windows, self.season)

    def forecasts(self, model: Forecaster, asked: Sequence[Asked], levels: Sequence[float]) -> Iterator[Floats]:
        """The quantiles of every forecast of every series, ``[N, H, Q]`` each."""
        if not self.settings.recursive:
            return forecasts(model, self.windows, asked, levels)
        samples, seed = self.settings.samples, self.settings.seed
        return path_forecasts(model, self.windows, asked, levels, horizon=self.horizon, samples=samples, seed=seed)

    def _judged(self, examples: Sequence[SeriesExample], options: JudgingOptions) -> list[SeriesExample]:
        """Series with the steps by which they are judged."""
        if options.history is not None:
            before = list(self.read([options.history], self.settings))
            return dividing.going_on(before, examples)
        if options.windows is None and all(example.judged for example in examples):
            return list(examples)
        shortest = min(map(len, examples))
        count = options.windows or self.settings.windows or dividing.windows_in(shortest, self.horizon, 0.1)
        return dividing.held_out(examples, self.horizon, count, "judgement")[1]

    # Use.

    def predict_file(self, model: Forecaster, path: Path, options: ForecastOptions) -> Iterator[Prediction]:
        """How every series of a file goes on."""
        if options.out is not None:
            check_forecasts(options.out)
        if options.picture is not None:
            check_picture(options.picture)
        asked = [self._asked(example) for example in self.read([path], self.settings)]
        fans = []
        for one, found in zip(asked, self.forecasts(model, asked, self.levels), strict=True):
            series = one.series
            fans.append(Fan(series.name, series.start, series.frequency, series.values, self.levels, found[0]))
            yield shown(fans[-1])
        if options.out is not None:
            write_forecasts(options.out, fans)
        if options.picture is not None:
            draw_forecasts(options.picture, fans, short_name(str(path)), *self._title())

    def _title(self) -> tuple[str]:
        return (describe_model(self.name, self.settings),)

    def _asked(self, example: SeriesExample) -> Asked:
        """How a series goes on behind its end."""
        self._check_goes_with(example.series, len(example) + self.horizon)
        if np.isnan(example.series.values).all():
            raise UserError(f"{example.where}: expected at least one number of {example.name!r}, got none")
        return Asked(example.series, np.array([len(example) - 1]))

    def live(self, model: Forecaster) -> LiveForecast:
        """A series as it comes, number by number."""
        if self.settings.recursive:
            raise UserError(
                "a stream: expected a model that says all steps ahead at once, got one that draws paths step by step; "
                "give it whole series, or train one without --recursive"
            )
        if self.windows.covariates.known or self.windows.covariates.past or self.windows.covariates.static:
            raise UserError(
                "a stream: expected a model of numbers alone, got one that reads covariates, which no stream brings; "
                "give it whole series, or train one without --known, --past and --static"
            )
        return LiveForecast(model, self.windows, self.frequency, self.levels)

    def _check_goes_with(self, series: Series, end: int) -> None:
        """Refuses a series that is none of the kind that was trained on."""
        self.windows.covariates.check(series, end)
        if series.frequency and self.frequency and series.frequency != self.frequency:
            hint = nearest(series.frequency, [self.frequency])
            raise UserError(
                f"{series.where}: expected steps of {self.frequency}, as in training, got {series.frequency}{hint}"
            )


def _check(series: Series) -> None:
    """Refuses what is no series of numbers that single precision can tell apart from infinity."""
    bad = np.flatnonzero(np.isinf(series.values))
    if len(bad):
        raise UserError(
            f"{series.where}: expected finite numbers of {series.name!r}, got {series.values[bad[0]]} at step "
            f"{int(bad[0]) + 1}; leave the cell empty where nothing was measured"
        )
