"""A result on a clip drawn: a strip of frames, or the way of key points, with the attention over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.pictures import COLOURS, new_figure, save_figure, whole_steps
from throughtime.runtime.video.windows import Window, overall

FRAMES = 12
"""Frames of a strip."""


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


def draw_windows(path: Path, windows: Sequence[Window], samples: Samples, fps: float, *title: str) -> None:
    """A strip of frames over time, below it the attention, and where there are several windows, their classes."""
    end, several = windows[-1].end, len(windows) > 1
    count = max(1, min(FRAMES, round(end * fps)))
    chances = overall(windows)
    label = next(iter(chances))
    told = f"{label} {100 * chances[label]:.1f} %"
    figure = new_figure(10, 10 / count + 2.2 + (1.5 if several else 0), told, *title)
    heights = [10 / count, 1.2, *([1.3] if several else [])]
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for number in range(count):
        left, right = number * end / count, (number + 1) * end / count
        frame = samples.nearest((left + right) / 2 * fps - 0.5).transpose(1, 2, 0)
        axes[0].imshow(frame, cmap="gray", vmin=0, vmax=255, extent=(left, right, 0, 1), aspect="auto")
        axes[0].axvline(left, color="white", linewidth=1.5)
    axes[0].set_yticks([])
    axes[0].set_ylim(0, 1)
    axes[0].set_ylabel(f"frames\n({count})")
    _draw_attention(axes[1], windows)
    if several:
        _draw_classes(axes[2], windows)
    axes[-1].set_xlabel("time (seconds)")
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
    axis.set_ylabel("probability\n(share)")
    axis.set_ylim(0, 1)
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def draw_points(path: Path, points: Sequence[Sequence[float]], dims: int, window: Window, *title: str) -> None:
    """The way of every key point, the more attention a step gets the larger, and below it the attention over time."""
    told = f"{window.label} {100 * window.chances[window.label]:.1f} %"
    figure = new_figure(7, 7.5, told, *title)
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
    way.set_xlabel("x (as in the data)" if dims > 1 else "time (step)")
    way.set_ylabel("y (as in the data, downwards)" if dims > 1 else "value (as in the data)")
    bar = figure.colorbar(dots, ax=way, label="time (step); the larger a dot, the more attention")
    whole_steps(bar.ax.yaxis)
    time.bar(steps, attention, color=COLOURS[2])
    time.set_ylabel("attention\n(1 = even)")
    time.set_xlabel("time (step)")
    whole_steps(time.xaxis)
    save_figure(figure, path)
