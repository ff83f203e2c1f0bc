"""The likeliest labels of sequences by scores of single and of neighbouring labels (Lafferty et al. 2001).

Shapes::

    T  steps        K  labels        n  sequences of labels that are kept
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

IMPOSSIBLE = -1e4
"""The score of a forbidden transition: its probability is zero, and unlike an infinite one it has a gradient."""


class Labelling(NamedTuple):
    """Labels of a sequence, and the logarithm of their probability."""

    labels: list[int]
    log_prob: float


class Chain:
    """A linear chain, as :class:`throughtime.layers.crf.CRF` computes it, a sequence at a time in double precision.

    Args:
        transitions: ``[K + 1, K + 1]``, from row to column; the last row stands for the beginning, the last column for
            the end.

    Example:
        >>> chain = Chain(np.zeros((3, 3)))
        >>> chain.nbest(np.array([[1.0, 0.0], [0.0, 3.0]]), 1)[0].labels
        [0, 1]
    """

    def __init__(self, transitions: Array) -> None:
        self.inner, self.start, self.end = transitions[:-1, :-1], transitions[-1, :-1], transitions[:-1, -1]

    def log_partition(self, scores: Array) -> float:
        """``log Z`` of ``scores [T, K]``; 0 of none."""
        return float(_logsumexp(self._forward(scores)[-1] + self.end, 0)) if len(scores) else 0.0

    def marginals(self, scores: Array) -> Array:
        """The probability of every label at every step, ``[T, K]``."""
        if not len(scores):
            return scores
        forward, backward = self._forward(scores), np.empty_like(scores)
        backward[-1] = self.end
        for t in range(len(scores) - 1, 0, -1):
            backward[t - 1] = _logsumexp(self.inner + scores[t] + backward[t], 1)
        return np.exp(forward + backward - _logsumexp(forward[-1] + self.end, 0))

    def nbest(self, scores: Array, n: int) -> list[Labelling]:
        """The n likeliest labellings of ``scores [T, K]``, the best first; fewer where there are no more."""
        if not len(scores):
            return [Labelling([], 0.0)]
        labels = scores.shape[1]
        # ways[k * n + i]: the i-th best way to label k. At the first step there is one to each.
        ways = np.full((labels, n), -np.inf)
        ways[:, 0] = self.start + scores[0]
        ways = ways.reshape(labels * n)
        origins = []
        for row in scores[1:]:
            reached = ways[:, None] + self.inner.repeat(n, 0)
            origin = (-reached).argsort(0, kind="stable")[:n]
            ways = (np.take_along_axis(reached, origin, 0) + row).T.reshape(-1)
            origins.append(origin.T.reshape(-1))
        totals = ways + self.end.repeat(n)
        found, log_z = [], self.log_partition(scores)
        for number, at in enumerate((-totals).argsort(kind="stable")[:n]):
            # What goes through a forbidden transition is no labelling.
            if number and totals[at] <= totals.max() + IMPOSSIBLE / 2:
                break
            path = [int(at)]
            for origin in reversed(origins):
                path.append(int(origin[path[-1]]))
            found.append(Labelling([way // n for way in reversed(path)], float(totals[at]) - log_z))
        return found

    def _forward(self, scores: Array) -> Array:
        found = np.empty_like(scores)
        found[0] = self.start + scores[0]
        for t in range(1, len(scores)):
            found[t] = _logsumexp(found[t - 1][:, None] + self.inner, 0) + scores[t]
        return found


def _logsumexp(values: Array, axis: int) -> Array:
    most = values.max(axis)
    found: Array = np.log(np.exp(values - np.expand_dims(most, axis)).sum(axis)) + most
    return found
