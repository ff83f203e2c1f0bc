"""The lattice of connectionist temporal classification: the frames of an input against the symbols of its labelling.

A path names one symbol, or blank, for every frame; the labelling that it stands for is what is left when repetitions
are merged and blanks then taken out (Graves et al. 2006). The lattice of a labelling has the states
``blank, l<1>, blank, l<2>, …, l<U>, blank``; a path begins in one of the first two, stays, moves on by one, or by two
over a blank between different symbols, and ends in one of the last two.

Shapes::

    B  sequences        T  frames        V  symbols, blank among them        U  symbols of a labelling
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from torch import Tensor

from throughtime.runtime.ctc import Floats, Ids


def as_floats(log_probs: Tensor) -> Floats:
    """Log-probabilities ``[T, V]`` as the searches compute with them.

    Raises:
        ValueError: If they have another number of dimensions.
    """
    if log_probs.dim() != 2:
        raise ValueError(f"expected log-probabilities [frames, symbols], got {list(log_probs.shape)}")
    return log_probs.detach().double().cpu().numpy()


def ctc_greedy(log_probs: Tensor, lengths: Tensor, blank: int = 0) -> list[list[int]]:
    """The labelling of the likeliest path of every sequence, which need not be the likeliest labelling.

    Args:
        log_probs: ``[B, T, V]``.
        lengths: Frames of each sequence, ``[B]``.
        blank: The symbol that stands for none.

    Example:
        >>> import torch
        >>> path = torch.tensor([[1, 1, 0, 1, 2, 2, 0]])
        >>> ctc_greedy(torch.nn.functional.one_hot(path).float(), torch.tensor([7]))
        [[1, 1, 2]]
    """
    best = log_probs.argmax(2).cpu()
    changed = best.diff(dim=1, prepend=best.new_full((len(best), 1), -1)) != 0
    kept = changed & (best != blank)
    return [
        path[:length][keep[:length]].tolist() for path, keep, length in zip(best, kept, lengths.tolist(), strict=True)
    ]


def frames_needed(symbols: Sequence[int]) -> int:
    """The fewest frames that a labelling takes: one a symbol, and a blank between two that are the same.

    Example:
        >>> frames_needed([1, 2, 2])
        4
    """
    return len(symbols) + sum(a == b for a, b in pairwise(symbols))


def ctc_log_prob(log_probs: Tensor, symbols: Sequence[int], blank: int = 0) -> float:
    """The log-probability of a labelling in nats: over all of its paths (Graves et al. 2006, equations 5 to 8).

    Args:
        log_probs: ``[T, V]``; no frames at all stand for the empty labelling.
        symbols: The labelling, without blanks.
        blank: The symbol that stands for none.

    Returns:
        Minus infinity where the frames do not suffice.

    Raises:
        ValueError: If a symbol is blank, or not among the V.
    """
    scores = as_floats(log_probs)
    states, skips = _states(symbols, blank, scores.shape[1])
    forward = _begin(len(states))
    for frame in scores:
        moved = np.logaddexp(forward[2:], forward[1:-1])
        forward[2:] = np.logaddexp(moved, np.where(skips, forward[:-2], -np.inf)) + frame[states]
        forward[1] = -np.inf  # the step before the first frame is over
    return float(np.logaddexp(forward[-1], forward[-2]))


def ctc_align(log_probs: Tensor, symbols: Sequence[int], blank: int = 0) -> list[tuple[int, int]]:
    """The first and last frame of every symbol, in the likeliest path of a labelling (Viterbi).

    Args:
        log_probs: ``[T, V]``.
        symbols: The labelling, without blanks.
        blank: The symbol that stands for none.

    Raises:
        ValueError: If a symbol is blank or not among the V, or no path has these symbols, mostly for too few frames.

    Example:
        >>> import torch
        >>> log_probs = torch.tensor([[8.0, 0, 0], [0, 8, 0], [0, 8, 0], [0, 0, 8]]).log_softmax(1)
        >>> ctc_align(log_probs, [1, 2])
        [(1, 2), (3, 3)]
    """
    scores = as_floats(log_probs)
    states, skips = _states(symbols, blank, scores.shape[1])
    best = _begin(len(states))
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


def _states(symbols: Sequence[int], blank: int, size: int) -> tuple[Ids, npt.NDArray[np.bool_]]:
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


def _begin(states: int) -> Floats:
    """Before the first frame; two places before the first state, so that every state has two neighbours.

    The second of them is where a path stands before its first frame: the first state is one move away, and the second
    is reached over a skip from it.
    """
    scores = np.full(states + 2, -np.inf)
    scores[1] = 0.0
    return scores
