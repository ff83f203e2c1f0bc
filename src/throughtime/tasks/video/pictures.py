"""How a prediction on a clip is shown: as text, as data, as a strip of frames with the attention over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.text import Text

from throughtime.applications.prediction import Prediction, percent_bar
from throughtime.data.video.keypoints import PointSequence
from throughtime.pictures import COLOURS, new_figure, save_figure
from throughtime.visible import visible

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60
"""Most characters of a line of attention."""

FRAMES = 12
"""Frames of a strip."""

LISTED = 40
"""Most spans of a long video that are listed for people; ``--json`` has all windows."""


@dataclass(frozen=True)
class Window:
    """What a model makes of a piece of a video.

    Attributes:
        start: Seconds from the beginning (of key points: steps).
        end: The same, of its end.
        chances: Probability of every class.
        attention: How much of each step the result rests on; sums to 1.
    """

    start: float
    end: float
    chances: dict[str, float]
    attention: list[float]

    @property
    def label(self) -> str:
        """The likeliest class."""
        return max(self.chances, key=lambda name: self.chances[name])

    @property
    def best(self) -> tuple[float, float]:
        """When most attention is paid, and how much."""
        at = int(np.argmax(self.attention))
        return self.start + (at + 0.5) * (self.end - self.start) / len(self.attention), self.attention[at]


@dataclass
class Samples:
    """Frames of a video of any length, about evenly spaced and never many.

    Attributes:
        every: Steps between two that are kept.
        kept: Frames by their step.
    """

    every: int = 1
    kept: dict[int, npt.NDArray[np.uint8]] = field(default_factory=dict)

    def add(self, begin: int, frames: npt.NDArray[np.uint8]) -> None:
        """Takes the frames of a window in, ``[T, C, S, S]``, the first of them at step ``begin``."""
        for step, frame in enumerate(frames, begin):
            if step % self.every == 0:
                self.kept[step] = frame.copy()
            if len(self.kept) > 8 * FRAMES:
                self.every *= 2
                self.kept = {step: frame for step, frame in self.kept.items() if step % self.every == 0}

    def nearest(self, step: float) -> npt.NDArray[np.uint8]:
        """The frame kept that is nearest to a step."""
        return self.kept[min(self.kept, key=lambda kept: abs(kept - step))]


@dataclass(frozen=True, repr=False, kw_only=True)
class ClipPrediction(Prediction):
    """The action of a video.

    Attributes:
        file: The video.
        label: The likeliest class.
        probabilities: Of every class, the likeliest first.
        seconds: How long the video is.
        windows: What is seen when: start and end in seconds, label, probabilities, and the attention where it is asked
            for.
    """

    file: str
    label: str
    probabilities: dict[str, float]
    seconds: float
    windows: list[dict[str, Any]]

    def _repr_html_(self) -> str:
        bars = "".join(
            f"<tr><td>{_span(w['start'], w['end'])} s</td><td>{escape(visible(w['label']))}</td>"
            f"<td>{percent_bar(w['probabilities'][w['label']])}</td></tr>"
            for w in self.windows
        )
        return f"<b>{escape(visible(self.label))}</b> {escape(visible(self.file))}<table>{bars}</table>"


@dataclass(frozen=True, repr=False, kw_only=True)
class PointsPrediction(Prediction):
    """The action of a sequence of key points.

    Attributes:
        where: File and line; of an array, its number.
        clip: What the table calls it.
        label: The likeliest class.
        probabilities: Of every class, the likeliest first.
        steps: How many.
        attention: How much of each step the result rests on, where it is asked for.
    """

    where: str
    clip: str
    label: str
    probabilities: dict[str, float]
    steps: int
    attention: list[float] | None = None


def overall(windows: Sequence[Window]) -> dict[str, float]:
    """The mean of the windows' probabilities, each by its length; the likeliest class first."""
    lengths = np.array([window.end - window.start for window in windows])
    chances = {
        name: float(np.dot(lengths, [window.chances[name] for window in windows]) / lengths.sum())
        for name in windows[0].chances
    }
    return dict(sorted(chances.items(), key=lambda pair: -pair[1]))


def show_windows(path: Path, windows: Sequence[Window], warnings: Sequence[str], options: Any) -> Prediction:
    """The class of a video, and what is seen when where it has several windows."""
    chances = overall(windows)
    shown = Text(f"{_percents(chances, options.nbest)}  {path}")
    if options.explain:
        lines = [_attention(window, " s", named=len(windows) > 1) for window in windows]
    else:
        lines = _timeline(windows) if len(windows) > 1 else []
    shown.append("".join(f"\n  {line}" for line in lines), "dim")
    return ClipPrediction(
        shown,
        warnings=warnings,
        file=str(path),
        label=next(iter(chances)),
        probabilities=chances,
        seconds=windows[-1].end,
        windows=[_data(window, options.explain) for window in windows],
    )


def show_points(sequence: PointSequence, window: Window, options: Any) -> Prediction:
    """The class of a sequence of key points."""
    chances = overall([window])
    shown = Text(f"{_percents(chances, options.nbest)}  {sequence.where}")
    if options.explain:
        shown.append(f"\n  {_attention(window, '', named=False)}", "dim")
    return PointsPrediction(
        shown,
        where=sequence.where,
        clip=sequence.clip,
        label=window.label,
        probabilities=chances,
        steps=len(sequence.points),
        attention=window.attention if options.explain else None,
    )


