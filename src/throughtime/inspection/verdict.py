"""What the figures say, in words, and what helps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from throughtime.inspection.gates import Saturation
from throughtime.inspection.gradients import Flow
from throughtime.inspection.history import History
from throughtime.inspection.memory import Memory

LOST = 0.01
"""A gradient has vanished where this share of it is left."""

GROWN = 100.0
"""It explodes where it grows by this factor over the sequence."""

OFTEN = 0.5
"""Share of clipped steps from which on clipping is the rule."""

SHUT = 0.9
"""Share of saturated values from which on a gate is stuck."""


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


def reach(flow: Flow) -> float:
    """Steps until a gradient has fallen to :data:`LOST` of what it was; infinite where it never does.

    Read off the curve while it is long enough, off the fitted line beyond.
    """
    curve = flow.by_distance()
    norms = curve.norms
    # Where a pooling looks at other steps, the last one's own gradient may be small.
    first = norms[:2].max()
    below = (norms <= LOST * first).nonzero()
    if len(below):
        return float(below[0])
    return max(curve.decay().half_life * math.log2(1 / LOST), float(len(norms)))


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
    stuck = [found for flow, gates in zip(flows, saturations, strict=True) for found in _stuck(flow.cell.name, gates)]
    findings = [*_explosions(flows, history), *_vanishing(flows, kind), *stuck, *_clipping(history)]
    if findings:
        return findings
    told = [f"{flow.cell.name}: {_steps(reach(flow))}" for flow in flows if flow.tells_distance]
    told += [f"an input is remembered for {m.length}{' or more' if m.whole else ''} steps" for m in memories.values()]
    return [Finding("healthy", f"healthy: gradients reach as far as the sequences go ({'; '.join(told)})")]


def _explosions(flows: Sequence[Flow], history: History) -> list[Finding]:
    advice = f"clip gradients by norm (--clip-norm {_round(history.norm_above(0.5))}), lower --lr, start orthogonal"
    findings = []
    if history.diverged is not None:
        findings.append(Finding("explodes", f"explodes: training broke off at step {history.diverged}", advice))
    for flow in flows:
        curve = flow.by_distance()
        decay, longest = curve.decay(), len(curve.norms) - 1
        if decay.slope > 0 and decay.slope * longest > math.log(GROWN):
            text = f"{flow.cell.name}: gradients grow by {decay.factor:.3g} a step, {longest} steps back"
            findings.append(Finding("explodes", f"explodes: {text}", advice))
    return findings


def _vanishing(flows: Sequence[Flow], kind: str) -> list[Finding]:
    findings = []
    for flow in flows:
        if not flow.tells_distance:
            continue
        longest, far = len(flow.by_distance().norms) - 1, reach(flow)
        if far < longest / 2:
            text = f"{flow.cell.name}: 1 % of a gradient is left after {far:.0f} steps of {longest}"
            advice = f"if the data reach further back, {_remedy(kind, longest)}"
            findings.append(Finding("vanishes", f"vanishes after about {far:.0f} steps ({text})", advice))
    return findings


def _remedy(kind: str, longest: int) -> str:
    if kind == "rnn":
        return "take a gated cell (--cell lstm or gru)"
    bias = "raise the forget gate's bias" if kind.startswith("lstm") else "let the gates keep more"
    return f"{bias} at the start (--cell-option memory={longest + 1}), truncate later, or train on: gates learn to keep"


def _stuck(name: str, gates: Sequence[Saturation]) -> list[Finding]:
    return [
        Finding(
            "stuck",
            f"stuck: {name}: {100 * found.share:.0f} % of {found.name} is saturated, and passes no gradient",
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


def _steps(count: float) -> str:
    return f"{count:,.0f} steps" if math.isfinite(count) else "without end"


def _round(norm: float) -> str:
    """A norm as one would write it on a command line; 1 where none is known.

    Example:
        >>> _round(3.14159), _round(float("nan"))
        ('3.1', '1')
    """
    return f"{norm:.2g}" if math.isfinite(norm) and norm > 0 else "1"
