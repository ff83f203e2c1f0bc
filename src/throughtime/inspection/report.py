"""Everything that is measured of a model, and what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from throughtime.inspection.gates import Saturation, saturation
from throughtime.inspection.gradients import Decay, Flow, gradients_through_time
from throughtime.inspection.history import History
from throughtime.inspection.jacobian import singular_values
from throughtime.inspection.memory import Memory, effective_memory
from throughtime.inspection.recording import Recording, Watched, evaluating
from throughtime.inspection.verdict import Finding, judge, reach
from throughtime.layers import Recurrent
from throughtime.models import Model


@dataclass(frozen=True)
class Inspection:
    """What was measured of a model.

    Attributes:
        cells: Every cell, layer by layer.
        row: The longest sequence, which is drawn.
        steps: What stands at each of its steps, by the name of the layer that reads it.
        flows: Gradients through time, of every cell.
        spectra: Steps and singular values of the recurrent Jacobian along it, of every cell.
        saturations: Of every cell's gates and states.
        memories: Of every recurrent layer of the model, by its name.
        history: Of the training.
        findings: The verdict.
        of_outputs: Gradients are those of the last layer's outputs: see :func:`throughtime.inspection.record`.
    """

    cells: Sequence[Watched]
    row: int
    steps: Mapping[str, Sequence[str]]
    flows: Sequence[Flow]
    spectra: Sequence[tuple[Tensor, Tensor]]
    saturations: Sequence[Sequence[Saturation]]
    memories: Mapping[str, Memory]
    history: History
    findings: Sequence[Finding]
    of_outputs: bool = False

    def by_cell(self) -> list[dict[str, Any]]:
        """A line for every cell, as plain data: half-life, factor a step, reach, median singular values.

        ``half_life`` and ``factor`` are those of the fitted line; ``half_life_told`` says as much of it as the curve
        bears out. ``reach`` is infinite where more than 1 % of the gradient is left at the longest ``distance``.
        """
        lines = []
        for flow, (_, values) in zip(self.flows, self.spectra, strict=True):
            curve = flow.by_distance()
            told = flow.tells_distance
            decay = curve.decay() if told else Decay(math.nan, math.nan)
            ends = values.median(0).values if len(values) else values.new_full((3,), math.nan)
            lines.append(
                {
                    "cell": flow.cell.name,
                    "half_life": decay.half_life,
                    "half_life_told": curve.half_life_told() if told else "–",
                    "factor": decay.factor,
                    "reach": reach(flow) if told else math.nan,
                    "distance": len(curve.norms) - 1,
                    "largest": float(ends[0]),
                    "smallest": float(ends[2]),
                }
            )
        return lines

    def by_gate(self) -> list[dict[str, Any]]:
        """A line for every gate and bounded state: mean, shares shut and open."""
        return [
            {"cell": cell.name, "gate": gate.name, "mean": gate.mean, "low": gate.low, "high": gate.high}
            for cell, gates in zip(self.cells, self.saturations, strict=True)
            for gate in gates
            if gate.bounded
        ]


def inspect(
    model: Model, recording: Recording, history: History, kind: str, steps: Mapping[str, Sequence[Sequence[str]]]
) -> Inspection:
    """Measures everything.

    Args:
        model: That was recorded.
        recording: Of :func:`throughtime.inspection.record`.
        history: Of the training.
        kind: Name of the kind of cell, which advice depends on.
        steps: What stands at each step of each sequence, by the name of the layer that reads it.
    """
    cells = recording.cells
    row = int(cells[0].lengths.argmax())
    flows = gradients_through_time(recording)
    saturations = [saturation(cell) for cell in cells]
    memories = _memories(model, cells)
    findings = judge(flows, saturations, memories, history, kind)
    spectra = [singular_values(cell, row) for cell in cells]
    drawn = {layer: rows[row] for layer, rows in steps.items() if row < len(rows)}
    return Inspection(cells, row, drawn, flows, spectra, saturations, memories, history, findings, recording.of_outputs)


def _memories(model: Model, cells: Sequence[Watched]) -> dict[str, Memory]:
    found = {}
    with evaluating(model):
        for name, layer in model.named_children():
            first = next((cell for cell in cells if cell.owner == name), None)
            if isinstance(layer, Recurrent) and first is not None and int(first.lengths.min()) > 0:
                found[name] = effective_memory(layer, first.inputs, first.lengths)
    return found
