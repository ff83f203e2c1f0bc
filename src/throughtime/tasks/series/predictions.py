"""What models of series tell: a class or a number of the whole, or a label of every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from rich.text import Text

from throughtime.applications.judging.classification import chances_html
from throughtime.applications.prediction import Prediction, bars
from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.figures import number as as_number
from throughtime.tasks.series.alarms import Alarm, Array

LISTED = 40
"""Most spans of a long series that are listed for people; ``--json`` has all steps."""


@dataclass(frozen=True, repr=False, kw_only=True)
class SeriesPrediction(Prediction):
    """What is told of a series; of its fields those that its model tells.

    Attributes:
        where: File and line, or the number of an input that comes from memory.
        name: What the file calls it; its line, or number, where it has no name.
        label: The likeliest class.
        probabilities: Of every class, the likeliest first.
        number: The number sought.
        labels: The likeliest label of every step.
        steps: Its length.
        attention: How much of each step the result rests on, where that was asked for; sums to 1.
    """

    where: str
    name: str
    label: str | None = None
    probabilities: dict[str, float] | None = None
    number: float | None = None
    labels: Sequence[str] | None = None
    steps: int
    attention: Sequence[float] | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What stands beside a series, or beside each of its steps, in a table."""
        if self.label is not None:
            return super().columns
        return {"predicted": self.labels if self.number is None else self.number}

    def _repr_html_(self) -> str:
        """The probabilities as bars below the text."""
        return f"<div>{super()._repr_html_()}{chances_html(self.probabilities or {})}</div>"


def show_class(
    series: LabelledSeries, chances: Mapping[str, float], attention: Sequence[float] | None, nbest: int
) -> SeriesPrediction:
    """The class of a series; with ``attention`` of every step, what it rests on."""
    ordered = dict(sorted(chances.items(), key=lambda pair: -pair[1]))
    told = "  ".join(f"{name} {100 * chance:.1f} %" for name, chance in [*ordered.items()][:nbest])
    return SeriesPrediction(
        _shown(told, series, attention),
        where=series.where,
        name=series.name,
        label=next(iter(ordered)),
        probabilities=ordered,
        steps=series.steps,
        attention=attention,
    )


def show_number(series: LabelledSeries, number: float, attention: Sequence[float] | None) -> SeriesPrediction:
    """The number of a series."""
    shown = _shown(as_number(number), series, attention)
    return SeriesPrediction(
        shown, where=series.where, name=series.name, number=number, steps=series.steps, attention=attention
    )


def show_steps(series: LabelledSeries, labels: Sequence[str], sure: Sequence[float], explain: bool) -> SeriesPrediction:
    """The label of every step, in spans; with ``explain``, how sure each span is."""
    spans, begin = [], 1
    for label, group in groupby(labels):
        end = begin + len(list(group)) - 1
        chance = f" ({100 * float(np.mean(sure[begin - 1 : end])):.0f} %)" if explain else ""
        spans.append(f"{label} {begin}–{end}{chance}")
        begin = end + 1
    rest = len(spans) - LISTED
    told = ", ".join(spans[:LISTED]) + (f", … and {rest:,} more spans; --json has all" if rest > 0 else "")
    return SeriesPrediction(
        Text(f"{told}  {series.where}"), where=series.where, name=series.name, labels=list(labels), steps=series.steps
    )


@dataclass(frozen=True, repr=False, kw_only=True)
class NoveltyPrediction(Prediction):
    """How surprising the steps of a series are.

    Attributes:
        where: File and line, or the number of an input that comes from memory.
        name: What the file calls it; its line, or number, where it has no name.
        steps: Its length.
        threshold: The surprise above which there is an alarm, in nats.
        alarms: What is above it, in order.
        surprise: Of every step, in nats, averaged over some steps up to it.
    """

    where: str
    name: str
    steps: int
    threshold: float
    alarms: Sequence[Alarm]
    surprise: Sequence[float]

    @property
    def columns(self) -> dict[str, Any]:
        """What stands beside each step in a table."""
        return {"predicted": [float(value > self.threshold) for value in self.surprise], "surprise": self.surprise}


def show_novelty(
    series: LabelledSeries, surprise: Array, threshold: float, alarms: Sequence[Alarm]
) -> NoveltyPrediction:
    """The alarms of a series, the strongest first."""
    strongest = sorted(alarms, key=lambda alarm: -alarm.surprise)[:LISTED]
    count = f"{len(alarms):,} {'alarm' if len(alarms) == 1 else 'alarms'} above {as_number(threshold)} nats"
    told = ", ".join(f"steps {one.start:,}–{one.end:,} ({as_number(one.surprise)})" for one in strongest)
    shown = Text(f"{count}{': ' if told else ''}{told}  {series.where}")
    heights = bars((surprise - surprise.min()).tolist())
    shown.append(f"\n  steps 1–{series.steps:,}  surprise {heights}", "dim")
    return NoveltyPrediction(
        shown,
        where=series.where,
        name=series.name,
        steps=series.steps,
        threshold=threshold,
        alarms=list(alarms),
        surprise=surprise.round(6).tolist(),
    )


def by_step(weights: Sequence[float], stride: int, steps: int) -> list[float]:
    """The attention of frames as that of steps, each frame's in even parts.

    Example:
        >>> by_step([0.5, 0.5], 2, 3)
        [0.25, 0.25, 0.5]
    """
    spans = [min(stride, steps - begin) for begin in range(0, steps, stride)]
    return [weight / span for weight, span in zip(weights, spans, strict=False) for _ in range(span)]


def _shown(told: str, series: LabelledSeries, attention: Sequence[float] | None) -> Text:
    shown = Text(f"{told}  {series.where}")
    if attention is not None:
        most = int(np.argmax(attention))
        row = f"\n  steps 1–{len(attention)}  attention {bars(attention)}"
        shown.append(f"{row}  most at step {most + 1} ({100 * attention[most]:.1f} %)", "dim")
    return shown
