"""The figures of a model's gradients, gates and memory; readable in grey and by the colour-blind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from throughtime.inspection.gradients import Flow
from throughtime.inspection.history import History
from throughtime.inspection.memory import LEFT, Memory
from throughtime.inspection.numbers import LEAST, layers_of
from throughtime.inspection.recording import Watched
from throughtime.inspection.verdict import GROWN, LOST, first_norm
from throughtime.pictures import line_style, mark_level, new_figure, tidy, whole_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SINGULAR = ("largest", "median", f"smallest (if over {LEAST})")
"""The singular values that are drawn."""

MOST_UNITS = 64
"""Units of a gate that are shown."""

BAND = 50
"""Steps that stand side by side in a picture of gates, each with its name."""
BANDS = 3
"""Such pieces of a sequence, below one another; a longer sequence stands in one, its steps by their numbers."""
NAME = 14
"""Letters of a step's name."""

LETTERS = 2
"""Of a name that stands upright; a longer one is turned, so that neighbours do not touch."""

GREY_SAFE = "cividis"
"""Its lightness rises with the value, so that it reads the same without colour, and to the colour-blind."""


def draw_gradients(flows: Sequence[Flow], *title: str) -> Figure:
    """The norms against the distance as shares of the nearest one, log scale, and lines where they are lost."""
    figure = new_figure(8, 4.6, *title)
    axes = figure.subplots()
    lowest, highest = 1.0, 1.0
    for number, flow in enumerate(flows):
        curve, style = flow.by_distance(), line_style(number)
        at, first = curve.there.nonzero().squeeze(1), first_norm(flow)
        shares = curve.norms[curve.there] / first if first > 0 else curve.norms[curve.there]
        told = f": {curve.half_life_in_words()}" if flow.tells_distance else ""
        axes.plot(at.numpy(), shares.numpy(), label=f"{flow.cell.name}{told}", **style)
        if len(shares):
            lowest, highest = min(lowest, float(shares.min())), max(highest, float(shares.max()))
    axes.set_yscale("log")
    axes.set_ylim(min(LOST / 2, lowest / 1.5), max(3.0, highest * 1.5))
    mark_level(axes, LOST, "1 %: vanished below")
    if highest > GROWN / 10:
        mark_level(axes, GROWN, f"{GROWN:.0f} times: explodes above")
    whole_steps(axes.xaxis)
    axes.set_xlabel("distance t − s (steps)")
    axes.set_ylabel("size of the gradient (share of the nearest)")
    tidy(axes)
    return figure


def draw_singular_values(cells: Sequence[tuple[str, Tensor, Tensor]], *title: str) -> Figure:
    """The largest, median and smallest singular value of every cell along a sequence; a panel a cell.

    What is smaller than :data:`~throughtime.inspection.numbers.LEAST` is drawn at it.
    """
    figure = new_figure(8, 1.4 + 2.3 * len(cells), *title)
    panels = figure.subplots(len(cells), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (name, at, values) in zip(panels, cells, strict=True):
        for number in range(len(SINGULAR)):
            axes.plot(at.numpy(), values[:, number].clamp(min=LEAST).numpy(), **line_style(number))
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.1), max(high, 10.0))
        mark_level(axes, 1.0, "1: a gradient is passed on as it is")
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_ylabel("singular value (factor)")
        tidy(axes)
    # Above the panels: the curves may run anywhere in them.
    above = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.1}
    panels[0].legend(
        panels[0].lines[: len(SINGULAR)], SINGULAR, ncols=len(SINGULAR), fontsize=8, frameon=False, **above
    )
    whole_steps(panels[-1].xaxis)
    panels[-1].set_xlabel("place in the sequence (step)")
    return figure


