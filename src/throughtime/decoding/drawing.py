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
FEW = 256
"""Of these the likeliest, which are looked at first."""
COLDEST = 1e-290
"""A temperature at which nothing but the likeliest is left, and no quotient is too large."""
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


class Draws:
    """Draws tokens, one after the other.

    Each token that may be drawn, the likeliest first, has an exponential random number, and of all ``p / number`` the
    greatest is drawn: token i with probability ``p[i] / Σ p``.

    Args:
        settings: How to draw.
        generator: Of the random numbers.
    """

    def __init__(self, settings: Sampling, generator: torch.Generator) -> None:
        self.settings, self.generator = settings, generator
        self.temperature = max(settings.temperature, COLDEST)
        self.buffer = torch.empty(0, dtype=torch.float64)
        self.numbers: Array = self.buffer.numpy()

    def __call__(self, scores: Array) -> int:
        """Draws of log-probabilities ``[V]``, which need not sum to one.

        Raises:
            ValueError: If they are none.
        """
        if self.settings.temperature == 0.0:
            return int(scores.argmax())
        best = scores.max()
        if not math.isfinite(best):
            raise ValueError(f"expected log-probabilities of which the greatest is finite, got one of {best}")
        self._roll(len(scores))
        order = self._order(scores, best)
        reached = self._weights(scores[order], best) / self.numbers[: len(order)]
        return int(order[reached.argmax()])

    def _roll(self, tokens: int) -> None:
        """New random numbers, one for each token that may be drawn."""
        if self.settings.top_k is not None:
            tokens = min(self.settings.top_k, tokens)
        if len(self.buffer) != tokens:
            self.buffer = torch.empty(tokens, dtype=torch.float64)
            self.numbers = self.buffer.numpy()
        self.buffer.exponential_(generator=self.generator)

    def _weights(self, scores: Array, best: np.float64) -> Array:
        """Probabilities over that of the likeliest, which stands at one whatever the temperature."""
        below = scores - best
        return np.exp(below if self.temperature == 1.0 else below / self.temperature)

    def _order(self, scores: Array, best: np.float64) -> Ids:
        """The likeliest tokens in order, so many that the one that is drawn is among them."""
        tokens, share = len(self.numbers), self.settings.top_p
        if len(scores) <= SORTED:
            order = (-scores).argsort(kind="stable")[:tokens]
            return order if share == 1.0 else self._of_share(scores[order], order, share)
        if tokens < len(scores):
            order = _first(scores, tokens)
            return order if share == 1.0 else self._of_share(scores[order], order, share)
        weights = self._weights(scores, best)
        if share < 1.0:
            # All tokens that are less likely than this one hold less together than what is left
            least = ROUNDING * (1.0 - share) * weights.sum() / tokens
            order = _from(scores, scores[weights >= least].min())
            return self._of_share(scores[order], order, share, weights.sum())
        few = _first(scores, FEW)
        # With a smaller weight not even the smallest number reaches what is reached already
        reached = ROUNDING * (weights[few] / self.numbers[: len(few)]).max() * self.numbers.min()
        return few if weights[few[-1]] < reached else _from(scores, scores[weights >= reached].min())

    def _of_share(self, scores: Array, order: Ids, share: float, total: float | None = None) -> Ids:
        """The fewest tokens of an order that hold a share of the probability: of theirs, or of a total."""
        weights = self._weights(scores, scores[0])
        held = weights / (weights.sum() if total is None else total)
        # A token stays while the likelier ones before it hold less than the share.
        return order[held.cumsum() - held < share]


def draw(scores: Tensor, settings: Sampling, generator: torch.Generator) -> int:
    """Draws one token of log-probabilities ``[V]``, which need not sum to one.

    Raises:
        ValueError: If they are none: not a number, or no token possible.

    Example:
        >>> draw(torch.tensor([0.1, 0.7, 0.2]).log(), Sampling(top_k=1), torch.Generator())
        1
    """
    return Draws(settings, generator)(scores.detach().to("cpu", torch.float64).numpy())


def _from(scores: Array, least: np.float64) -> Ids:
    """The tokens of at least such a score, the likeliest first, of equals the lower id."""
    found = np.flatnonzero(scores >= least)
    return found[(-scores[found]).argsort(kind="stable")]


def _first(scores: Array, tokens: int) -> Ids:
    """So many tokens, the likeliest first, of equals the lower id."""
    return _from(scores, np.partition(scores, -tokens)[-tokens])[:tokens]
