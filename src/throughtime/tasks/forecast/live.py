"""Forecasts that follow a series as it comes: after every number what the steps ahead may be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from throughtime.applications.live import Output, Takes
from throughtime.applications.live.parts import checked_options, inside
from throughtime.data.series.history import Past, Question, read
from throughtime.data.series.series import Series
from throughtime.errors import UserError, shown
from throughtime.models.series.forecaster import Forecaster
from throughtime.models.series.stream import RememberedStream
from throughtime.models.streams import SideBySide
from throughtime.tasks.forecast.examples import check_start
from throughtime.tasks.forecast.fans import Fan, as_data
from throughtime.tasks.forecast.histories import quantiles
from throughtime.tasks.forecast.windows import Singles, Windows

Floats = npt.NDArray[np.float64]

AHEAD = 1024
"""Steps whose place in the calendar is looked up at once."""

NOTHING = ("", "nan", "na", "null", "none", "-")
"""How a line says that nothing was measured, in lower case."""


class LiveForecast:
    """How a forecaster reads streams: a number a step.

    Args:
        model: It.
        windows: How histories are read.
        frequency: What lies between two steps.
        levels: Of the quantiles that are told.
    """

    takes: Takes = "rows"

    def __init__(self, model: Forecaster, windows: Windows, frequency: str, levels: Sequence[float]) -> None:
        self.model, self.windows, self.frequency, self.levels = model, windows, frequency, tuple(levels)
        self.facts: Mapping[str, Any] = {
            "numbers": 1,
            "horizon": model.horizon,
            "frequency": frequency,
            "levels": list(levels),
            "options": ["start"],
        }

    def side_by_side(self) -> SideBySide:
        """The model, over any number of streams."""
        return SideBySide(RememberedStream(self.model.stack))

    def open(self, said: Mapping[str, Any]) -> ForecastReader:
        """Begins a stream.

        Args:
            said: ``start``, the time of the first number, which a model needs that was trained on times.

        Raises:
            UserError: If something else is said, or that is missing.
        """
        start = checked_options(said, ["start"]).get("start")
        if start is None and self.windows.covariates.times:
            raise UserError(
                "a stream: expected the time of its first number, as this model reads the calendar; pass "
                "--start 2024-01-01T00:00 (start=)"
            )
        return ForecastReader(self, check_start("start", str(start)) if start is not None else "")

    def load(self, dumped: Mapping[str, Any]) -> ForecastReader:
        """A stream that goes on where it was dumped."""
        reader = ForecastReader(self, dumped["start"])
        reader.read_dumped(dumped)
        return reader

    def piece(self, line: str, where: str) -> Any:
        """A line with a number, or with nothing where none was measured.

        Raises:
            UserError: If it is neither.
        """
        word = line.strip()
        if word.lower() in NOTHING:
            return [math.nan]
        try:
            return [float(word)]
        except ValueError:
            raise UserError(f"{where}: expected a number a line, got {shown(word)}") from None

    def shown(self, event: Mapping[str, Any]) -> str:
        """The next steps' medians, and the middle of what the first may be."""
        said = event["quantiles"]
        low, *_, high = said
        median = ", ".join(f"{value:,.6g}" for value in said["0.5"][:4])
        first = f"{said[low][0]:,.6g} to {said[high][0]:,.6g}"
        return f"{event['steps']:,} steps: next {median}{', …' if len(said['0.5']) > 4 else ''}  ({first})"


class ForecastReader:
    """One series.

    Args:
        live: Of which model.
        start: The time of its first number; may be empty.
    """

    def __init__(self, live: LiveForecast, start: str) -> None:
        self.live, self.start = live, start
        self.past: Past = live.windows.lookback.begin()
        self.question: Question | None = None
        self.remembered: Output | None = None
        self.steps, self.told = 0, 0
        self.begun, self.calendar = 0, np.zeros((0, live.windows.covariates.ahead), np.float32)

    def push(self, piece: Any) -> Sequence[Output]:
        """The features of numbers.

        Raises:
            UserError: If the piece is a number, or several, and nothing else.
        """
        values = numbers_of(piece)
        if not len(values):
            return []
        begin, end = self.steps, self.steps + len(values)
        found = read(self.live.windows.lookback, values, self.past)
        self.past, self.question = found.past, found.ask(np.array([len(values) - 1]))
        self.steps = end
        return list(np.concatenate([found.features, self._known(begin, end)], -1))

    def end(self) -> Sequence[Output]:
        """None wait."""
        return []

    def take(self, output: Output) -> Sequence[Output]:
        """Keeps what the stack said last."""
        self.remembered = output
        return ()

    def partial(self) -> dict[str, Any] | None:
        """The forecast behind the last number, where there were further ones."""
        if self.told == self.steps or self.past.count == 0:
            return None
        self.told = self.steps
        return self._found()

    def final(self) -> dict[str, Any]:
        """The forecast behind all of it.

        Raises:
            UserError: If there was no number.
        """
        if self.past.count == 0:
            raise UserError("expected at least one number before the end, got none")
        return self._found()

    def _found(self) -> dict[str, Any]:
        assert self.question is not None
        assert self.remembered is not None
        live = self.live
        ahead = self._known(self.steps, self.steps + live.model.horizon)[None]
        remembered = torch.from_numpy(self.remembered).unsqueeze(0)
        found = quantiles(live.model, remembered, self.question, ahead, live.levels)[0]
        data = as_data(Fan("stream", "", "", np.zeros(0), live.levels, found))
        return {"steps": self.steps, "quantiles": data["quantiles"]}

    def _known(self, begin: int, end: int) -> Singles:
        """What the calendar tells of steps, which is made for many at once."""
        if not self.begun <= begin <= end <= self.begun + len(self.calendar):
            self.begun, until = begin, max(end, begin + AHEAD)
            series = Series("stream", "a stream", self.start, self.live.frequency, np.zeros(0))
            self.calendar = self.live.windows.covariates.of_steps(series, begin, until)
        return self.calendar[begin - self.begun : end - self.begun]

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        asked = None if self.question is None else vars(self.question)
        names = ("start", "remembered", "steps", "told")
        return {"past": vars(self.past), "question": asked, **{name: getattr(self, name) for name in names}}

    def read_dumped(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.past = Past(**dumped["past"])
        self.question = None if dumped["question"] is None else Question(**dumped["question"])
        self.remembered, self.steps, self.told = dumped["remembered"], dumped["steps"], dumped["told"]


def numbers_of(piece: Any) -> Floats:
    """A piece as numbers, one a step; NaN, or None, where none was measured.

    Raises:
        UserError: If it is none.

    Example:
        >>> numbers_of([1.0, None]), numbers_of([[2.0], [3.0]]), numbers_of({"rows": [4.0]}), numbers_of(5)
        (array([ 1., nan]), array([2., 3.]), array([4.]), array([5.]))
    """
    try:
        found = np.asarray(inside(piece, "rows"), np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"expected numbers, one a step, got {shown(piece)}") from None
    if found.ndim > 2 or (found.ndim == 2 and found.shape[1] != 1):
        raise UserError(f"expected numbers, one a step, got an array of {' × '.join(map(str, found.shape))}")
    if np.isinf(found).any():
        raise UserError("expected finite numbers, or nothing where none was measured, got an infinite one")
    return found.reshape(-1)
