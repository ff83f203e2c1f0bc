"""A look inside a model: what was measured, the verdict, and the page that shows it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime.applications.task import Table, Trained, Wanted
from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.visible import in_line

if TYPE_CHECKING:
    from throughtime.inspection import Finding, Inspection


@dataclass(frozen=True)
class Look:
    """What was seen inside a model.

    Attributes:
        page: The page that shows it, which needs nothing beside it.
        inspection: All that was measured.
    """

    page: Path
    inspection: Inspection

    @property
    def findings(self) -> Sequence[Finding]:
        """The verdict: each has a ``kind``, a ``text`` and an ``advice``."""
        return self.inspection.findings

    @property
    def cells(self) -> Table:
        """A row for every cell: how far its gradients reach."""
        from throughtime.inspection.numbers import show_factor, show_number, show_reach

        columns = ["cell", "half-life (steps)", "factor a step", "1 % left after (steps)", "singular values"]
        rows = [
            [
                line["cell"],
                line["half_life_told"],
                show_number(line["factor"], ".3f"),
                show_reach(line["reach"], line["distance"]),
                f"{show_factor(line['smallest'])} – {show_factor(line['largest'])}",
            ]
            for line in self.inspection.by_cell()
        ]
        return Table("", columns, rows, columns[1:])

    @property
    def verdict(self) -> list[str]:
        """The findings, a line each."""
        return [found.text + (f"; what helps: {found.advice}" if found.advice else "") for found in self.findings]

    @property
    def data(self) -> dict[str, Any]:
        """All of it as plain data; what is no finite number is None."""
        found = self.inspection
        verdict = [{"kind": f.kind, "text": f.text, "advice": f.advice} for f in found.findings]
        memory = {name: {"length": m.length, "whole": m.whole} for name, m in found.memories.items()}
        result = {"page": str(self.page), "verdict": verdict, "cells": found.by_cell(), "gates": found.by_gate()}
        plain: dict[str, Any] = _plain({**result, "memory": memory})
        return plain

    def __str__(self) -> str:
        lines = map(in_line, [*self.verdict, "", f"the page: {self.page}"])
        return "\n".join([str(self.cells), "", *lines])

    def __repr__(self) -> str:
        return in_line(f"Look({', '.join(found.kind for found in self.findings)}; page={str(self.page)!r})")

    def _repr_html_(self) -> str:
        """For a notebook."""
        items = "".join(f"<li>{escape(in_line(line))}</li>" for line in self.verdict)
        return f"{self.cells._repr_html_()}<ul>{items}</ul><p>{escape(in_line(str(self.page)))}</p>"


def look(open_: Callable[[], Trained], wanted: Wanted, folder: Path, run: Path) -> Look:
    """Looks inside a model and writes the page.

    Args:
        open_: Loads the model.
        wanted: What to look at it by.
        folder: Of the page.
        run: The model folder.

    Raises:
        UserError: If matplotlib is missing, the page cannot be written, or the data are bad.
    """
    from throughtime.applications.folder.describing import describe_run
    from throughtime.applications.memory import is_nothing
    from throughtime.inspection import inspect, read_history, record, write_page

    if not is_nothing(wanted.data) and wanted.prompt is not None:
        raise UserError("expected --data or --prompt, not both")
    extra("matplotlib", "plots", "the page")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out: expected a folder, got the file {folder}")
    seen = open_().inspected(wanted)
    recording = record(seen.model, seen.batch)
    found = inspect(seen.model, recording, read_history(run / "metrics.jsonl"), seen.kind, seen.steps)
    return Look(write_page(found, folder, describe_run(run), seen.facts), found)


def _plain(value: Any) -> Any:
    """Plain data as JSON knows it: what is no finite number becomes null."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