def draw_gates(cell: Watched, row: int, steps: Sequence[str], *title: str) -> Figure:
    """Every gate and state of one sequence, units down, steps across; a long one in several bands."""
    names, length = cell.names, int(cell.lengths[row])
    count = -(-length // BAND) if length <= BANDS * BAND else 1
    size = -(-length // count)
    figure = new_figure(10, 1.0 + count * (1.0 + 0.9 * len(names)), *title)
    bands: Any = [figure] if count == 1 else figure.subfigures(count, 1)
    values = {name: cell.values(name)[row, :length].T.cpu() for name in names}
    for number, band in enumerate(bands):
        begin, end = number * size, min(length, (number + 1) * size)
        panels = band.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
        for axes, name in zip(panels, names, strict=True):
            _draw_gate(band, axes, name, values[name], begin, end)
        _name_steps(panels[-1], list(steps)[:length], begin, end)
        panels[-1].set_xlim(begin - 0.5, begin + size - 0.5)
    return figure


def _draw_gate(figure: Any, axes: Any, name: str, values: Tensor, begin: int, end: int) -> None:
    """Gates within 0 and 1, others within ±1; a memory or a relu goes further."""
    chosen = torch.linspace(0, len(values) - 1, min(MOST_UNITS, len(values))).long()
    high = max(1.0, float(values.abs().flatten().quantile(0.98)))
    low = 0.0 if float(values.min()) >= 0 else -high
    image = axes.imshow(
        values[chosen, begin:end].numpy(),
        cmap=GREY_SAFE,
        vmin=low,
        vmax=high,
        aspect="auto",
        interpolation="nearest",
        extent=(begin - 0.5, end - 0.5, len(chosen) - 0.5, -0.5),
    )
    units = f"{len(values)} units" if len(chosen) == len(values) else f"{len(chosen)} of\n{len(values)} units"
    axes.set_ylabel(f"{name}\n({units})", rotation=0, ha="right", va="center", fontsize=8)
    axes.set_yticks([])
    bar = figure.colorbar(image, ax=axes, pad=0.01, ticks=[low, 0.0, high] if low else [0.0, high], format="%.3g")
    bar.ax.tick_params(labelsize=7)


def _name_steps(axes: Any, names: Sequence[str], begin: int, end: int) -> None:
    """What is read at each step, where that is known and there is room; else the steps' numbers."""
    here = [_step_name(name) for name in names[begin:end]]
    if here and end - begin <= BAND:
        axes.set_xticks(range(begin, begin + len(here)), here, fontsize=8)
        for label, name in zip(axes.get_xticklabels(), here, strict=True):
            label.set_rotation(0 if len(name) <= LETTERS else 90)
        axes.set_xlabel(f"what is read (steps {begin} – {end - 1})", fontsize=8)
    else:
        whole_steps(axes.xaxis)
        axes.tick_params(axis="x", labelsize=8)
        axes.set_xlabel("place in the sequence (step)", fontsize=8)


def _step_name(name: str) -> str:
    r"""A name in one short line, a space as a sign.

    Example:
        >>> _step_name(" "), _step_name("\n"), _step_name("incomprehensibilities")
        ('␣', '\\n', 'incomprehensi…')
    """
    shown = repr(name)[1:-1].replace(" ", "␣")
    return shown if len(shown) <= NAME else f"{shown[: NAME - 1]}…"


def draw_memory(memories: Mapping[str, Memory], *title: str) -> Figure:
    """How far a change of one input moves the output, against the distance."""
    figure = new_figure(8, 3.8, *title)
    axes = figure.subplots()
    for number, (name, memory) in enumerate(memories.items()):
        told = f"{memory.length}{' or more' if memory.whole else ''}"
        moved = memory.moved.clamp(min=1e-6)
        axes.plot(memory.distances, moved, label=f"{layers_of(name)}: {told} (steps)", **line_style(number))
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, LEFT / 5), max(high, 3.0))
    mark_level(axes, LEFT, f"{100 * LEFT:.0f} %: forgotten below")
    whole_steps(axes.xaxis)
    axes.set_xlabel("from the changed input to the output (steps)")
    axes.set_ylabel("how far the output moves\n(share of the last input's effect)")
    tidy(axes)
    return figure


def draw_history(history: History, *title: str) -> Figure:
    """Over training: the gradient's norm, the loss, the share of clipped steps."""
    figure = new_figure(8, 6.4, *title)
    norm, loss, clipped = panels = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 1.4))
    norm.plot(history.steps, history.norms, label="whole gradient", color="0.35", lw=0.9)
    for number, (name, norms) in enumerate(history.layers.items()):
        norm.plot(history.steps[: len(norms)], norms, label=name, **line_style(number))
    norm.set_yscale("log")
    low, high = norm.get_ylim()
    norm.set_ylim(low / max(1.0, 10**0.5 * (low / high) ** 0.5), high * max(1.0, 10**0.5 * (low / high) ** 0.5))
    norm.set_ylabel("norm before clipping\n(log scale)")
    loss.plot(history.steps, history.loss, **line_style(0))
    loss.set_ylabel("loss (nats)" if all(value >= 0 for value in history.loss) else "loss")
    loss.set_ylim(min([0.0, *history.loss]), None)
    clipped.plot(history.steps, [100 * share for share in history.clipped], **line_style(1))
    clipped.set_ylabel("clipped so far\n(% of steps)")
    clipped.set_ylim(-4, 104)
    clipped.set_xlabel("training (step)")
    whole_steps(clipped.xaxis)
    for axes in panels:
        tidy(axes)
        if history.diverged is not None:
            axes.axvline(history.diverged, color="0.2", lw=1.2, linestyle=":")
    if history.diverged is not None:
        norm.annotate(
            "broke off",
            (history.diverged, 1),
            (-4, -4),
            ("data", "axes fraction"),
            "offset points",
            ha="right",
            va="top",
        ).set_fontsize(8)
    return figure
