"""Surprise over time: smoothed, as alarms, and beside labels of what is novel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from throughtime.applications.task import Report, Table
from throughtime.data.series.labelled.series import LabelledSeries

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LISTED = 20
"""Alarms that a report shows."""


@dataclass(frozen=True)
class Alarm:
    """Steps whose surprise is above the threshold, one after the other.

    Attributes:
        start: The first of them, from 1.
        end: The last.
        peak: The most surprising.
        surprise: There, in nats.
    """

    start: int
    end: int
    peak: int
    surprise: float


def season_of(values: Array) -> int:
    """The steps after which a series ``[T]`` is most like itself again; 0 where it never is.

    The first peak of the autocorrelation behind its first crossing of zero, if it is above 0.2.

    Example:
        >>> season_of(np.sin(np.arange(200) * 2 * np.pi / 25)), season_of(np.arange(50.0))
        (25, 0)
    """
    count = len(values)
    if count < 8 or not values.std():
        return 0
    centred = values - values.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * count)) ** 2
    like = np.fft.irfft(spectrum)[: count // 2]
    like = like / like[0] * count / (count - np.arange(len(like)))
    below = np.flatnonzero(like < 0)
    if not len(below):
        return 0
    best = int(below[0] + like[below[0] :].argmax())
    if like[best] <= 0.2:
        return 0
    nearly = np.flatnonzero(like[below[0] :] > 0.9 * like[best])[0] + below[0]  # the first of several that are as high
    return int(nearly + like[nearly : nearly + max(2, nearly // 4)].argmax())


def smoothed(surprise: Array, steps: int) -> Array:
    """The mean of so many steps up to each, of fewer at the beginning.

    Example:
        >>> smoothed(np.array([1.0, 3.0, 5.0]), 2).tolist()
        [1.0, 2.0, 4.0]
    """
    total = np.concatenate([np.zeros(1), surprise.cumsum()])
    ends = np.arange(1, len(surprise) + 1)
    begins = np.maximum(0, ends - steps)
    found: Array = (total[ends] - total[begins]) / (ends - begins)
    return found


def alarms_of(surprise: Array, threshold: float) -> list[Alarm]:
    """Spans above a threshold.

    Example:
        >>> alarms_of(np.array([0.0, 2.0, 3.0, 0.0, 2.0]), 1.0)
        [Alarm(start=2, end=3, peak=3, surprise=3.0), Alarm(start=5, end=5, peak=5, surprise=2.0)]
    """
    found = []
    for start, end in spans(surprise > threshold):
        peak = start + int(surprise[start:end].argmax())
        found.append(Alarm(start + 1, end, peak + 1, float(surprise[peak])))
    return found


def spans(flags: Flags) -> list[tuple[int, int]]:
    """Where flags are true one after the other, each as begin and end.

    Example:
        >>> spans(np.array([True, True, False, True]))
        [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def roc_area(score: Array, novel: Flags) -> float:
    """The chance that a novel step is more surprising than a usual one, ties half; NaN where one kind is missing.

    Example:
        >>> roc_area(np.array([1.0, 2.0, 3.0, 3.0]), np.array([False, True, False, True]))
        0.625
    """
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place]
    many, few = int(novel.sum()), int((~novel).sum())
    if not many or not few:
        return float("nan")
    return float((ranks[novel].sum() - many * (many + 1) / 2) / (many * few))


def average_precision(score: Array, novel: Flags) -> float:
    """The mean precision over all recalls, steps of one score together; NaN where nothing is novel.

    Example:
        >>> round(average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, True])), 4)
        0.8333
    """
    order = np.argsort(-score, kind="stable")
    hits, ends = novel[order].cumsum(), np.flatnonzero(np.diff(score[order], append=-np.inf))
    if not hits.size or not hits[-1]:
        return float("nan")
    gained = np.diff(hits[ends], prepend=0)
    return float((gained * hits[ends] / (ends + 1)).sum() / hits[-1])


def novelty_report(
    examples: Sequence[LabelledSeries], scores: Sequence[Array], novel: Sequence[Flags], threshold: float
) -> Report:
    """Surprise and alarms; where steps have labels, how they fit together, step by step and span by span.

    A span that alarms touch is found, but no step beside the alarm counts as found with it (point adjustment, by which
    chance does well: Kim et al. 2022).
    """
    alarms = [alarms_of(score, threshold) for score in scores]
    score, steps = np.concatenate(scores), sum(map(len, scores))
    figures = {
        "nats": float(score.mean()),
        "threshold": threshold,
        "alarms": sum(map(len, alarms)),
        "alarmed_share": float((score > threshold).mean()),
    }
    labelled = [at for at, flags in enumerate(novel) if len(flags)]
    rows: list[list[str | int | float]] = [
        [one.where, alarm.start, alarm.end, alarm.peak, alarm.surprise, _within(flags, alarm)]
        for one, found, flags in zip(examples, alarms, novel, strict=True)
        for alarm in found
    ]
    rows = sorted(rows, key=lambda row: -float(row[4]))[:LISTED]
    table = Table("alarms, the strongest first", ["series", "from", "to", "peak", "surprise", "labelled"], rows)
    if labelled:
        flags, told = np.concatenate([novel[at] for at in labelled]), np.concatenate([scores[at] for at in labelled])
        figures = {"auc": roc_area(told, flags), "average_precision": 100 * average_precision(told, flags), **figures}
        figures |= _spans_found([alarms[at] for at in labelled], [novel[at] for at in labelled])
        figures["strongest_labelled"] = sum(bool(novel[at][scores[at].argmax()]) for at in labelled)
        figures["labelled_series"] = len(labelled)
    return Report({**figures, "steps": steps}, [table])


def _within(flags: Flags, alarm: Alarm) -> str:
    return "–" if not len(flags) else "yes" if flags[alarm.start - 1 : alarm.end].any() else "no"


def _spans_found(alarms: Sequence[Sequence[Alarm]], novel: Sequence[Flags]) -> dict[str, float]:
    """Labelled spans that an alarm touches, alarms that touch one, and their harmonic mean."""
    right = wrong = found = there = 0
    for each, flags in zip(alarms, novel, strict=True):
        touched = [bool(flags[alarm.start - 1 : alarm.end].any()) for alarm in each]
        right, wrong = right + sum(touched), wrong + len(touched) - sum(touched)
        raised = np.zeros(len(flags), bool)
        for alarm in each:
            raised[alarm.start - 1 : alarm.end] = True
        labelled = spans(flags)
        there += len(labelled)
        found += sum(bool(raised[begin:end].any()) for begin, end in labelled)
    precision, recall = right / max(1, right + wrong), found / max(1, there)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return {
        "span_precision": 100 * precision,
        "span_recall": 100 * recall,
        "span_f1": 100 * f1,
        "false_alarms": wrong,
    }
