"""Coding regions of whole genomes: windows with a halo on both sides, then the likeliest course of reading frames.

A base in a region has a place in its codon and a strand (:data:`throughtime.data.genomes.LABELS`); all bases of a
region are in one of six reading frames. The frames' course is the best path of an automaton that pays for every change.

Shapes::

    B  windows        L  bases        K  labels: non-coding, and three places on either strand
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from throughtime.data.bases import Codes
from throughtime.data.intervals import Region
from throughtime.models import Letters

CORE, HALO = 9000, 1500
"""Bases of a window that are kept, and those read beside them on either side; multiples of a codon."""

TOGETHER = 8
"""Windows of a batch."""

Array = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Window:
    """A piece of a sequence: what is read of it, and within that what is kept."""

    begin: int
    end: int
    first: int
    last: int


def windows(length: int, core: int = CORE, halo: int = HALO) -> Iterator[Window]:
    """Windows that cover a sequence.

    What is read begins and ends at a whole number of codons from the sequence's ends, so that either strand is read
    in the frames of the whole.

    Example:
        >>> [(w.begin, w.end, w.first, w.last) for w in windows(20, core=9, halo=3)]
        [(0, 14, 0, 9), (6, 20, 9, 18), (15, 20, 18, 20)]
    """
    for first in range(0, length, core):
        begin, end = max(0, first - halo), min(length, first + core + halo)
        yield Window(begin, end + (length - end) % 3, first, min(length, first + core))


Computed = tuple[list[Window], Array]
"""Windows, and the log-probability of every label of every base of each, ``[B, L, K]``, 0 past an end."""


def compute_windows(
    log_probs: Callable[[Letters], Tensor],
    codes: Codes,
    progress: Callable[[float, float | None, str], None],
    core: int = CORE,
    halo: int = HALO,
) -> Iterator[Computed]:
    """What a model makes of a sequence of any length, some windows at a time.

    Args:
        log_probs: Of a model: ``[B, L, K]`` of a batch.
        codes: The sequence, ``[L]``.
        progress: Is told how far it has come.
        core: See :data:`CORE`.
        halo: See :data:`HALO`; far from a window's ends the result is that of the whole sequence.
    """
    waiting = list(windows(len(codes), core, halo))
    for number in range(0, len(waiting), TOGETHER):
        group = waiting[number : number + TOGETHER]
        letters = Letters.of([codes[window.begin : window.end] for window in group])
        found = log_probs(letters).float().cpu().numpy()
        for row, window in zip(found, group, strict=True):
            row[window.end - window.begin :] = 0.0
        yield group, found
        progress(group[-1].last, len(codes), "bases")


@dataclass(frozen=True)
class Course:
    """What is said of every base of a sequence.

    Attributes:
        frames: Its reading frame, ``[L]``: see :func:`best_frames`.
        plus: The probability that it codes on the plus strand, ``[L]``.
        minus: The same on the minus strand.
    """

    frames: Frames
    plus: npt.NDArray[np.float16]
    minus: npt.NDArray[np.float16]


def follow(computed: Iterable[Computed], length: int, lift: float, cost: float) -> Course:
    """The course of a sequence's reading frames.

    Args:
        computed: Its windows.
        length: Of the sequence.
        lift: What all labels but non-coding are raised by, in nats.
        cost: Of a change of the reading frame, in nats.
    """
    course = Course(np.zeros(length, np.uint8), np.zeros(length, np.float16), np.zeros(length, np.float16))
    raised = np.array([0.0] + [lift] * 6, dtype=np.float32)
    for group, log_probs in computed:
        frames = best_frames(log_probs + raised, cost, [window.begin for window in group])
        for row, window in enumerate(group):
            here, there = (
                slice(window.first, window.last),
                slice(window.first - window.begin, window.last - window.begin),
            )
            course.frames[here] = frames[row, there]
            course.plus[here], course.minus[here] = np.exp(log_probs[row, there, 1:]).reshape(-1, 2, 3).sum(2).T
    return course


# Which label a base has in every reading frame, by its index modulo 3: [3, 7].
_AT = np.arange(3)[:, None]
_LABELS = np.concatenate([0 * _AT, 1 + (_AT - np.arange(3)) % 3, 4 + (np.arange(3) - _AT) % 3], 1)


def best_frames(scores: Array, cost: float, begins: list[int]) -> Frames:
    """The best course of reading frames (Viterbi).

    Args:
        scores: ``[B, L, K]``, of every label of every base.
        cost: Of a change.
        begins: Index of each row's first base.

    Returns:
        ``[B, L]``: 0 where nothing is coded; on the plus strand 1 + the index of a codon's first base, modulo 3; on
        the minus strand 4 + the index of the base that is read first, modulo 3.
    """
    steps = scores.shape[1]
    labels = _LABELS[(np.asarray(begins)[:, None] + np.arange(steps)) % 3]  # [B, L, 7]
    framed = np.ascontiguousarray(np.take_along_axis(scores, labels, 2).swapaxes(0, 1))
    best = np.zeros(framed.shape[1:], dtype=np.float32)
    stays = np.zeros(framed.shape, dtype=bool)
    tops = np.zeros(framed.shape[:2], dtype=np.uint8)
    rows = np.arange(framed.shape[1])
    for step in range(steps):
        tops[step] = top = best.argmax(1)
        changed = best[rows, top, None] - cost
        stays[step] = best >= changed
        best = np.maximum(best, changed) + framed[step]
        best -= best.max(1, keepdims=True)  # the course of a long row stays within a float's range
    path = np.zeros(framed.shape[:2], dtype=np.uint8)
    at = best.argmax(1).astype(np.uint8)
    for step in range(steps - 1, -1, -1):
        path[step] = at
        at = np.where(stays[step, rows, at], at, tops[step])
    return path.T


def regions_of(course: Course) -> list[Region]:
    """The runs of one reading frame, each with the mean probability that it codes on its strand."""
    cuts = np.flatnonzero(np.diff(course.frames)) + 1
    edges = [0, *cuts.tolist(), len(course.frames)]
    found = []
    for begin, end in itertools.pairwise(edges):
        if begin < end and (frame := int(course.frames[begin])):
            strand = 1 if frame < 4 else -1
            place = (begin - (frame - 1)) % 3 if strand > 0 else (frame - 4 - (end - 1)) % 3
            sure = (course.plus if strand > 0 else course.minus)[begin:end].mean(dtype=np.float64)
            found.append(Region(begin, end, strand, place, float(sure)))
    return found
