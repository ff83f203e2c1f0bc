"""A genome as tracks: the probability of either strand along it, the regions found, those annotated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.pictures import COLOURS, new_figure, save_figure
from throughtime.runtime.dna.coding import Course
from throughtime.runtime.dna.fasta import Record
from throughtime.runtime.dna.regions import Region

ROW = 6000
"""Bases of a row, of a short genome; a longer one has more of them in each of :data:`ROWS`."""

ROWS = 8

POINTS = 1500
"""Most points of a row's curve: each is the mean of as many bases as it stands for."""

PLUS, MINUS, KNOWN = COLOURS[2], COLOURS[4], COLOURS[7]


def draw_genome(path: Path, record: Record, course: Course, regions: Sequence[Region], *title: str) -> None:
    """Draws what was found in a genome.

    The plus strand stands above the line, the minus strand below it.

    Args:
        path: The picture.
        record: The genome, with its annotation where it has one.
        course: What is said of every base.
        regions: What was made of that.
        title: Lines above it, after the record's name.
    """
    length = len(record.codes)
    rows = min(ROWS, max(1, math.ceil(length / ROW)))
    size = max(1, math.ceil(length / rows))
    figure = new_figure(14, 1.4 + 1.35 * rows, f"{record.name}: coding regions", *title)
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    for number, axis in enumerate(axes):
        begin, end = number * size, min(length, (number + 1) * size)
        at, plus = _binned(course.plus[begin:end])
        _, minus = _binned(course.minus[begin:end])
        axis.fill_between(begin + at + 1, 0, plus, color=PLUS, alpha=0.35, linewidth=0)
        axis.fill_between(begin + at + 1, 0, -minus, color=MINUS, alpha=0.35, linewidth=0)
        _bars(axis, regions, begin, end, 1.1, 0.22, None)
        if record.regions is not None:
            _bars(axis, record.regions, begin, end, 1.4, 0.22, KNOWN)
        axis.axhline(0, color="black", linewidth=0.6)
        axis.set_xlim(begin + 1, begin + size)
        axis.set_ylim(-1.7, 1.7)
        axis.set_yticks([-1, 0, 1], ["1", "0", "1"])
        axis.set_ylabel("probability\n(by strand)", fontsize=8)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.spines[["top", "right"]].set_visible(False)
    _legend(figure, record, end - begin > POINTS)
    axes[-1].set_xlabel("place (base)")
    save_figure(figure, path)


def _binned(values: npt.NDArray[np.float16]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Means of neighbours, and the middle of each: at most :data:`POINTS`."""
    size = max(1, math.ceil(len(values) / POINTS))
    starts = np.arange(0, len(values), size)
    counts = np.diff(np.append(starts, len(values)))
    return starts + (counts - 1) / 2, np.add.reduceat(values.astype(np.float64), starts) / counts


def _bars(axis: Any, regions: Sequence[Region], begin: int, end: int, at: float, height: float, colour: Any) -> None:
    """Regions as bars, those of the plus strand above and those of the minus strand below."""
    for strand in (1, -1):
        inside = [r for r in regions if r.strand == strand and r.begin < end and r.end > begin]
        spans = [(max(r.begin, begin) + 0.5, min(r.end, end) - max(r.begin, begin)) for r in inside]
        bottom = at if strand > 0 else -at - height
        axis.broken_barh(spans, (bottom, height), color=colour or (PLUS if strand > 0 else MINUS), linewidth=0.3)


def _legend(figure: Any, record: Record, binned: bool) -> None:
    from matplotlib.patches import Patch

    entries = [
        Patch(color=PLUS, label="found, + strand (above)"),
        Patch(color=MINUS, label="found, - strand (below)"),
        Patch(color=PLUS, alpha=0.35, label="probability" + (", mean of neighbours" if binned else "")),
    ]
    if record.regions is not None:
        entries.append(Patch(color=KNOWN, label="annotated"))
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries), frameon=False, fontsize=9)
