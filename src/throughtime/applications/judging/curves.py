"""How runs learnt, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from throughtime.applications.folder.describing import describe_runs
from throughtime.applications.task import Table
from throughtime.figures import unit_of
from throughtime.pictures import line_style, mark_level, new_figure, save_figure, tidy
from throughtime.training.metrics import read_metrics


def evaluations(run: Path) -> list[dict[str, Any]]:
    """Every evaluation of a run's log, oldest first."""
    return [event for event in read_metrics(run / "metrics.jsonl") if event["event"] == "evaluation"]


def figures(points: list[dict[str, Any]]) -> list[str]:
    """Names of what an evaluation measured, the figure that the task is known by first."""
    return [key for key in points[0] if key not in ("event", "step", "best", "seconds")]


def draw_learning(runs: Mapping[str, Path], picture: Path, chance: float | None = None) -> Table:
    """Draws the first figure of every run's evaluations over the steps; the last best one of each as a table.

    The axis begins at nothing, and what is a share of a hundred ends there: noise stays small.

    Args:
        runs: Folders by what to call them; a run that never was evaluated is left out.
        picture: The file.
        chance: What that figure is by guessing: a grey line, which says so.
    """
    found = {name: points for name, run in runs.items() if (points := evaluations(run))}
    name_of = next((figures(points)[0] for points in found.values()), "")
    figure = new_figure(8, 4.6, f"{_words(name_of)} on validation data while training", describe_runs(runs.values()))
    axes = figure.subplots()
    shown: list[str] = []
    rows: list[list[str | int | float]] = []
    lowest, highest = 0.0, chance or 0.0
    for number, (name, points) in enumerate(found.items()):
        shown = shown or figures(points)
        values = [p[shown[0]] for p in points]
        lowest, highest = min([lowest, *values]), max([highest, *values])
        axes.plot([p["step"] for p in points], values, label=name, **line_style(number))
        best = next(p for p in reversed(points) if p["best"])
        rows.append([name, best["step"], best["seconds"], *(best[key] for key in shown)])
    axes.set_xlim(0, None)
    axes.set_ylim(lowest, 102 if _unit(name_of) == "%" and highest <= 100 else 1.05 * highest or 1.0)
    if chance is not None:
        mark_level(axes, chance, f"guessing: {chance:.3g}")
    axes.set_xlabel("training (step)")
    axes.set_ylabel(f"{_words(name_of)} ({_unit(name_of)})")
    tidy(axes)
    save_figure(figure, picture)
    return Table("best by validation", ["cell", "step", "seconds", *(key.replace("_", " ") for key in shown)], rows)


def _words(figure: str) -> str:
    return figure.replace("_", " ")


def _unit(figure: str) -> str:
    """What a figure is counted in, for an axis.

    Example:
        >>> [_unit(name) for name in ("accuracy", "word_error", "squared_error", "nats_per_token", "mcc", "bleu")]
        ['%', '%', 'units²', 'nats', 'number', '%']
    """
    if figure.startswith("squared"):
        return "units²"
    if figure == "bleu":
        return "%"
    return "nats" if "nats" in figure.split("_") else unit_of(figure) or "number"
