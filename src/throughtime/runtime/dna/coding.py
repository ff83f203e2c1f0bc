"""Coding regions of whole genomes: windows with a halo on both sides, then the likeliest course of reading frames.

A base in a region has a place in its codon and a strand (``throughtime.data.dna.genomes.LABELS``); all bases of a
region are in one of six reading frames. The frames' course is the best path of an automaton that may enter a frame at a
start codon and leave it at a stop codon, pays for a change anywhere else, and does not read past a stop codon.

Shapes::

    B  windows        L  bases        K  labels: non-coding, and three places on either strand
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from throughtime.runtime.dna.bases import Codes, side_by_side
from throughtime.runtime.dna.codons import BACTERIA, Code, complements, find_codons
from throughtime.runtime.dna.regions import Region

CORE, HALO = 9000, 1500
"""Bases of a window that are kept, and those read beside them on either side; multiples of a codon."""

TOGETHER = 16
"""Windows of a batch."""

Array = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Window:
    """A piece of one of some sequences: what is read of it, and within that what is kept."""

    sequence: int
    begin: int
    end: int
    first: int
    last: int


def windows(lengths: Sequence[int], core: int = CORE, halo: int = HALO) -> list[Window]:
    """Windows that cover sequences.

    What is read begins and ends at a whole number of codons from the sequence's ends, so that either strand is read
    in the frames of the whole.

    Example:
        >>> [(w.begin, w.end, w.first, w.last) for w in windows([20], core=9, halo=3)]
        [(0, 14, 0, 9), (6, 20, 9, 18), (15, 20, 18, 20)]
    """
    found = []
    for sequence, length in enumerate(lengths):
        for first in range(0, length, core):
            begin, end = max(0, first - halo), min(length, first + core + halo)
            found.append(Window(sequence, begin, end + (length - end) % 3, first, min(length, first + core)))
    return found


@dataclass(frozen=True)
class Computed:
    """What a model makes of some windows.

    Attributes:
        windows: B of them.
        codes: Their letters as numbers, ``[B, L]``, 0 past an end.
        log_probs: Of every label of every base, ``[B, L, K]``, 0 past an end.
    """

    windows: Sequence[Window]
    codes: Codes
    log_probs: Array


def in_windows(
    log_probs: Callable[[Sequence[Codes]], Array],
    sequences: Sequence[Codes],
    core: int = CORE,
    halo: int = HALO,
    together: int = TOGETHER,
) -> Iterator[Computed]:
    """What a model makes of sequences of any length, some windows at a time.

    Args:
        log_probs: Of a model: ``[B, L, K]`` of B pieces of sequences, L as long as the longest.
        sequences: ``[L]`` each.
        core: See :data:`CORE`.
        halo: See :data:`HALO`; far from a window's ends the result is that of the whole sequence.
        together: Windows of a batch.
    """
    waiting = windows([len(codes) for codes in sequences], core, halo)
    for number in range(0, len(waiting), together):
        group = waiting[number : number + together]
        pieces = [sequences[window.sequence][window.begin : window.end] for window in group]
        found = log_probs(pieces)
        for row, piece in zip(found, pieces, strict=True):
            row[len(piece) :] = 0.0
        yield Computed(group, side_by_side(pieces), found)


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

    @classmethod
    def empty(cls, length: int) -> Course:
        """Nothing is coded yet."""
        return cls(np.zeros(length, np.uint8), np.zeros(length, np.float16), np.zeros(length, np.float16))


def follow(computed: Iterable[Computed], lengths: Sequence[int], lift: float, code: Code = BACTERIA) -> list[Course]:
    """The courses of sequences' reading frames.

    Args:
        computed: Their windows.
        lengths: Of the sequences.
        lift: What all labels but non-coding are raised by, in nats.
        code: Whose codons start and stop translation.
    """
    courses = [Course.empty(length) for length in lengths]
    raised = np.array([0.0] + [lift] * 6, dtype=np.float32)
    for some in computed:
        frames = best_frames(some.log_probs + raised, some.codes, code)
        for row, window in enumerate(some.windows):
            course, kept = courses[window.sequence], slice(window.first, window.last)
            inside = slice(window.first - window.begin, window.last - window.begin)
            course.frames[kept] = frames[row, inside]
            strands = np.exp(some.log_probs[row, inside, 1:]).reshape(-1, 2, 3).sum(2)
            course.plus[kept], course.minus[kept] = strands.T
    return courses


COST = 100.0
"""What it costs to enter a frame without a start codon, or to leave one without a stop codon, in nats."""

PAST = 300.0
"""What it costs to read past a stop codon: enough for none but a sequence that is wrong."""

# Which label a base has in every reading frame, by its index modulo 3: [3, 7].
_AT = np.arange(3)[:, None]
_LABELS = np.concatenate([0 * _AT, 1 + (_AT - np.arange(3)) % 3, 4 + (np.arange(3) - _AT) % 3], 1)


def best_frames(scores: Array, codes: Codes, code: Code = BACTERIA) -> Frames:
    """The best course of reading frames (Viterbi).

    Args:
        scores: ``[B, L, K]``, of every label of every base.
        codes: ``[B, L]``, letters as numbers, 0 past an end; the index of each row's first base is a multiple of 3.
        code: Whose codons start and stop translation.

    Returns:
        ``[B, L]``: 0 where nothing is coded; on the plus strand 1 + the index of a codon's first base, modulo 3; on
        the minus strand 4 + the index of the base that is read first, modulo 3.
    """
    rows, steps = np.arange(len(codes)), codes.shape[1]
    framed = np.take_along_axis(scores, _LABELS[np.arange(steps) % 3][None], 2).swapaxes(0, 1)
    enter, leave, stay = (np.ascontiguousarray(costs.swapaxes(0, 1)) for costs in _costs(codes, code))
    best = np.zeros(framed.shape[1:], dtype=np.float32)  # a course may begin in the middle of a gene
    stays = np.zeros(framed.shape, dtype=bool)
    tops = np.zeros(framed.shape[:2], dtype=np.uint8)
    for step in range(steps):
        left = best - leave[step]
        tops[step] = top = left.argmax(1)
        entered, stayed = left[rows, top, None] - enter[step], best - stay[step]
        stays[step] = stayed >= entered
        best = np.maximum(stayed, entered) + framed[step]
        best -= best.max(1, keepdims=True)  # the scores of a long row stay within a float's range
    path = np.zeros(framed.shape[:2], dtype=np.uint8)
    at = best.argmax(1).astype(np.uint8)
    for step in range(steps - 1, -1, -1):
        path[step] = at
        at = np.where(stays[step, rows, at], at, tops[step])
    return path.T


def _costs(codes: Codes, code: Code) -> tuple[Array, Array, Array]:
    """What it costs to enter, to leave and to stay in every frame just before each base, ``[B, L, 7]`` each."""
    enter, leave, stay = (np.zeros((*codes.shape, 7), dtype=np.float32) for _ in range(3))
    enter[..., 1:] = leave[..., 1:] = COST
    steps = np.arange(codes.shape[1])
    # Just before a base, a codon begins or ends in one frame of either strand.
    plus, minus = 1 + steps % 3, 4 + (steps + 2) % 3
    begins, ended = find_codons(codes, code.starts), _three_later(find_codons(codes, code.stops))
    enter[:, steps, plus] = np.where(begins, 0.0, COST)
    leave[:, steps, plus] = np.where(ended, 0.0, COST)
    stay[:, steps, plus] = np.where(ended, PAST, 0.0)
    # The minus strand is read from right to left: its genes end on the left.
    ends = find_codons(codes, complements(code.stops))
    begun = _three_later(find_codons(codes, complements(code.starts)))
    enter[:, steps, minus] = np.where(ends, 0.0, COST)
    leave[:, steps, minus] = np.where(begun, 0.0, COST)
    stay[:, steps, minus] = np.where(ends, PAST, 0.0)
    return enter, leave, stay


def _three_later(found: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    later = np.zeros_like(found)
    later[:, 3:] = found[:, :-3]
    return later


def regions_of(course: Course) -> list[Region]:
    """The runs of one reading frame, each with the mean probability that it codes on its strand."""
    cuts = np.flatnonzero(np.diff(course.frames)) + 1
    edges = [0, *cuts.tolist(), len(course.frames)]
    found = []
    for begin, end in pairwise(edges):
        if begin < end and (frame := int(course.frames[begin])):
            strand = 1 if frame < 4 else -1
            place = (begin - (frame - 1)) % 3 if strand > 0 else (frame - 4 - (end - 1)) % 3
            sure = (course.plus if strand > 0 else course.minus)[begin:end].mean(dtype=np.float64)
            found.append(Region(begin, end, strand, place, float(sure)))
    return found
