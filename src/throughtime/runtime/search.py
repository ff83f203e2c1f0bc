"""Beam search for the likeliest sequences, whatever computes the probabilities.

Shapes::

    B  sequences that are sought        K  hypotheses that are kept of each        V  tokens of the vocabulary
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError, listed, nearest

Penalty = Literal["none", "average", "gnmt"]

LARGEST_ALPHA = 10.0
"""Of ``"gnmt"``: far beyond what is used, and a power that no length makes larger than numbers are."""

STEPS = 16384
"""Steps of sources that are decoded together, filling counted."""

LONGEST = 400
"""Most steps of a target that is searched for."""

Floats: TypeAlias = npt.NDArray[np.float64]
Ids: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Beam:
    """How to search.

    Attributes:
        width: Hypotheses that are kept at every step, K.
        penalty: What the log-probability is divided by, so that long sequences are not worse for their length alone:
            nothing; the length, EOS counted (``"average"``); or ``((5 + length) / 6) ** alpha`` (Wu et al. 2016,
            ``"gnmt"``).
        alpha: Of ``"gnmt"``.

    Raises:
        ValueError: If a setting is out of range.
    """

    width: int = 5
    penalty: Penalty = "gnmt"
    alpha: float = 0.6

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"expected a beam of at least 1, got {self.width}")
        if not 0 <= self.alpha <= LARGEST_ALPHA:
            raise ValueError(f"expected an alpha from 0 to {LARGEST_ALPHA:g}, got {self.alpha}")
        known = get_args(Penalty)
        if self.penalty not in known:
            raise ValueError(
                f"unknown penalty {self.penalty!r}{nearest(self.penalty, known)}; expected {listed(known)}"
            )

    def score(self, log_prob: float, length: int) -> float:
        """What hypotheses are ordered by.

        Example:
            >>> Beam(penalty="average").score(-6.0, 3), Beam(alpha=1.0).score(-6.0, 7)
            (-2.0, -3.0)
        """
        if self.penalty == "average":
            return log_prob / length
        return log_prob / ((5 + length) / 6) ** self.alpha if self.penalty == "gnmt" else log_prob


@dataclass(frozen=True)
class Hypothesis:
    """A sequence that a search found.

    Attributes:
        tokens: Its tokens, EOS not among them.
        log_prob: Of all tokens and of EOS, in nats.
        score: What hypotheses are ordered by: the log-probability, made up for the length.
        ended: Whether it ends in EOS; else the limit cut it.
    """

    tokens: tuple[int, ...]
    log_prob: float
    score: float
    ended: bool


class BeamSearch:
    """What a search keeps and has found; it is given the best continuations at every step.

    A hypothesis whose end is among the K best continuations is found; the search for a sequence is over when K are
    found, or at its limit, where those that have not ended count as they are.

    Args:
        beam: How to search.
        rows: Sequences that are sought, B.
        eos: The token that ends a sequence.
        length: Most tokens of each sequence, EOS counted.

    Example:
        >>> search = BeamSearch(Beam(width=1), 1, eos=0, length=9)
        >>> first = search.take(*continuations(np.log([[0.2, 0.8]]), search.totals, (), 1))
        >>> search.take(*continuations(np.log([[0.9, 0.1]]), search.totals, (), 1)), search.best()[0][0].tokens
        (None, (1,))
    """

    def __init__(self, beam: Beam, rows: int, *, eos: int, length: int | Sequence[int]) -> None:
        self.beam, self.eos, self.most = beam, eos, limits(length, rows)
        self.totals: Floats = np.zeros((rows, 1))
        """Of every hypothesis that goes on, ``[B, K]``; minus infinity where there is none."""
        self._tokens: Ids = np.zeros((rows, 1, 0), np.int64)
        self._found: list[list[Hypothesis]] = [[] for _ in range(rows)]
        self._alive = list(range(rows))

    def best(self) -> list[list[Hypothesis]]:
        """What was found for every sequence, the best first, at most as many as the beam is wide."""
        return [sorted(each, key=lambda h: -h.score)[: self.beam.width] for each in self._found]

    def take(self, best: Floats, before: Ids, after: Ids) -> tuple[Ids, Ids] | None:
        """The next step.

        Args:
            best: The log-probabilities of the 2 K best continuations of every sequence, in order, ``[B, 2 K]``: of
                these at most K are ends, one of each hypothesis, so that K go on.
            before: The hypotheses that they continue.
            after: Their tokens.

        Returns:
            Which of the rows that were decoded go on, in what order, and the token that each reads; None: it is over.
        """
        ends = after == self.eos
        kept = ends.argsort(axis=1, kind="stable")[:, : self.beam.width]  # the first K that are no ends, in order
        rows = zip(best.tolist(), before.tolist(), after.tolist(), kept.tolist(), strict=True)
        going = [number for number, row in enumerate(rows) if self._end(number, *row)]
        if not going:
            return None
        at = np.array(going)
        kept = kept[at]
        self.totals = np.take_along_axis(np.where(ends, -np.inf, best)[at], kept, 1)
        origins, read = (np.take_along_axis(values[at], kept, 1) for values in (before, after))
        came = at[:, None] * self._tokens.shape[1] + origins
        self._tokens = np.concatenate([self._tokens[at[:, None], origins], read[:, :, None]], 2)
        self._alive = [self._alive[number] for number in going]
        return came.ravel(), read.ravel()

    def _end(self, number: int, best: list[float], before: list[int], after: list[int], kept: list[int]) -> bool:
        """Keeps what has ended of a sequence; whether the search for it goes on."""
        row, steps = self._alive[number], self._tokens.shape[2] + 1
        full = steps == self.most[row]
        there = [place for place in kept if best[place] > -np.inf and after[place] != self.eos]
        chosen = [p for p in range(self.beam.width) if after[p] == self.eos and best[p] > -np.inf]
        for place in [*chosen, *(there if full else ())]:
            ended = after[place] == self.eos
            tokens = (*self._tokens[number, before[place]].tolist(), *(() if ended else (after[place],)))
            score = self.beam.score(best[place], steps)
            self._found[row].append(Hypothesis(tokens, best[place], score, ended))
        return not full and bool(there) and len(self._found[row]) < self.beam.width


def continuations(
    log_probs: npt.NDArray[Any], totals: Floats, never: Sequence[int], width: int
) -> tuple[Floats, Ids, Ids]:
    """The 2 K best continuations as :meth:`BeamSearch.take` reads them, of log-probabilities ``[B K, V]``.

    Args:
        log_probs: Of the next token of every row.
        totals: Of :class:`BeamSearch`.
        never: Tokens that no hypothesis has.
        width: Of the beam.
    """
    scores = log_probs.astype(np.float64).reshape(*totals.shape, -1) + totals[:, :, None]
    scores[:, :, list(never)] = -np.inf
    vocabulary = scores.shape[2]
    flat = scores.reshape(len(scores), -1)
    flat = np.pad(flat, ((0, 0), (0, max(0, 2 * width - flat.shape[1]))), constant_values=-np.inf)
    places = np.sort(np.argpartition(-flat, 2 * width - 1, axis=1)[:, : 2 * width], axis=1)
    best = np.take_along_axis(flat, places, 1)
    order = (-best).argsort(axis=1, kind="stable")
    best, places = np.take_along_axis(best, order, 1), np.take_along_axis(places, order, 1)
    places = np.where(best > -np.inf, places, 0)  # what fills the beam stands nowhere
    return best, places // vocabulary, places % vocabulary


def limits(length: int | Sequence[int], rows: int) -> list[int]:
    """Most steps of every row, EOS counted.

    Raises:
        ValueError: If there are not as many limits as rows, or one is below 1.
    """
    found = [length] * rows if isinstance(length, int) else list(length)
    if len(found) != rows or min(found, default=1) < 1:
        raise ValueError(f"expected a limit of at least 1 for each of {rows} sequences, got {found}")
    return found


def alike(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of sources of similar length, few enough for memory."""
    chosen: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if chosen and (len(chosen) + 1) * max(1, lengths[i]) > STEPS:
            yield chosen
            chosen = []
        chosen.append(i)
    if chosen:
        yield chosen


def most_tokens(length: int) -> int:
    """Most steps of the target of a source of so many."""
    return min(2 * length + 10, LONGEST)


def check_counts(**counts: int | None) -> None:
    """Refuses options that count something and are below 1.

    Raises:
        UserError: Names the first.

    Example:
        >>> check_counts(beam=None, nbest=1)
    """
    for name, count in counts.items():
        if count is not None and count < 1:
            raise UserError(f"expected {name} to be at least 1, got {count}")