def bars(weights: Sequence[float]) -> str:
    """Attention as a line of bars, the highest as high as a line; of many steps, each bar shows the mean of some.

    Example:
        >>> bars([0.0, 0.1, 0.8, 0.1])
        '▁▂█▂'
    """
    groups = np.array_split(np.asarray(weights), min(len(weights), WIDTH))
    means = np.array([group.mean() for group in groups])
    return "".join(BARS[round(height * (len(BARS) - 1))] for height in means / max(1e-12, means.max()))


def _percents(chances: dict[str, float], most: int) -> str:
    return "  ".join(f"{name} {100 * chance:.1f} %" for name, chance in [*chances.items()][:most])


def _span(start: float, end: float) -> str:
    return f"{start:.1f}–{end:.1f}"


def _data(window: Window, explain: bool) -> dict[str, Any]:
    chances = dict(sorted(window.chances.items(), key=lambda pair: -pair[1]))
    data = {"start": window.start, "end": window.end, "label": window.label, "probabilities": chances}
    return {**data, "attention": window.attention} if explain else data


def _attention(window: Window, unit: str, named: bool) -> str:
    label = f"  {_percents({window.label: window.chances[window.label]}, 1)}" if named else ""
    at, most = window.best
    when = f"{at:.1f}{unit}" if unit else f"step {int(at) + 1}"
    span = f"{_span(window.start, window.end)}{unit}" if unit else f"steps 1–{len(window.attention)}"
    return f"{span}{label}  {bars(window.attention)}  most at {when} ({most:.0%})"


def _timeline(windows: Sequence[Window]) -> list[str]:
    """Spans of windows of one class."""
    lines = []
    for label, group in groupby(windows, key=lambda window: window.label):
        members = list(group)
        chance = overall(members)[label]
        lines.append(f"{_span(members[0].start, members[-1].end)} s  {label} {100 * chance:.1f} %")
    rest = len(lines) - LISTED
    return lines if rest <= 0 else [*lines[:LISTED], f"… and {rest:,} more spans; --json has all"]


def draw_windows(path: Path, windows: Sequence[Window], samples: Samples, fps: float) -> None:
    """A strip of frames over time, below it the attention, and where there are several windows, their classes."""
    end, several = windows[-1].end, len(windows) > 1
    count = max(1, min(FRAMES, round(end * fps)))
    figure = new_figure(10, 10 / count + 1.6 + (1.5 if several else 0))
    heights = [10 / count, 1.2, *([1.3] if several else [])]
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for number in range(count):
        left, right = number * end / count, (number + 1) * end / count
        frame = samples.nearest((left + right) / 2 * fps - 0.5).transpose(1, 2, 0)
        axes[0].imshow(frame, cmap="gray", vmin=0, vmax=255, extent=(left, right, 0, 1), aspect="auto")
        axes[0].axvline(left, color="white", linewidth=1.5)
    axes[0].set_yticks([])
    axes[0].set_ylim(0, 1)
    chances = overall(windows)
    label = next(iter(chances))
    axes[0].set_title(f"{label} {100 * chances[label]:.1f} %")
    _draw_attention(axes[1], windows)
    if several:
        _draw_classes(axes[2], windows)
    axes[-1].set_xlabel("seconds")
    axes[-1].set_xlim(0, end)
    save_figure(figure, path)


def _draw_attention(axis: Any, windows: Sequence[Window]) -> None:
    """The attention of every step: 1 where it gets as much as the mean one of its window."""
    for window in windows:
        steps = len(window.attention)
        edges = np.linspace(window.start, window.end, steps + 1)
        axis.stairs(steps * np.array(window.attention), edges, fill=True, color=COLOURS[2])
    axis.set_ylabel("attention\n(1 = even)")
    axis.set_ylim(0, None)


def _draw_classes(axis: Any, windows: Sequence[Window]) -> None:
    edges = [windows[0].start, *(window.end for window in windows)]
    below = np.zeros(len(windows))
    for number, name in enumerate(windows[0].chances):
        above = below + [window.chances[name] for window in windows]
        axis.stairs(above, edges, baseline=below, fill=True, color=COLOURS[(number + 1) % len(COLOURS)], label=name)
        below = above
    axis.set_ylabel("probability")
    axis.set_ylim(0, 1)
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def draw_points(path: Path, points: Sequence[Sequence[float]], dims: int, window: Window) -> None:
    """The way of every key point, the more attention a step gets the larger, and below it the attention over time."""
    figure = new_figure(6, 6.5)
    way, time = figure.subplots(2, 1, height_ratios=[4, 1])
    values = np.array(points).reshape(len(points), -1, dims)
    steps = np.arange(1, len(points) + 1)
    attention = len(points) * np.array(window.attention)
    for number in range(values.shape[1]):
        x, y = (values[:, number, 0], values[:, number, 1]) if dims > 1 else (steps, values[:, number, 0])
        way.plot(x, y, color=COLOURS[7], linewidth=1, zorder=1)
        dots = way.scatter(x, y, s=20 + 60 * attention / attention.max(), c=steps, cmap="viridis", zorder=2)
    if dims > 1:
        way.set_aspect("equal", adjustable="datalim")
        way.invert_yaxis()  # pictures count from the top
        way.set_xlabel("x")
        way.set_ylabel("y")
    figure.colorbar(dots, ax=way, label="step")
    way.set_title(f"{window.label} {100 * window.chances[window.label]:.1f} %")
    time.bar(steps, attention, color=COLOURS[2])
    time.set_ylabel("attention\n(1 = even)")
    time.set_xlabel("step")
    save_figure(figure, path)
