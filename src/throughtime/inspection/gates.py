"""How far gates and states are saturated: where a gate is shut or open, no gradient passes it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from throughtime.engine import real_steps
from throughtime.inspection.recording import Watched

NEAR = 0.1
"""A gate nearer to 0 or 1 than this is shut or open; a value nearer to ±1, and a relu's 0, is saturated."""


@dataclass(frozen=True)
class Saturation:
    """Of one gate or state, as shares of its values at real steps.

    Attributes:
        name: The gate's.
        low: Shut: near 0; of values with a sign: near -1.
        high: Open: near 1.
        mean: Of the values.
        bounded: Whether the values can be saturated at all: a memory that only adds up cannot.
    """

    name: str
    low: float
    high: float
    mean: float
    bounded: bool

    @property
    def share(self) -> float:
        """Low or high."""
        return self.low + self.high


def real_values(cell: Watched, name: str) -> Tensor:
    """A gate's or state's values at real steps, ``[N, n]``."""
    values = cell.values(name)
    return values[real_steps(cell.lengths, values.shape[1]).to(values.device)]


def saturation(cell: Watched) -> list[Saturation]:
    """How far every state and gate of a cell is saturated."""
    return [_saturation(name, real_values(cell, name)) for name in cell.names]


def _saturation(name: str, values: Tensor) -> Saturation:
    """A gate is what stays within 0 and 1, a tanh what stays within ±1; of others nothing is told.

    Example:
        >>> import torch
        >>> found = _saturation("f", torch.tensor([[0.05, 0.5], [0.99, 0.95]]))
        >>> found.low, found.high, found.bounded
        (0.25, 0.5, True)
    """
    if not values.numel():
        return Saturation(name, 0.0, 0.0, 0.0, False)
    low, high = float(values.min()), float(values.max())
    mean = float(values.mean())
    if high > 1.0 or low < -1.0:
        return Saturation(name, 0.0, 0.0, mean, False)
    floor = 0.0 if low >= 0.0 else -1.0
    shut = float((values < floor + NEAR).float().mean())
    return Saturation(name, shut, float((values > 1.0 - NEAR).float().mean()), mean, True)
