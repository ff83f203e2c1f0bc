"""The figures of an inspection, each with a line on what it shows and one on what is healthy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughtime.inspection.figures import draw_gates, draw_gradients, draw_history, draw_memory, draw_singular_values
from throughtime.inspection.report import Inspection

if TYPE_CHECKING:
    from matplotlib.figure import Figure


OF_LOSSES = "The norm of ∂L<t>/∂a<s> against the distance t − s, a mean over sequences, with its exponential fit."
OF_OUTPUTS = (
    "The norm of ∂(r·a<t>)/∂a<s> against the distance t − s, a mean over sequences, with its exponential fit: this "
    "model's loss reads all steps of a sequence at once, and so a random direction r of the last layer's output at "
    "step t stands in its place."
)


@dataclass(frozen=True)
class Panel:
    """A figure.

    Attributes:
        name: Of its file, without suffix.
        title: Above it.
        shows: What it shows.
        healthy: What is healthy.
        figure: As matplotlib has it.
    """

    name: str
    title: str
    shows: str
    healthy: str
    figure: Figure


def draw_panels(inspection: Inspection) -> list[Panel]:
    """Every figure that there is something to draw of."""
    return list(_panels(inspection))


def _panels(found: Inspection) -> Iterator[Panel]:
    yield Panel(
        "gradients",
        "Gradients through time",
        OF_OUTPUTS if found.of_outputs else OF_LOSSES,
        "Healthy: flat, or falling slowly beside the dependencies in the data; a steep fall vanishes, a rise explodes.",
        draw_gradients(found.flows),
    )
    if found.memories:
        yield Panel(
            "memory",
            "Effective memory",
            "How far a change of one input still moves the output, as a share of what a change of the last one does.",
            "Healthy: above the grey line (5 %) for as long as the data ask for.",
            draw_memory(found.memories),
        )
    pairs = zip(found.cells, found.spectra, strict=True)
    spectra = [(cell.name, at, values) for cell, (at, values) in pairs if len(at)]
    if spectra:
        yield Panel(
            "jacobian",
            "The recurrent Jacobian",
            "The largest, median and smallest singular value of ∂s<t>/∂s<t−1> along the longest sequence.",
            "Healthy: the largest near 1; where it stays below, every gradient vanishes; above, it may explode.",
            draw_singular_values(spectra),
        )
    for number, cell in enumerate(found.cells, 1):
        if int(cell.lengths[found.row]):
            yield Panel(
                f"gates-{number}",
                f"Gates and states: {cell.name}",
                f"{', '.join(cell.names)} at every step of the longest sequence; at most 64 units.",
                "Healthy: units that differ and change with the input; stripes that never change carry nothing.",
                draw_gates(cell, found.row, found.steps.get(cell.owner, ())),
            )
    if found.history.steps:
        yield Panel(
            "training",
            "Training",
            "The gradient's norm before clipping, the loss, and the share of clipped steps so far.",
            "Healthy: a norm that settles; clipping now and then, not always.",
            draw_history(found.history),
        )
