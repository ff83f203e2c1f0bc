"""Forecasts out of whole histories, which are read in chunks with the state carried, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from throughtime.data.progress import report
from throughtime.data.ragged import RaggedBatch
from throughtime.data.series.history import Past, Question, Read, read
from throughtime.data.series.series import Series
from throughtime.models import State
from throughtime.models.series.densities import Density
from throughtime.models.series.forecaster import Forecaster
from throughtime.tasks.forecast.windows import Places, Windows, origins_from

Floats = npt.NDArray[np.float64]

CHUNK = 2048
"""Steps that are read at once."""

ROWS = 64
"""Series side by side."""


@dataclass(frozen=True)
class Asked:
    """A series, and where its forecasts begin.

    Attributes:
        series: It.
        origins: The last steps that are known, rising.
    """

    series: Series
    origins: Places


def forecasts(model: Forecaster, windows: Windows, asked: Sequence[Asked], levels: Sequence[float]) -> Iterator[Floats]:
    """The quantiles of every forecast of every series, ``[N, H, Q]`` each, in their order."""
    for begin in range(0, len(asked), ROWS):
        group = asked[begin : begin + ROWS]
        report(begin, len(asked), "series")
        remembered, questions = _remembered(model, windows, group)
        counts = np.cumsum([len(one.origins) for one in group])[:-1]
        ahead = np.concatenate([windows.ahead(one.series, one.origins) for one in group])
        found = quantiles(model, remembered, Question.of(questions), ahead, levels)
        yield from np.split(found, counts)
    report(len(asked), len(asked), "series")


@torch.no_grad()
def quantiles(
    model: Forecaster, remembered: Tensor, question: Question, ahead: npt.NDArray[np.float32], levels: Sequence[float]
) -> Floats:
    """What is said at origins, in the unit of the series, ``[N, H, Q]``.

    Args:
        model: It.
        remembered: What its stack said there, ``[N, A]``.
        question: What is known there.
        ahead: What is known of the steps ahead.
        levels: Of the quantiles.
    """
    density = density_at(model, remembered, question, ahead)
    found: Floats = density.quantile(levels).double().cpu().numpy()
    if model.kind.counts:
        return found
    return question.levels[:, None, None] + question.scales[:, None, None] * found


def density_at(model: Forecaster, remembered: Tensor, question: Question, ahead: npt.NDArray[np.float32]) -> Density:
    """The density of the steps ahead of origins, in scales."""
    count = len(question)
    nothing = np.zeros(count, np.int64)
    targets = np.full((count, model.horizon), np.nan)
    return model.density(remembered, origins_from(question, nothing, nothing, ahead, targets))


@torch.no_grad()
def _remembered(model: Forecaster, windows: Windows, group: Sequence[Asked]) -> tuple[Tensor, list[Question]]:
    """What the stack said at every origin, series by series, and what is known there."""
    pasts: list[Past] = [windows.lookback.begin() for _ in group]
    said: list[list[Tensor]] = [[] for _ in group]
    questions: list[list[Question]] = [[] for _ in group]
    ends = [int(one.origins[-1]) + 1 if len(one.origins) else 0 for one in group]
    state: State | None = None
    for begin in range(0, max(ends), CHUNK):
        found: list[Read] = []
        steps = []
        for row, (one, last) in enumerate(zip(group, ends, strict=True)):
            end = max(begin, min(last, begin + CHUNK))
            found.append(read(windows.lookback, one.series.values[begin:end], pasts[row]))
            pasts[row] = found[-1].past
            steps.append(windows.steps(one.series, found[-1], begin, end))
        ragged = RaggedBatch.of(steps)
        outputs, state = model.read(ragged.values, ragged.lengths, state)
        for row, one in enumerate(group):
            inside = one.origins[(one.origins >= begin) & (one.origins < begin + CHUNK)] - begin
            if len(inside):
                said[row].append(outputs[row, torch.from_numpy(inside).to(outputs.device)])
                questions[row].append(found[row].ask(inside))
    return torch.cat([part for parts in said for part in parts]), [one for parts in questions for one in parts]
