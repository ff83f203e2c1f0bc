"""Labellings of frames: the likeliest path, the probability over all paths, the time of every symbol.

:mod:`throughtime.runtime.ctc.lattice` says how paths and labellings belong together.

Shapes::

    B  sequences        T  frames        V  symbols, blank among them
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from throughtime.runtime.ctc import Floats
from throughtime.runtime.ctc.lattice import align, begun, states_of


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
    states, skips = states_of(symbols, blank, scores.shape[1])
    forward = begun(len(states))
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
    return align(as_floats(log_probs), symbols, blank)
