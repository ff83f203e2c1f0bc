"""Drawing one token of many, for little: the same random numbers draw the same token, whatever is spared."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

SORTED = 1024
"""Tokens that are put in order at once; of more, those alone that can be drawn."""
LIKELY = 1 / 64
"""Share of the likeliest token's probability from which on tokens are looked at first."""
ROUNDING = 1 - 1e-9
"""What bounds are lowered by, so that rounding leaves no token out."""


@dataclass(frozen=True)
class Sampling:
    """How to draw.

    Attributes:
        temperature: Below 1 bolder than the model, above 1 more even; 0 always takes the likeliest token.
        top_k: Draw from the k likeliest tokens; None: all.
        top_p: Draw from the fewest likeliest tokens that hold this share of the probability (Holtzman et al. 2020).
        length: Most tokens to draw.
        min_length: The sequence does not end before this many tokens.
        seed: Of the draws; None: another each time.

    Raises:
        ValueError: If a setting is out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    length: int = 300
    min_length: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature < math.inf:
            raise ValueError(f"expected a temperature of at least 0 and finite, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"expected top-k to be at least 1, got {self.top_k}")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"expected top-p above 0 and at most 1, got {self.top_p}")
        if self.length < 1:
            raise ValueError(f"expected a length of at least 1, got {self.length}")
        if self.min_length < 0:
            raise ValueError(f"expected a minimum length of at least 0, got {self.min_length}")


def draw(scores: Tensor, settings: Sampling, generator: torch.Generator) -> int:
    """Draws one token of log-probabilities ``[V]``, which need not sum to one.

    Raises:
        ValueError: If they are none: not a number, or no token possible.

    Example:
        >>> draw(torch.tensor([0.1, 0.7, 0.2]).log(), Sampling(top_k=1), torch.Generator())
        1
    """
    return draw_of(scores.detach().to("cpu", torch.float64).numpy(), settings, generator)


def draw_of(scores: Array, settings: Sampling, generator: torch.Generator) -> int:
    """As :func:`draw`.

    Each token that may be drawn, the likeliest first, has an exponential random number, and of all ``p / number`` the
    greatest is drawn: token i with probability ``p[i] / Σ p``.
    """
    if settings.temperature == 0.0:
        return int(scores.argmax())
    with np.errstate(all="ignore"):
        # The likeliest stands at zero, so that no temperature takes all to minus infinity.
        weights = np.exp((scores - scores.max()) / settings.temperature)
    total = float(weights.sum())
    if not 0.0 < total < math.inf:
        raise ValueError("expected log-probabilities of which one at least is finite, got none, or what is no number")
    tokens = len(scores) if settings.top_k is None else min(settings.top_k, len(scores))
    numbers = torch.empty(tokens, dtype=torch.float64).exponential_(generator=generator).numpy()
    if settings.top_p < 1.0:
        order = _of_share(scores, weights, total, tokens, settings.top_p)
    elif tokens < len(scores):
        order = _first(scores, weights, tokens)
    else:
        order = _able(scores, weights, numbers)
    return int(order[(weights[order] / numbers[: len(order)]).argmax()])


def _ordered(scores: Array, weights: Array, least: float) -> Ids:
    """The tokens of at least such a weight, the likeliest first, of equals the lower id."""
    if least <= 0.0:
        return np.argsort(-scores, kind="stable")
    found = np.flatnonzero(weights >= least)
    return found[np.argsort(-scores[found], kind="stable")]


def _first(scores: Array, weights: Array, tokens: int) -> Ids:
    """So many tokens, the likeliest first."""
    if len(scores) <= SORTED or tokens == len(scores):
        return _ordered(scores, weights, 0.0)[:tokens]
    return _ordered(scores, weights, float(np.partition(weights, -tokens)[-tokens]))[:tokens]


def _of_share(scores: Array, weights: Array, total: float, tokens: int, share: float) -> Ids:
    """The fewest of the likeliest tokens that hold a share of the probability of so many."""
    if tokens < len(scores) or len(scores) <= SORTED:
        order = _first(scores, weights, tokens)
        total = float(weights[order].sum())
    else:
        # All tokens that are less likely than this one hold less together than what is left
        order = _ordered(scores, weights, ROUNDING * (1.0 - share) * total / tokens)
    held = weights[order] / total
    # A token stays while the likelier ones before it hold less than the share.
    return order[held.cumsum() - held < share]


def _able(scores: Array, weights: Array, numbers: Array) -> Ids:
    """The likeliest tokens, so many that the one that is drawn is among them."""
    if len(scores) <= SORTED:
        return _ordered(scores, weights, 0.0)
    few = _ordered(scores, weights, LIKELY)
    best = float((weights[few] / numbers[: len(few)]).max())
    # With a smaller weight not even the smallest number reaches what is reached already
    return _ordered(scores, weights, min(LIKELY, ROUNDING * best * float(numbers.min())))
