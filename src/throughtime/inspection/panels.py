"""The figures of an inspection, each with a line on what it shows, one on what is healthy, and words for beginners."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from throughtime.inspection.figures import draw_gates, draw_gradients, draw_history, draw_memory, draw_singular_values
from throughtime.inspection.report import Inspection

if TYPE_CHECKING:
    from matplotlib.figure import Figure


OF_LOSSES = "The norm of ∂L<t>/∂a<s> against the distance t − s, a mean over sequences: its share of the nearest one."
OF_OUTPUTS = (
    "The norm of ∂(r·a<t>)/∂a<s> against the distance t − s, a mean over sequences, as a share of that at the nearest "
    "steps: this model's loss reads all steps of a sequence at once, and so a random direction r of the last layer's "
    "output at step t stands in its place."
)

# What each figure means, for who sees one for the first time.
GRADIENTS = (
    "A network learns from its errors: each error is sent back through the steps before it and tells the network what "
    "to change there. The curve shows how much of that signal is left after so many steps back. Where it has fallen "
    "below 1 % nothing is learnt from what was read that long ago; the half-life says after how many steps half of the "
    "signal is left."
)
MEMORY = (
    "One word (or frame, or note) of the input is replaced by another, and the curve shows how much the output still "
    "changes, by how long ago that word was. At 1 it matters as much as the last one; below 5 % the network has "
    "practically forgotten it."
)
JACOBIAN = (
    "From one step to the next the network's state is stretched in some directions and squeezed in others; singular "
    "values say by what factor. Near 1 a memory, and the signal to learn from it, lasts; far below 1 it fades within "
    "a few steps; far above 1 it may grow out of hand."
)
GATES = (
    "Each row is one unit, each column one step of the input; bright is high, dark is low. A gate near 1 lets all "
    "through and near 0 nothing. Columns that change where the input does show what the network reacts to; a row that "
    "never changes carries nothing."
)
TRAINING = (
    "The norm is the size of the change that each training step asks for. Spikes are unusual examples or a learning "
    "rate that is too high. Clipping cuts a change that is larger than --clip-norm: it should be the exception."
)


@dataclass(frozen=True)
class Panel:
    """A figure.

    Attributes:
        name: Of its file, without suffix.
        title: Above it.
        shows: What it shows.
        healthy: What is healthy.
        means: What it means, for a beginner.
        figure: As matplotlib has it.
        equations: What its letters stand for; empty where nothing tells.
    """

    name: str
    title: str
    shows: str
    healthy: str
    means: str
    figure: Figure
    equations: str = ""


def equations_of(cell: Any) -> str:
    """What the letters of a cell stand for: the first block of its docstring that ``::`` sets apart, if there is one.

    Example:
        >>> from throughtime.cells import RNNCell
        >>> equations_of(RNNCell(1, 1))
        'h<t> = g(W_x x<t> + W_h h<t-1> + b),    g = tanh or relu'
    """
    _, _, rest = (inspect.getdoc(type(cell)) or "").partition("::\n")
    lines = takewhile(lambda line: not line.strip() or line.startswith(" "), rest.splitlines())
    return inspect.cleandoc("\n".join(lines))


def draw_panels(inspection: Inspection, of: str) -> list[Panel]:
    """Every figure that there is something to draw of.

    Args:
        inspection: What was found.
        of: What is looked at: the second line of each figure's title.
    """
    return list(_panels(inspection, of))


def _panels(found: Inspection, of: str) -> Iterator[Panel]:
    yield Panel(
        "gradients",
        title := "Gradients through time",
        OF_OUTPUTS if found.of_outputs else OF_LOSSES,
        "Healthy: flat, or falling slowly beside the dependencies in the data. A fall below 1 % vanishes; a rise to a "
        "hundred times explodes; a lower hill shows where the loss looks.",
        GRADIENTS,
        draw_gradients(found.flows, title, of),
    )
    if found.memories:
        yield Panel(
            "memory",
            title := "Effective memory",
            "How far a change of one input still moves the output, as a share of what a change of the last one does.",
            "Healthy: above the grey line (5 %) for as long as the data ask for.",
            MEMORY,
            draw_memory(found.memories, title, of),
        )
    pairs = zip(found.cells, found.spectra, strict=True)
    spectra = [(cell.name, at, values) for cell, (at, values) in pairs if len(at)]
    if spectra:
        yield Panel(
            "jacobian",
            title := "The recurrent Jacobian",
            "The largest, median and smallest singular value of ∂s<t>/∂s<t−1> along the longest sequence.",
            "Healthy: the largest near 1; where it stays below, every gradient vanishes; above, it may explode.",
            JACOBIAN,
            draw_singular_values(spectra, title, of),
        )
    for number, cell in enumerate(found.cells, 1):
        if int(cell.lengths[found.row]):
            yield Panel(
                f"gates-{number}",
                title := f"Gates and states: {cell.name}",
                f"{', '.join(cell.names)} at every step of the longest sequence; at most 64 units.",
                "Healthy: units that differ and change with the input; stripes that never change carry nothing.",
                GATES,
                draw_gates(cell, found.row, found.steps.get(cell.owner, ()), title, of),
                equations_of(cell.directed.cell),
            )
    if found.history.steps:
        yield Panel(
            "training",
            title := "Training",
            "The gradient's norm before clipping, the loss, and the share of clipped steps so far.",
            "Healthy: a norm that settles; clipping now and then, not always.",
            TRAINING,
            draw_history(found.history, title, of),
        )
