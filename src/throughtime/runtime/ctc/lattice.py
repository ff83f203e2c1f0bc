"""The lattice of connectionist temporal classification: the frames of an input against the symbols of its labelling.

A path names one symbol, or blank, for every frame; the labelling that it stands for is what is left when repetitions
are merged and blanks then taken out (Graves et al. 2006). The lattice of a labelling has the states
``blank, l<1>, blank, l<2>, …, l<U>, blank``; a path begins in one of the first two, stays, moves on by one, or by two
over a blank between different symbols, and ends in one of the last two.

Shapes::

    T  frames        V  symbols, blank among them        U  symbols of a labelling
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError
from throughtime.runtime.ctc.greedy import BLANK, Sounded
from throughtime.runtime.ctc.reading import Floats, Ids

LARGEST = 1 << 30
"""Most bytes that finding the times of symbols may take."""


def sounded(scores: Floats, symbols: Sequence[int], where: str) -> list[Sounded]:
    """When each of the symbols of a labelling was heard, in its likeliest path, of log-probabilities ``[T, V]``.

    Raises:
        UserError: If the recording is too long for that.
    """
    if len(scores) * (2 * len(symbols) + 1) > LARGEST:
        raise UserError(
            f"{where}: too long to find when each symbol was said; leave out beam, nbest and a language model"
        )
    spans = align(scores, symbols)
    found = zip(symbols, spans, strict=True)
    return [Sounded(s, a, z, float(np.exp(scores[a : z + 1, s].max()))) for s, (a, z) in found]


def align(scores: Floats, symbols: Sequence[int], blank: int = BLANK) -> list[tuple[int, int]]:
    """The first and last frame of every symbol, in the likeliest path of a labelling (Viterbi).

    Args:
        scores: Log-probabilities ``[T, V]``.
        symbols: The labelling, without blanks.
        blank: The symbol that stands for none.

    Raises:
        ValueError: If a symbol is blank or not among the V, or no path has these symbols, mostly for too few frames.

    Example:
        >>> align(np.log([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]), [1, 2])
        [(1, 2), (3, 3)]
    """
    states, skips = states_of(symbols, blank, scores.shape[1])
    best = begun(len(states))
    came = np.zeros((len(scores), len(states)), dtype=np.int8)
    for number, frame in enumerate(scores):
        ways = np.stack([best[2:], best[1:-1], np.where(skips, best[:-2], -np.inf)])
        came[number] = ways.argmax(0)
        best[2:] = ways.max(0) + frame[states]
        best[1] = -np.inf
    at = len(states) - 1 if best[-1] >= best[-2] else len(states) - 2
    if best[2 + at] == -np.inf:
        raise ValueError(
            f"expected at least {frames_needed(symbols)} frames of positive probability for {len(symbols)} symbols, "
            f"got {len(scores)} frames that no path of them fits"
        )
    spans: list[list[int]] = [[] for _ in symbols]
    for number in range(len(scores) - 1, -1, -1):
        if at % 2:
            spans[at // 2].append(number)
        at -= int(came[number, at])
    return [(span[-1], span[0]) for span in spans]


def frames_needed(symbols: Sequence[int]) -> int:
    """The fewest frames that a labelling takes: one a symbol, and a blank between two that are the same.

    Example:
        >>> frames_needed([1, 2, 2])
        4
    """
    return len(symbols) + sum(a == b for a, b in pairwise(symbols))


def states_of(symbols: Sequence[int], blank: int, size: int) -> tuple[Ids, npt.NDArray[np.bool_]]:
    """The symbol of every state ``[2 U + 1]``, and whether it may be reached over the blank before it."""
    wrong = [symbol for symbol in symbols if symbol == blank or not 0 <= symbol < size]
    if wrong:
        raise ValueError(f"expected symbols of 0 to {size - 1} that are not the blank {blank}, got {wrong[0]}")
    states = np.full(2 * len(symbols) + 1, blank)
    states[1::2] = symbols
    skips = np.zeros(len(states), dtype=bool)
    skips[1:2] = True  # from before the first frame
    skips[3::2] = states[3::2] != states[1:-2:2]
    return states, skips


def begun(states: int) -> Floats:
    """Before the first frame; two places before the first state, so that every state has two neighbours.

    The second of them is where a path stands before its first frame: the first state is one move away, and the second
    is reached over a skip from it.
    """
    scores = np.full(states + 2, -np.inf)
    scores[1] = 0.0
    return scores
