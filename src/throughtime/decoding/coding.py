"""Coding regions of whole genomes: windows with a halo on both sides, then the likeliest course of reading frames.

A base in a region has a place in its codon and a strand (:data:`throughtime.data.genomes.LABELS`); all bases of a
region are in one of six reading frames. The frames' course is the best path of an automaton that pays for every change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from throughtime.data.bases import Codes
from throughtime.data.genomes import LABELS
from throughtime.data.intervals import Region
from throughtime.models import Letters

CORE, HALO = 9000, 1500
"""Bases of a window that are kept, and those read beside them on either side; multiples of a codon."""

TOGETHER = 8
"""Windows of a batch."""

COST = 20.0
"""What a change of the reading frame costs, in nats."""

Array = npt.NDArray[np.float32]


def windows(length: int, core: int = CORE, halo: int = HALO) -> Iterator[tuple[int, int, int, int]]:
    """Windows that cover a sequence: begin and end of what is read, then of what is kept.

    What is read begins and ends at a whole number of codons from the sequence's ends, so that either strand is read
    in the frames of the whole.

    Example:
        >>> list(windows(20, core=9, halo=3))
        [(0, 14, 0, 9), (6, 20, 9, 18), (15, 20, 18, 20)]
    """
    for kept in range(0, length, core):
        begin, end = max(0, kept - halo), min(length, kept + core + halo)
        yield begin, end + (length - end) % 3, kept, min(length, kept + core)


def log_probs(
    compute: Callable[[Letters], Tensor],
    codes: Codes,
    progress: Callable[[float, float | None, str], None],
    core: int = CORE,
    halo: int = HALO,
) -> Array:
    """The log-probability of every label of every base of a sequence of any length, ``[L, K]``.

    Args:
        compute: Of a model: ``[B, L, K]`` of a batch.
        codes: The sequence, ``[L]``.
        progress: Is told how far it has come.
        core: See :data:`CORE`.
        halo: See :data:`HALO`; far from a window's ends the result is that of the whole sequence.
    """
    found = np.zeros((len(codes), len(LABELS)), dtype=np.float32)
    waiting = list(windows(len(codes), core, halo))
    for first in range(0, len(waiting), TOGETHER):
        group = waiting[first : first + TOGETHER]
        computed = compute(Letters.of([codes[begin:end] for begin, end, _, _ in group])).float().cpu().numpy()
        for row, (begin, _, kept, stop) in zip(computed, group, strict=True):
            found[kept:stop] = row[kept - begin : stop - begin]
        progress(group[-1][3], len(codes), "bases")
    return found


# Which label a base has in every reading frame, by its index modulo 3: [3, 7].
_AT = np.arange(3)[:, None]
_FRAMES = np.concatenate([0 * _AT, 1 + (_AT - np.arange(3)) % 3, 4 + (np.arange(3) - _AT) % 3], 1)


def frames_path(scores: Array, cost: float = COST, begin: int = 0) -> npt.NDArray[np.uint8]:
    """The best course of reading frames (Viterbi).

    Args:
        scores: ``[B, L, 7]`` log-probabilities of the labels.
        cost: Of a change.
        begin: Index of the first base, modulo 3.

    Returns:
        ``[B, L]``: 0 non-coding, else 1 + frame on the plus strand (index of a codon's first base modulo 3), or 4 +
        frame on the minus strand (the same of its first base there).
    """
    steps = scores.shape[1]
    places = _FRAMES[(begin + np.arange(steps)) % 3]
    framed = np.ascontiguousarray(np.take_along_axis(scores, places[None], 2).swapaxes(0, 1))  # [L, B, 7]
    best = np.zeros(framed.shape[1:], dtype=np.float32)
    stays = np.zeros(framed.shape, dtype=bool)
    tops = np.zeros(framed.shape[:2], dtype=np.uint8)
    for step in range(steps):
        top = best.argmax(1)
        changed = np.take_along_axis(best, top[:, None], 1) - cost
        stays[step] = best >= changed
        tops[step] = top
        best = np.maximum(best, changed) + framed[step]
        best -= best.max(1, keepdims=True)
    path = np.zeros(framed.shape[:2], dtype=np.uint8)
    at = best.argmax(1)
    rows = np.arange(len(at))
    for step in range(steps - 1, -1, -1):
        path[step] = at
        at = np.where(stays[step, rows, at], at, tops[step])
    return path.T
