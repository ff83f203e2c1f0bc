"""The ratios as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from throughtime.bench.rows import Row, shape_label
from throughtime.pictures import COLOURS, MARKS, check_picture, new_figure, save_figure


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Draws every ratio, a panel a part and peer, a line a shape, a mark a cell, and writes the PNG.

    Raises:
        UserError: As :func:`check_picture` does.
    """
    check_picture(path, "--plot")
    rows: Sequence[Row] = [row for row in result["rows"] if row["peers"]]
    panels: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        for peer in row["peers"]:
            panels.setdefault((row["what"], peer), []).append(row)
    shapes = [len({shape_label(row) for row in found}) for found in panels.values()] or [1]
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    height = 1.3 + sum(0.28 * count + 0.95 for count in shapes)
    machine = result["machine"]
    figure = new_figure(
        10.0,
        height,
        "How many times faster than the peer, in memory smaller, with the same weights and threads",
        f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}",
        f"{result['date']}, commit {result['commit'] or 'unknown'}",
    )
    axes = figure.subplots(len(shapes), 1, squeeze=False, height_ratios=[count + 2 for count in shapes])[:, 0]
    for axis, ((what, peer), found) in zip(axes, panels.items(), strict=False):
        _panel(axis, what, peer, found, cells)
    axes[-1].set_xlabel("the peer's figure by ours (ratio, log scale)", fontsize=8)
    if not panels:
        axes[0].text(0.5, 0.5, "nothing here has a peer", ha="center", va="center")
        axes[0].set_axis_off()
    save_figure(figure, path)


def _panel(axis: Any, what: str, peer: str, rows: Sequence[Row], cells: Sequence[str]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    shapes = list(dict.fromkeys(shape_label(row) for row in rows))
    present = [cell for cell in cells if any(row["cell"] == cell for row in rows)]
    for place, cell in enumerate(present):
        mine = [row for row in rows if row["cell"] == cell]
        ratio = [row["peers"][peer]["ratio"] for row in mine]
        middle = [one["median"] for one in ratio]
        # Cells of one shape stand a little apart, so that no mark hides another.
        shift = (place - (len(present) - 1) / 2) * 0.7 / max(len(present), 1)
        heights = [shapes.index(shape_label(row)) + shift for row in mine]
        spread = [[one["median"] - one["q1"] for one in ratio], [one["q3"] - one["median"] for one in ratio]]
        number = cells.index(cell)
        style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKS[number % len(MARKS)]}
        axis.errorbar(middle, heights, xerr=spread, label=cell, linestyle="none", markersize=5, lw=1, **style)
    axis.axvline(1.0, color="0.4", lw=1)
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, 0.5), max(high, 2.0))  # never so near that noise looks large
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}×"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_yticks(range(len(shapes)), shapes, fontsize=7)
    axis.set_ylabel("sizes (B, T)", fontsize=7)
    axis.set_ylim(len(shapes) - 0.5, -0.5)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", color="0.85", lw=0.6)
    axis.set_axisbelow(True)
    axis.set_title(f"{what}, against {peer}", fontsize=9, loc="left")
    axis.set_title(f"left of 1×: {peer} is ahead; right: throughtime", fontsize=8, loc="right")
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
