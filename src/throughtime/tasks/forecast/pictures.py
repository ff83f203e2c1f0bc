"""Forecasts drawn as fans: the end of the history, the median, bands, and what came, if it is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.pictures import COLOURS, new_figure, save_figure, whole_steps
from throughtime.tasks.forecast.fans import Fan

MOST = 6
"""Panels of a picture."""

NAME = 60
"""Letters of a series' name above its panel, at most."""

TAIL = 3
"""Horizons of history that are drawn at most, and some steps more where horizons are short."""

SHADES = {0.95: "#C6DCEB", 0.8: "#8DB9D8", 0.5: "#4A90C2"}
"""Of bands, by share: each is told from its neighbour in grey, too."""


def draw_forecasts(path: Path, fans: Sequence[Fan], *title: str, unit: str = "as in the data") -> None:
    """Draws a panel a series, up to :data:`MOST`; the title says how many more there are.

    Args:
        path: The file; see :func:`throughtime.pictures.check_picture`.
        fans: The forecasts.
        title: Lines above the picture.
        unit: Of the values.
    """
    shown = list(fans[:MOST])
    more = [f"the first {len(shown)} of {len(fans):,} series"] if len(fans) > len(shown) else []
    wide = 1 if len(shown) < 3 else 2
    tall = -(-len(shown) // wide)
    figure = new_figure(8.0 * wide if wide == 1 else 6.5 * wide, 0.6 + 3.4 * tall, *title, *more)
    panels = figure.subplots(tall, wide, squeeze=False).ravel()
    for axes, fan in zip(panels, shown, strict=False):
        draw_fan(axes, fan)
        axes.set_ylabel(f"value ({unit})")
        if len(fans) > 1 or not title:
            axes.set_title(fan.name if len(fan.name) <= NAME else f"{fan.name[: NAME - 1]}…", fontsize=9)
    for axes in panels[len(shown) :]:
        axes.remove()
    named = {
        label: line
        for axes in panels[: len(shown)]
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(named.values(), named.keys(), fontsize=8, frameon=False, loc="outside lower center", ncols=len(named))
    save_figure(figure, path)


def draw_fan(axes: Any, fan: Fan) -> None:
    """Draws one forecast: bands from the last value on, the widest the lightest, and the median dashed."""
    horizon = len(fan.quantiles)
    tail = min(len(fan.history), max(TAIL * horizon, 24))
    steps = fan.steps()
    past, ahead = steps[len(fan.history) - tail : len(fan.history)], steps[len(fan.history) :]
    history = fan.history[len(fan.history) - tail :]
    joined = len(history) > 0 and not np.isnan(history[-1])
    at = np.concatenate([past[-1:], ahead]) if joined else ahead
    begin = history[-1:] if joined else history[:0]
    for share, low, high in fan.bands():
        if (colour := SHADES.get(share)) is not None:
            edges = [np.concatenate([begin, edge]) for edge in (low, high)]
            axes.fill_between(at, *edges, color=colour, lw=0, label=f"{100 * share:g} % band")
            for edge in edges:
                axes.plot(at, edge, color="white", lw=0.6)
    axes.plot(past, history, color=COLOURS[0], lw=1.3, label="history")
    alone = _alone(history)
    axes.plot(past[alone], history[alone], color=COLOURS[0], lw=0, marker=".", markersize=3)
    axes.plot(at, np.concatenate([begin, fan.median]), color="#08306B", lw=1.8, linestyle="--", label="median")
    if fan.actual is not None:
        axes.plot(
            ahead,
            fan.actual,
            color=COLOURS[1],
            lw=1.1,
            marker="o",
            markersize=3.2,
            markeredgecolor="black",
            markeredgewidth=0.5,
            label="what came",
        )
    if len(past):
        axes.axvline(past[-1], color="0.4", lw=0.9, linestyle=":")
    axes.grid(color="0.88", lw=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    _name_time(axes, fan)


def _name_time(axes: Any, fan: Fan) -> None:
    if not fan.has_times:
        axes.set_xlabel("time (step)")
        whole_steps(axes.xaxis)
        return
    from matplotlib import dates

    locator: Any = dates.AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlabel("time (of the calendar)")


def _alone(values: Any) -> Any:
    """Which values have no neighbour, so that no line reaches them."""
    missing = np.isnan(np.concatenate([[np.nan], values, [np.nan]]))
    return ~missing[1:-1] & missing[:-2] & missing[2:]
