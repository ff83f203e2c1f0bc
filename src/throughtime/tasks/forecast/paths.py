"""Paths: a model of one step ahead draws the next value, reads it as if it had come, and goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from throughtime.data.progress import counted
from throughtime.data.series.history import Question, read
from throughtime.data.series.series import Series
from throughtime.models import State
from throughtime.models.series.forecaster import Forecaster
from throughtime.tasks.forecast.histories import CHUNK, Asked, density_at
from throughtime.tasks.forecast.windows import Windows

Floats = npt.NDArray[np.float64]


def path_forecasts(
    model: Forecaster,
    windows: Windows,
    asked: Sequence[Asked],
    levels: Sequence[float],
    *,
    horizon: int,
    samples: int,
    seed: int,
) -> Iterator[Floats]:
    """The quantiles of every forecast of every series, ``[N, H, Q]`` each, out of paths that were drawn.

    Args:
        model: Of one step ahead.
        windows: How histories are read.
        asked: Series with their origins.
        levels: Of the quantiles.
        horizon: H.
        samples: Paths.
        seed: Of the draws of each series, whichever others are asked for.
    """
    for one in counted(asked, "series"):
        drawn = drawn_paths(model, windows, one, horizon=horizon, samples=samples, seed=seed)
        yield np.quantile(drawn, levels, axis=1).transpose(1, 2, 0)


@torch.no_grad()
def drawn_paths(model: Forecaster, windows: Windows, asked: Asked, *, horizon: int, samples: int, seed: int) -> Floats:
    """Paths behind the origins of a series, ``[N, samples, H]``."""
    generator = torch.Generator().manual_seed(seed)
    walk, found = Walk(model, windows, asked.series), []
    for origin in asked.origins.tolist():
        while walk.step <= origin:
            end = min(origin + 1, walk.step + CHUNK)
            walk.go_on(asked.series.values[None, walk.step : end])
        found.append(walk.repeated(samples).draw(horizon, generator))
    return np.stack(found)


class Walk:
    """Where rows of one series stand: what was read of each, and what the stack remembers of it.

    Args:
        model: Of one step ahead.
        windows: How histories are read.
        series: What their covariates and times are those of.
    """

    def __init__(self, model: Forecaster, windows: Windows, series: Series) -> None:
        self.model, self.windows, self.series = model, windows, series
        self.step, self.past = 0, windows.lookback.begin((1,))
        self.state: State | None = None
        self.remembered: Tensor | None = None
        self.question: Question | None = None

    def go_on(self, values: Floats) -> None:
        """Reads the next values of every row, ``[S, T]``."""
        rows, count = values.shape
        known = read(self.windows.lookback, values, self.past)
        beside = self.windows.beside(self.series, self.step, self.step + count)
        features = np.concatenate([known.features, np.repeat(beside[None], rows, 0)], -1)
        outputs, self.state = self.model.read(torch.from_numpy(features), None, self.state)
        self.remembered, self.past, self.step = outputs[:, -1], known.past, self.step + count
        self.question = known.ask(np.full(rows, count - 1), np.arange(rows))

    def repeated(self, count: int) -> Walk:
        """A single row as so many, which go on each by itself."""
        assert self.state is not None
        assert self.remembered is not None
        found = Walk(self.model, self.windows, self.series)
        found.step, found.past = self.step, self.past.repeated(count)
        found.state = {name: value.repeat(1, count, 1) for name, value in self.state.items()}
        found.remembered = self.remembered.repeat(count, 1)
        found.question = Question(*(np.repeat(value, count, 0) for value in vars(self.question).values()))
        return found

    def draw(self, horizon: int, generator: torch.Generator) -> Floats:
        """The values that follow, ``[S, H]``, each drawn given those before it."""
        values: list[Floats] = []
        for _ in range(horizon):
            assert self.question is not None
            assert self.remembered is not None
            known = self.windows.covariates.of_steps(self.series, self.step, self.step + 1)
            ahead = np.repeat(known[None], len(self.question), 0)
            density = density_at(self.model, self.remembered, self.question, ahead)
            drawn = density.sample(1, generator)[:, 0, 0].double().cpu().numpy()
            if not self.model.kind.counts:
                drawn = self.question.levels + self.question.scales * drawn
            values.append(drawn)
            self.go_on(drawn[:, None])
        return np.stack(values, 1)
