"""A run in a few words: for the title of a page or a picture."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from throughtime.pictures import short_name
from throughtime.plain import read_json, resolved


def describe_run(run: Path) -> str:
    """A run by its folder, task and model: ``runs/first (text: lstm, 2 × 256 units)``.

    Raises:
        UserError: If its config.json is missing or damaged.
    """
    return f"{short_name(resolved(run))} ({_described(read_json(run / 'config.json'), cell=True)})"


def describe_runs(runs: Iterable[Path]) -> str:
    """What runs have in common that differ in their cell: ``runs/adding (adding: 1 × 128 units)``.

    Raises:
        UserError: If a config.json is missing or damaged.
    """
    first = next(iter(runs))
    return f"{short_name(resolved(first).parent)} ({_described(read_json(first / 'config.json'), cell=False)})"


def describe_model(task: str, settings: Any) -> str:
    """A model by its task and settings: ``video: gru, 2 × 64 units``."""
    return _described({"task": task, "settings": settings.model_dump()}, cell=True)


def _described(config: dict[str, Any], cell: bool) -> str:
    settings = config.get("settings")
    values = settings if isinstance(settings, dict) else {}
    model = [str(values["cell"])] if cell and "cell" in values else []
    if "hidden" in values:
        model.append(f"{values.get('layers', 1)} × {values['hidden']} units")
    return f"{config.get('task')}: {', '.join(model)}" if model else str(config.get("task"))
