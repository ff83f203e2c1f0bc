"""What is told of a series drawn: its values over time, and below them the attention, or above them the labels."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.figures import number as as_number
from throughtime.models.series.surprise import NEVER
from throughtime.pictures import COLOURS, new_figure, save_figure, short_name, whole_steps
from throughtime.tasks.series.alarms import Array, spans
from throughtime.tasks.series.predictions import SeriesPrediction

NAMED = 8
"""Channels that have a line in the legend, at most."""


def draw_series(path: Path, series: LabelledSeries, found: SeriesPrediction) -> None:
    """Every channel over time with what was told of it."""
    told = "a label a step" if found.labels is not None else found.label or as_number(found.number or 0.0)
    if found.probabilities is not None and found.label is not None:
        told = f"{told} {100 * found.probabilities[found.label]:.1f} %"
    figure = new_figure(9, 4.5, told, short_name(series.where))
    heights = [3, 1] if found.attention is not None else [3]
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    steps = np.arange(1, series.steps + 1)
    for number, values in enumerate(series.channels):
        colour = COLOURS[(number + 1) % len(COLOURS)]
        axes[0].plot(steps, np.array(values, float), color=colour, linewidth=1.2, label=f"channel {number + 1}")
    axes[0].set_ylabel("value (as in the data)")
    if 1 < len(series.channels) <= NAMED:
        axes[0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    if found.labels is not None:
        _shade(axes[0], found.labels)
    if found.attention is not None:
        edges = np.arange(series.steps + 1) + 0.5
        axes[1].stairs(series.steps * np.array(found.attention), edges, fill=True, color=COLOURS[2])
        axes[1].set_ylabel("attention\n(1 = even)")
        axes[1].set_ylim(0, None)
    axes[-1].set_xlabel("time (step)")
    axes[-1].set_xlim(0.5, series.steps + 0.5)
    whole_steps(axes[-1].xaxis)
    save_figure(figure, path)


def draw_surprise(path: Path, series: LabelledSeries, surprise: Array, threshold: float) -> None:
    """Every channel over time, below it the surprise with the threshold; alarms shaded in both."""
    alarms = spans(surprise > threshold)
    count = f"{len(alarms):,} {'alarm' if len(alarms) == 1 else 'alarms'}"
    figure = new_figure(10, 5, count, short_name(series.where))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    steps = np.arange(1, series.steps + 1)
    for number, values in enumerate(series.channels):
        above.plot(steps, np.array(values, float), color=COLOURS[(number + 1) % len(COLOURS)], linewidth=0.8)
    below.plot(steps, surprise, color=COLOURS[7], linewidth=0.8)
    if threshold < NEVER:
        below.axhline(threshold, color=COLOURS[2], linewidth=1, linestyle="--", label="alarm")
        below.legend(loc="upper left", frameon=False)
    for begin, end in alarms:
        for axis in (above, below):
            axis.axvspan(begin + 0.5, end + 0.5, color=COLOURS[2], alpha=0.4)
    above.set_ylabel("value (as in the data)")
    below.set_ylabel("surprise (nats)")
    below.set_xlabel("time (step)")
    below.set_xlim(0.5, series.steps + 0.5)
    whole_steps(below.xaxis)
    save_figure(figure, path)


def _shade(axis: Any, labels: Any) -> None:
    """Spans of one label in a colour each."""
    names, begin = list(dict.fromkeys(labels)), 0
    colours = {name: COLOURS[(at + 1) % len(COLOURS)] for at, name in enumerate(names)}
    shown: set[str] = set()
    for label, group in groupby(labels):
        end = begin + len(list(group))
        name = None if label in shown else label
        axis.axvspan(begin + 0.5, end + 0.5, color=colours[label], alpha=0.2, linewidth=0, label=name)
        shown.add(label)
        begin = end
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
