"""The figures of a model's gradients, gates and memory; readable in grey and by the colour-blind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from throughtime.inspection.gradients import Flow
from throughtime.inspection.history import History
from throughtime.inspection.memory import LEFT, Memory
from throughtime.inspection.numbers import show_number
from throughtime.inspection.recording import Watched
from throughtime.pictures import line_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_UNITS = 64
"""Units of a gate that are shown."""

GREY_SAFE = "cividis"
"""Its lightness rises with the value, so that it reads the same without colour, and to the colour-blind."""


def draw_gradients(flows: Sequence[Flow]) -> Figure:
    """The norms against the distance, log scale, with the fitted lines."""
    figure = new_figure(8, 4.2)
    axes = figure.subplots()
    for number, flow in enumerate(flows):
        curve = flow.by_distance()
        decay = curve.decay()
        there = (curve.counts > 0) & (curve.norms > 0)
        at = there.nonzero().squeeze(1)
        label = f"{flow.cell.name}: half-life {_count(decay.half_life)} steps"
        axes.plot(at.numpy(), curve.norms[there].numpy(), label=label, **line_style(number))
        if math.isfinite(decay.slope) and len(at) > 1:
            ends = torch.stack([at[0], at[-1]]).double()
            axes.plot(
                ends, (decay.intercept + decay.slope * ends).exp(), color=line_style(number)["color"], lw=0.7, alpha=0.7
            )
    axes.set_yscale("log")
    axes.set_xlabel("distance t − s in steps")
    axes.set_ylabel("|∂L<t>/∂a<s>|")
    _tidy(axes)
    return figure


def draw_singular_values(cells: Sequence[tuple[str, Tensor, Tensor]]) -> Figure:
    """The largest, median and smallest singular value of every cell along a sequence; a panel a cell."""
    figure = new_figure(8, 1.2 + 1.9 * len(cells))
    panels = figure.subplots(len(cells), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (name, at, values) in zip(panels, cells, strict=True):
        for number, label in enumerate(("largest", "median", "smallest")):
            axes.plot(at.numpy(), values[:, number].clamp(min=1e-8).numpy(), label=label, **line_style(number))
        axes.axhline(1.0, color="0.4", lw=1)
        axes.set_yscale("log")
        axes.set_title(name, fontsize=9, loc="left")
        _tidy(axes)
    panels[-1].set_xlabel("step")
    return figure


def draw_gates(cell: Watched, row: int, steps: Sequence[str]) -> Figure:
    """Every gate and state of one sequence, units down, steps across."""
    names, length = cell.names, int(cell.lengths[row])
    figure = new_figure(min(2.5 + 0.16 * length, 16), 0.9 + 1.5 * len(names))
    panels = figure.subplots(len(names), 1, squeeze=False)[:, 0]
    for axes, name in zip(panels, names, strict=True):
        values = cell.values(name)[row, :length].T.cpu()
        chosen = torch.linspace(0, len(values) - 1, min(MOST_UNITS, len(values))).long()
        # Gates within 0 and 1, others within ±1; a memory or a relu goes further.
        high = max(1.0, float(values.abs().flatten().quantile(0.98)))
        low = 0.0 if float(values.min()) >= 0 else -high
        image = axes.imshow(
            values[chosen].numpy(), cmap=GREY_SAFE, vmin=low, vmax=high, aspect="auto", interpolation="nearest"
        )
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.set_yticks([])
        axes.set_xticks([])
        figure.colorbar(image, ax=axes, pad=0.01, ticks=[low, 0.0, high] if low else [0.0, high], format="%.2g")
    names_of_steps = [repr(step)[1:-1] for step in list(steps)[:length]]
    if length <= 120 and names_of_steps:
        panels[-1].set_xticks(range(len(names_of_steps)), names_of_steps, fontsize=7, rotation=90)
    else:
        panels[-1].set_xticks(range(0, length, max(1, length // 10)))
    return figure


def draw_memory(memories: Mapping[str, Memory]) -> Figure:
    """How far a change of one input moves the output, against the distance."""
    figure = new_figure(8, 3.4)
    axes = figure.subplots()
    for number, (name, memory) in enumerate(memories.items()):
        axes.plot(
            memory.distances,
            memory.moved.clamp(min=1e-6),
            label=f"{name}: {memory.length}{' or more' if memory.whole else ''} steps",
            **line_style(number),
        )
    axes.axhline(LEFT, color="0.4", lw=1)
    axes.set_yscale("log")
    axes.set_xlabel("steps from the changed input to the output")
    axes.set_ylabel("share of the last input's effect")
    _tidy(axes)
    return figure


def draw_history(history: History) -> Figure:
    """Loss and the gradient's norm over training, with the share of clipped steps."""
    figure = new_figure(8, 5.4)
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(history.steps, history.norms, label="whole gradient", color="0.35", lw=0.9)
    for number, (name, norms) in enumerate(history.layers.items()):
        above.plot(history.steps[: len(norms)], norms, label=name, **line_style(number))
    above.set_yscale("log")
    above.set_ylabel("norm before clipping")
    _tidy(above)
    below.plot(history.steps, history.loss, label="loss", **line_style(0))
    below.plot(history.steps, history.clipped, label="share of clipped steps so far", **line_style(1))
    below.set_xlabel("step of training")
    _tidy(below)
    if history.diverged is not None:
        for axes in (above, below):
            axes.axvline(history.diverged, color="0.2", lw=1.2, linestyle=":")
    return figure


def _tidy(axes: Any) -> None:
    axes.grid(color="0.88", lw=0.6)
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, frameon=False)


def _count(steps: float) -> str:
    """Steps as one reads them.

    Example:
        >>> _count(3.14159), _count(1234.5), _count(math.inf)
        ('3.1', '1,234', '∞')
    """
    return show_number(steps, ".1f" if steps < 100 else ",.0f")
