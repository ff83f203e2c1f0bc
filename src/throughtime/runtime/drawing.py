"""Drawing one token of many, for little: the same random numbers draw the same token, whatever is spared."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError

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

Numbers = Callable[[int], Array]
"""Gives so many random numbers; they may lie where the ones before them lay."""


def uniform(seed: int | None) -> Numbers:
    """Random numbers of [0, 1), those that a ``torch.Generator`` of the same seed draws.

    PyTorch's are of the Mersenne twister (Matsumoto and Nishimura 1998), 53 bits of two numbers together.

    Args:
        seed: Its last 32 bits count; None: others each time.

    Example:
        >>> uniform(3)(2).round(4).tolist()
        [0.0341, 0.2867]
    """
    bits = np.random.MT19937()
    bits._legacy_seeding((secrets.randbits(32) if seed is None else seed) & 0xFFFFFFFF)

    def draw(count: int) -> Array:
        raw = bits.random_raw(2 * count)
        whole = ((raw[0::2] << np.uint64(32)) | raw[1::2]) & np.uint64(2**53 - 1)
        numbers: Array = whole.astype(np.float64) * 2.0**-53
        return numbers

    return draw


def exponential(seed: int | None) -> Numbers:
    """Exponential random numbers, those that a ``torch.Generator`` of the same seed draws; see :func:`uniform`.

    Example:
        >>> exponential(3)(2).round(4).tolist()
        [0.0347, 0.3379]
    """
    draw = uniform(seed)
    return lambda count: -np.log1p(-draw(count))


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
        weights: What the matrices of a model's stream are kept in, as :class:`throughtime.Stream` has it.

    Raises:
        ValueError: If a setting is out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    length: int = 300
    min_length: int = 0
    seed: int | None = None
    weights: str = "float32"

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
        exponential: Gives the random numbers.
    """

    def __init__(self, settings: Sampling, exponential: Numbers) -> None:
        self.settings, self.exponential = settings, exponential
        self.temperature = max(settings.temperature, COLDEST)
        self.numbers: Array = np.empty(0)
        self.scores: Array = np.empty(0)

    def __call__(self, log_probs: npt.NDArray[Any], never: Sequence[int] = ()) -> int:
        """Draws of log-probabilities ``[V]``, which need not sum to one, none of ``never``.

        Raises:
            ValueError: If they are none.
        """
        if len(self.scores) != len(log_probs):
            self._make_room(len(log_probs))
        scores = self.scores
        scores[:] = log_probs
        for token in never:
            scores[token] = -math.inf
        if self.settings.temperature == 0.0:
            return int(scores.argmax())
        self._roll(len(scores))
        return self._pick()

    def _make_room(self, tokens: int) -> None:
        """For the scores of so many tokens."""
        self.scores = np.empty(tokens)

    def _pick(self) -> int:
        """A token by the scores and the random numbers."""
        best = self.scores.max()
        check_best(best)
        order = self._order(self.scores, best)
        reached = self._weights(self.scores[order], best) / self.numbers[: len(order)]
        return int(order[reached.argmax()])

    def _roll(self, tokens: int) -> None:
        """New random numbers, one for each token that may be drawn."""
        if self.settings.top_k is not None:
            tokens = min(self.settings.top_k, tokens)
        self.numbers = self.exponential(tokens)

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


def check_best(best: float) -> None:
    """Refuses scores of which the greatest is no finite number.

    Raises:
        ValueError: If it is not.
    """
    if not math.isfinite(best):
        raise ValueError(f"expected log-probabilities of which the greatest is finite, got one of {best}")


def _from(scores: Array, least: np.float64) -> Ids:
    """The tokens of at least such a score, the likeliest first, of equals the lower id."""
    found = np.flatnonzero(scores >= least)
    return found[(-scores[found]).argsort(kind="stable")]


def _first(scores: Array, tokens: int) -> Ids:
    """So many tokens, the likeliest first, of equals the lower id."""
    return _from(scores, np.partition(scores, -tokens)[-tokens])[:tokens]


def asked(*given: Any, **named: Any) -> Sampling:
    """How to draw, as a user asked for it.

    Raises:
        UserError: If an option is out of range.
    """
    try:
        return Sampling(*given, **named)
    except ValueError as error:
        raise UserError(str(error)) from error


def drawn(
    scores: Array, read: Callable[[int], Array], settings: Sampling, *, end: int | None, never: Sequence[int] = ()
) -> Iterator[int]:
    """Draws tokens one after another, until the one that ends a sequence, which is not given out.

    Args:
        scores: Log-probabilities of the first, ``[V]``.
        read: Reads a token and gives those of the next.
        settings: How to draw.
        end: What ends a sequence; None: nothing does.
        never: What is not drawn.
    """
    draws = Draws(settings, exponential(settings.seed))
    for number in range(settings.length):
        not_yet = [] if end is None or number >= settings.min_length else [end]
        token = draws(scores, [*never, *not_yet])
        if token == end:
            return
        yield token
        scores = read(token)
