"""Whether a classifier is right as often as it says: the calibration error, and a temperature that lowers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from throughtime.errors import UserError, shown
from throughtime.models.base import tempered

BINS = 15
"""Of probabilities, equally wide, as Guo et al. (2017) have them."""

FEWEST = 30
"""Validation examples below which no temperature is fitted."""

EVIDENCE = 1.92
"""Nats in all that the validation data must gain by a temperature: a likelihood-ratio test at 5 %."""

COLDEST, HOTTEST = 0.05, 20.0
"""Between them a model's temperature lies."""

HALVINGS = 40
"""Of the bounds of the search: to twelve digits."""


@dataclass(frozen=True)
class Calibration:
    """How far a classifier's probabilities can be trusted.

    Attributes:
        temperature: What fits them to the data; 1 where none was fitted.
        before: The calibration error without it, in points.
        after: The same with it.
    """

    temperature: float
    before: float
    after: float

    @property
    def figures(self) -> dict[str, float]:
        """By name, as an evaluation has them."""
        if self.temperature == 1.0:
            return {"calibration_error": self.before}
        return {
            "calibration_error": self.after,
            "temperature": self.temperature,
            "calibration_error_without": self.before,
        }


def calibration_error(sure: Tensor, right: Tensor) -> float:
    """The expected calibration error in points (Naeini et al. 2015): 0 where of what is said at 80 %, 80 % are right.

    Answers are put into bins by their probability; the distance of a bin's share of right ones from its mean
    probability is averaged over all answers. A bin holds its upper bound.

    Args:
        sure: The probability of each answer, ``[N]``.
        right: Whether it is right, ``[N]``.

    Returns:
        From 0 to 100; 0 of no answers.

    Example:
        >>> round(calibration_error(torch.tensor([0.9, 0.9, 0.6]), torch.tensor([True, False, True])), 4)
        40.0
    """
    if not len(sure):
        return 0.0
    sure = sure.double().cpu()
    bins = (sure * BINS).ceil().long().clamp(1, BINS) - 1
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add(0, bins, right.double().cpu() - sure)
    return 100 * float(gaps.abs().sum()) / len(sure)


def error_of(log_probs: Tensor, gold: Tensor) -> float:
    """The calibration error of the likeliest classes in points, of log-probabilities ``[N, K]`` and classes ``[N]``."""
    sure, said = log_probs.max(1)
    return calibration_error(sure.exp(), said == gold)


def calibrate(log_probs: Tensor, gold: Tensor, *, fit: bool = True) -> Calibration:
    """The temperature that makes validation data the likeliest (Guo et al. 2017), and what it does to the error.

    It only makes less sure. The same data have chosen the weights, which flatters these, and a temperature below 1
    would rest on that. There is none, either, with fewer than :data:`FEWEST` examples, or where it may be chance
    (:data:`EVIDENCE`).

    Args:
        log_probs: Of the classes at temperature 1, ``[N, K]``.
        gold: The classes, ``[N]``.
        fit: Without it, the error alone.

    Example:
        >>> said = torch.tensor([[0.9, 0.1]]).repeat(60, 1).log()
        >>> found = calibrate(said, (torch.arange(60) % 3 == 0).long())  # two of three are right, and not nine of ten
        >>> [round(value, 3) for value in (found.temperature, found.before, found.after)]
        [3.17, 23.333, 0.0]
    """
    log_probs = log_probs.double()
    temperature = _fitted(log_probs, gold) if fit else 1.0
    before, after = (error_of(tempered(log_probs, value), gold) for value in (1.0, temperature))
    return Calibration(temperature, before, after)


def read_temperature(path: Path, data: Mapping[str, Any]) -> float:
    """The temperature that stands beside the weights of a file; 1 where there is none.

    Raises:
        UserError: If it is no number between the bounds.
    """
    value = data.get("temperature", 1.0)
    if type(value) not in (int, float) or not COLDEST <= value <= HOTTEST:
        raise UserError(
            f"{path}: expected 'temperature' to be a number from {COLDEST:g} to {HOTTEST:g}, got {shown(value)}; "
            "the file is damaged"
        )
    return float(value)


def _fitted(log_probs: Tensor, gold: Tensor) -> float:
    """The best temperature from 1 on, or 1."""
    if len(gold) < FEWEST or not log_probs.isfinite().all():
        return 1.0
    best = _best(log_probs, gold)
    gain = len(gold) * (_nats(log_probs, gold, 1.0) - _nats(log_probs, gold, best))
    return best if gain > EVIDENCE else 1.0


def _best(log_probs: Tensor, gold: Tensor) -> float:
    """Where the mean loss is least: it is convex in the inverse of the temperature, and halving finds its slope's 0."""
    said = log_probs.gather(1, gold.unsqueeze(1)).mean()

    def falls(inverse: float) -> bool:
        """Whether the loss falls still as the inverse grows: the slope is what is expected less what is there."""
        return bool(((log_probs * inverse).softmax(1) * log_probs).sum(1).mean() < said)

    low, high = 1 / HOTTEST, 1.0
    if not falls(low):
        return HOTTEST
    if falls(high):
        return 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falls(middle) else (low, middle)
    return 2 / (low + high)


def _nats(log_probs: Tensor, gold: Tensor, temperature: float) -> float:
    return -float(tempered(log_probs, temperature).gather(1, gold.unsqueeze(1)).mean())
