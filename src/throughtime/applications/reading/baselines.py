"""Figures that stand beside a model's, and what it means where the model's is the worse of the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from throughtime.figures import figure


@dataclass(frozen=True)
class Baseline:
    """A figure of a report that stands beside one of the model's.

    Attributes:
        figure: Name of the model's.
        name: Of the one beside it.
        means: What it means for this measure where the model's is the worse, in a sentence.
        higher: Whether more is better.
    """

    figure: str
    name: str
    means: str
    higher: bool = True

    def undercut(self, figures: Mapping[str, Any]) -> bool:
        """Whether a report has both, and the model's is the worse.

        Example:
            >>> Baseline("f1", "memory_f1", "").undercut({"f1": 20.0, "memory_f1": 30.0})
            True
        """
        model, other = figures.get(self.figure), figures.get(self.name)
        if model is None or other is None:
            return False
        return bool(model < other if self.higher else model > other)


def explained(baselines: Iterable[Baseline], figures: Mapping[str, Any]) -> list[str]:
    """A line for each figure that is worse than the one beside it.

    Example:
        >>> explained([Baseline("f1", "memory_f1", "more data help")], {"f1": 20.0, "memory_f1": 30.0})
        ['f1 20.0 % is worse than memory f1 30.0 %: more data help']
        >>> explained([Baseline("f1", "memory_f1", "more data help")], {"f1": 40.0, "memory_f1": 30.0})
        []
    """
    return [
        f"{_said(found.figure, figures)} is worse than {_said(found.name, figures)}: {found.means}"
        for found in baselines
        if found.undercut(figures)
    ]


def _said(name: str, figures: Mapping[str, Any]) -> str:
    return f"{name.replace('_', ' ')} {figure(name, float(figures[name]))}"
