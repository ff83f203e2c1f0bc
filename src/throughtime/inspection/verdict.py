"""What the figures say, in words, and what helps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from throughtime.inspection.gates import Saturation
from throughtime.inspection.gradients import Flow
from throughtime.inspection.history import History
from throughtime.inspection.memory import Memory
from throughtime.inspection.numbers import layers_of

LOST = 0.01
"""A gradient has vanished where this share of it is left."""

GROWN = 100.0
"""It explodes where it grows by this factor over the sequence."""

OFTEN = 0.5
"""Share of clipped steps from which on clipping is the rule."""

SHUT = 0.9
"""Share of saturated values from which on a gate is stuck."""

SHORT = 20
"""Steps below which a sequence tells nothing of what longer ones would need."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: ``"vanishes"``, ``"explodes"``, ``"stuck"``, ``"clipped"`` or ``"healthy"``.
        text: What was found, and where.
        advice: What helps; empty where nothing is wrong.
    """

    kind: str
    text: str
    advice: str = ""


def first_norm(flow: Flow) -> float:
    """What a curve is measured by: where a pooling looks at other steps, the last one's own gradient may be small."""
    return float(flow.by_distance().norms[:2].max())


def reach(flow: Flow) -> float:
    """Steps from which on a gradient stays below :data:`LOST` of what it was; infinite where it is never so small."""
    curve = flow.by_distance()
    there = (curve.counts > 0).nonzero().squeeze(1)
    left = (curve.norms[there] > LOST * first_norm(flow)).nonzero()
    last = int(left[-1]) if len(left) else -1
    return float(there[last + 1]) if last + 1 < len(there) else math.inf


def _longest(flow: Flow) -> int:
    """The longest distance that was looked at."""
    return len(flow.by_distance().norms) - 1


def judge(
    flows: Sequence[Flow],
    saturations: Sequence[Sequence[Saturation]],
    memories: Mapping[str, Memory],
    history: History,
    kind: str,
) -> list[Finding]:
    """Every finding, the gravest first; at least one.

    Args:
        flows: Of every cell.
        saturations: Of every cell.
        memories: Of every recurrent layer, by its name.
        history: Of the training.
        kind: Name of the kind of cell.
    """
    pairs = list(zip(flows, saturations, strict=True))
    stuck = [found for flow, gates in pairs if not _keeps(flow, memories) for found in _stuck(flow.cell.name, gates)]
    findings = [*_explosions(flows, history), *_vanishing(flows, kind), *stuck, *_clipping(history)]
    return findings or [Finding("healthy", _health(flows, memories))]


def _health(flows: Sequence[Flow], memories: Mapping[str, Memory]) -> str:
    """How far gradients and memory reach, beside how far was looked."""
    told = [f"{flow.cell.name}: {_reached(flow)}" for flow in flows if flow.tells_distance]
    for name, memory in memories.items():
        far = f"all {memory.length}" if memory.whole else f"{memory.length} of {int(memory.distances.max())}"
        told.append(f"memory ({layers_of(name)}): {far} steps")
    spans = [_longest(flow) for flow in flows if flow.tells_distance]
    short = spans and max(spans) < SHORT
    return (
        f"healthy: 1 % of a gradient or more is left over at least half of the sequences ({'; '.join(told)})"
        f"{'; sequences this short tell nothing of longer ones' if short else ''}"
    )


def _reached(flow: Flow) -> str:
    longest, far = _longest(flow), reach(flow)
    return f"all {longest} steps" if math.isinf(far) else f"{far:.0f} of {longest} steps"


def _keeps(flow: Flow, memories: Mapping[str, Memory]) -> bool:
    """Whether a cell's gradient and memory last: then gates that are always open or shut are how it keeps them."""
    memory = memories.get(flow.cell.owner)
    lasts = flow.tells_distance and math.isinf(reach(flow))
    return lasts and memory is not None and 2 * memory.length > int(memory.distances.max())


def _explosions(flows: Sequence[Flow], history: History) -> list[Finding]:
    advice = f"clip gradients by norm (--clip-norm {_round(history.norm_above(0.5))}), lower --lr, start orthogonal"
    findings = []
    if history.diverged is not None:
        findings.append(Finding("explodes", f"explodes: training broke off at step {history.diverged}", advice))
    for flow in flows:
        norms, first = flow.by_distance().norms, first_norm(flow)
        grown = float(norms.max()) / first if first > 0 else 0.0
        if flow.tells_distance and grown > GROWN:
            text = f"{flow.cell.name}: gradients are {grown:,.3g} times as large {int(norms.argmax())} steps back"
            findings.append(Finding("explodes", f"explodes: {text}", advice))
    return findings


def _vanishing(flows: Sequence[Flow], kind: str) -> list[Finding]:
    findings = []
    for flow in flows:
        if not flow.tells_distance:
            continue
        longest, far = _longest(flow), reach(flow)
        if far < longest / 2:
            text = f"{flow.cell.name}: 1 % of a gradient is left after {far:.0f} steps of {longest}"
            advice = f"if the data reach further back, {_remedy(kind, longest)}"
            findings.append(Finding("vanishes", f"vanishes after about {far:.0f} steps ({text})", advice))
    return findings


def _remedy(kind: str, longest: int) -> str:
    if kind == "rnn":
        return "take a gated cell (--cell lstm or gru)"
    bias = "raise the forget gate's bias" if kind.startswith("lstm") else "let the gates keep more"
    return (
        f"{bias} at the start (--cell-option memory={longest + 1}), truncate running text later (--bptt), or train on: "
        "gates learn to keep"
    )


def _stuck(name: str, gates: Sequence[Saturation]) -> list[Finding]:
    return [
        Finding(
            "stuck",
            f"stuck: {name}: {found.name} is at its bounds in {100 * found.share:.0f} % of all steps "
            f"(low {100 * found.low:.0f} %, high {100 * found.high:.0f} %), where it hardly learns",
            "lower --lr, add weight decay, or start with smaller weights",
        )
        for found in gates
        if found.bounded and found.share > SHUT
    ]


def _clipping(history: History) -> list[Finding]:
    if history.clipped_share <= OFTEN:
        return []
    usual, high = (_round(history.norm_above(share)) for share in (0.5, 0.9))
    text = f"clipped: {100 * history.clipped_share:.0f} % of the steps; the usual norm is {usual}"
    return [Finding("clipped", text, f"clip what is unusual alone (--clip-norm {high}), or lower --lr")]


def _round(norm: float) -> str:
    """A norm as one would write it on a command line; 1 where none is known.

    Example:
        >>> _round(3.14159), _round(float("nan"))
        ('3.1', '1')
    """
    return f"{norm:.2g}" if math.isfinite(norm) and norm > 0 else "1"
