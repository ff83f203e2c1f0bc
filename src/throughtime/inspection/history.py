"""What a run's log tells of its gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from throughtime.errors import UserError
from throughtime.training.metrics import read_metrics


@dataclass(frozen=True)
class History:
    """Loss and gradients over training.

    Attributes:
        steps: Numbers of the steps that were logged.
        loss: At each of them.
        norms: The gradient's norm before clipping.
        clipped: Share of all steps so far that were clipped.
        layers: The norm of every recurrent layer, of runs that were trained with ``--watch``.
        diverged: The step at which training broke off, if it did.
    """

    steps: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    clipped: list[float] = field(default_factory=list)
    layers: dict[str, list[float]] = field(default_factory=dict)
    diverged: int | None = None

    @property
    def clipped_share(self) -> float:
        """Of the whole run."""
        return self.clipped[-1] if self.clipped else 0.0

    def norm_above(self, share: float) -> float:
        """The norm that so large a share of the logged steps stays below; no number where nothing was logged.

        Example:
            >>> History(norms=[3.0, 1.0, 2.0, 9.0]).norm_above(0.5)
            3.0
        """
        ordered = sorted(self.norms)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else math.nan


def read_history(path: str | Path) -> History:
    """Reads a run's ``metrics.jsonl``; a run that was not trained has none, a killed one's last line may be cut."""
    found = History()
    diverged = None
    for event in read_metrics(Path(path)):
        if event.get("event") == "diverged":
            diverged = int(event["step"])
        elif event.get("event") == "step":
            diverged = None  # it was resumed, and went on
            try:
                _add(found, event)
            except (AttributeError, KeyError, TypeError) as error:
                raise UserError(
                    f"{path}: step {event['step']} lacks a figure ({error}); the file is damaged"
                ) from error
    return History(found.steps, found.loss, found.norms, found.clipped, found.layers, diverged)


def _add(history: History, event: Mapping[str, Any]) -> None:
    history.steps.append(int(event["step"]))
    history.loss.append(float(event["loss"]))
    history.norms.append(float(event["grad_norm"]))
    history.clipped.append(float(event["clipped_share"]))
    for name, norm in event.get("layers", {}).items():
        values = history.layers.setdefault(name, [math.nan] * (len(history.steps) - 1))
        values.append(float(norm))
