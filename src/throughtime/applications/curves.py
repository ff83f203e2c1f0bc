"""How runs learnt, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from throughtime.applications.task import Table
from throughtime.pictures import line_style, new_figure, save_figure
from throughtime.training.metrics import read_metrics


def evaluations(run: Path) -> list[dict[str, Any]]:
    """Every evaluation of a run's log, oldest first."""
    return [event for event in read_metrics(run / "metrics.jsonl") if event["event"] == "evaluation"]


def draw_learning(runs: Mapping[str, Path], picture: Path, chance: float | None = None) -> Table:
    """Draws the first figure of every run's evaluations over the steps; the last best one of each as a table.

    Args:
        runs: Folders by what to call them; a run that never was evaluated is left out.
        picture: The file.
        chance: What that figure is by guessing: a grey line.
    """
    found = {name: points for name, run in runs.items() if (points := evaluations(run))}
    figure = new_figure(7, 4)
    axes = figure.subplots()
    shown: list[str] = []
    rows: list[list[str | int | float]] = []
    for number, (name, points) in enumerate(found.items()):
        shown = shown or [key for key in points[0] if key not in ("event", "step", "best", "seconds")]
        axes.plot([p["step"] for p in points], [p[shown[0]] for p in points], label=name, **line_style(number))
        best = next(p for p in reversed(points) if p["best"])
        rows.append([name, best["step"], best["seconds"], *(best[key] for key in shown)])
    if chance is not None:
        axes.axhline(chance, color="0.5", lw=0.8)
    axes.set_xlabel("step of training")
    axes.set_ylabel(shown[0].replace("_", " ") if shown else "")
    axes.grid(color="0.88", lw=0.6)
    axes.legend(fontsize=8, frameon=False)
    save_figure(figure, picture)
    return Table("best by validation", ["cell", "step", "seconds", *(key.replace("_", " ") for key in shown)], rows)
