"""Pieces of histories as batches: what is read, where forecasts begin in it, and what came then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from throughtime.data.ragged import RaggedBatch
from throughtime.data.series.history import Lookback, Question, Read, past_at, read
from throughtime.data.series.series import Series
from throughtime.models.series.forecaster import ForecastBatch, Origins
from throughtime.tasks.forecast.covariates import Covariates
from throughtime.tasks.forecast.examples import SeriesExample

Places = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Piece:
    """Steps of a series that are learnt from.

    Attributes:
        example: The series.
        begin: The first step.
        end: The last one, not included.
    """

    example: SeriesExample
    begin: int
    end: int

    @property
    def where(self) -> str:
        """File and line of the series."""
        return self.example.where


def pieces(examples: Sequence[SeriesExample], steps: int) -> list[Piece]:
    """All series in pieces of at most so many steps; of each series they are equally long.

    Example:
        >>> from throughtime.tasks.forecast.examples import pack
        >>> [(p.begin, p.end) for p in pieces([SeriesExample("a", "", "", "", pack(np.zeros(10)))], 4)]
        [(0, 3), (3, 6), (6, 10)]
    """
    found = []
    for example in examples:
        length = len(example)
        count = -(-length // steps)
        cuts = [length * number // count for number in range(count + 1)]
        found += [Piece(example, begin, end) for begin, end in pairwise(cuts)]
    return found


class Windows:
    """Makes batches.

    Args:
        lookback: How histories are read.
        covariates: What is read beside them.
        warm_up: Steps before a piece that give it a state.
    """

    def __init__(self, lookback: Lookback, covariates: Covariates, warm_up: int) -> None:
        self.lookback, self.covariates, self.warm_up = lookback, covariates, warm_up

    @property
    def features(self) -> int:
        """F."""
        return self.lookback.features + self.covariates.ahead + self.covariates.so_far

    def steps(self, series: Series, found: Read, begin: int, end: int) -> Singles:
        """What the network reads of steps that were read, ``[T, F]``."""
        return np.concatenate([found.features, self.beside(series, begin, end)], -1)

    def beside(self, series: Series, begin: int, end: int) -> Singles:
        """What it reads beside the numbers of steps, ``[T, E + K]``."""
        known, past = self.covariates.of_steps(series, begin, end), self.covariates.so_far_of(series, begin, end)
        return np.concatenate([known, past], -1)

    def ahead(self, series: Series, places: Places) -> Singles:
        """What is known of the steps ahead of origins, ``[N, H, E]``."""
        if not len(places):
            return np.zeros((0, self.lookback.horizon, self.covariates.ahead), np.float32)
        low, high = int(places.min()) + 1, int(places.max()) + 1 + self.lookback.horizon
        known = self.covariates.of_steps(series, low, high)
        found: Singles = known[(places - low + 1)[:, None] + np.arange(self.lookback.horizon)]
        return found

    def batch(self, asked: Sequence[tuple[Piece, Places]]) -> ForecastBatch:
        """Pieces, each with its origins: the last steps that are known."""
        before, steps, rows, places, questions, ahead, targets = [], [], [], [], [], [], []
        for row, (piece, origins) in enumerate(asked):
            series = piece.example.series
            begin = max(0, piece.begin - self.warm_up)
            past = past_at(self.lookback, series.values, begin)
            found = read(self.lookback, series.values[begin : piece.end], past)
            whole = self.steps(series, found, begin, piece.end)
            before.append(whole[: piece.begin - begin])
            steps.append(whole[piece.begin - begin :])
            rows.append(np.full(len(origins), row))
            places.append(origins - piece.begin)
            questions.append(found.ask(origins - begin))
            ahead.append(self.ahead(series, origins))
            targets.append(came(series, origins, self.lookback.horizon))
        beside = (np.concatenate(rows), np.concatenate(places), np.concatenate(ahead), np.concatenate(targets))
        origins_of = origins_from(Question.of(questions), *beside)
        return ForecastBatch(RaggedBatch.of(before), RaggedBatch.of(steps), origins_of)


def origins_from(
    question: Question, rows: Places, places: Places, ahead: Singles, targets: npt.NDArray[np.float64]
) -> Origins:
    """As the model reads them."""
    return Origins(
        torch.from_numpy(rows),
        torch.from_numpy(places),
        torch.from_numpy(question.candidates),
        torch.from_numpy(question.drifts),
        torch.from_numpy(question.there),
        torch.from_numpy(ahead),
        torch.from_numpy(question.levels),
        torch.from_numpy(question.scales),
        torch.from_numpy(targets),
    )


def came(series: Series, places: Places, horizon: int) -> npt.NDArray[np.float64]:
    """What came after origins, ``[N, H]``, NaN where it is missing or the series is over."""
    padded = np.concatenate([series.values, np.full(horizon, np.nan)])
    found: npt.NDArray[np.float64] = padded[np.minimum(places[:, None] + np.arange(1, horizon + 1), len(padded) - 1)]
    return found


def drawn(piece: Piece, count: int) -> Places:
    """Origins of a piece, drawn from PyTorch's own generator, so that a run that was stopped goes on with the same."""
    places = np.arange(piece.begin, min(piece.end, len(piece.example) - 1))
    if len(places) <= count:
        return places
    return np.sort(places[torch.randperm(len(places))[:count].numpy()])


def judged(example: SeriesExample, horizon: int) -> Places:
    """Origins by which a series is judged: its last windows; of one that is learnt from the last one."""
    if not example.judged:
        return np.array([max(0, len(example) - 1 - horizon)])
    return np.arange(example.first - 1, len(example) - 1, horizon)
