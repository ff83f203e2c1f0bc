"""Reads a cell's step into a :class:`Program`, by running it once on values that write down what is done to them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

from throughtime.cells import Cell
from throughtime.program.graph import Program
from throughtime.program.values import CannotTrace, TracedMatrix, Tracer, Value
from throughtime.program.vocabulary import FUNCTIONS


def trace(
    cell: Cell,
    masks: Sequence[str] = (),
    keep: Mapping[str, float | None] | None = None,
    *,
    outer: bool = True,
    shows: bool = False,
) -> Program:
    """One step of a cell as a program.

    Args:
        cell: The equations.
        masks: Matrices whose operand recurrent dropout masks; each mask is the row-wise leaf ``mask W``.
        keep: Zoneout by state: a number, or None for drawn zeros and ones, the sequence leaf ``keep s``.
        outer: Products with the input are computed for all steps before the loop.
        shows: What the step returns beside the states is kept for every row and step.

    Raises:
        CannotTrace: With the operation that stops it.
    """
    cuts: dict[str, frozenset[int]] = {}
    while True:
        tracer = _traced(cell, masks, keep or {}, outer, shows, cuts)
        if not tracer.reduces or all(seen <= cuts.get(name, frozenset()) for name, seen in tracer.seen.items()):
            return tracer.program
        cuts = {name: seen | cuts.get(name, frozenset()) for name, seen in tracer.seen.items()}


def _traced(
    cell: Cell,
    masks: Sequence[str],
    keep: Mapping[str, float | None],
    outer: bool,
    shows: bool,
    cuts: Mapping[str, frozenset[int]],
) -> Tracer:
    """A step written down; ``cuts`` as in :class:`Tracer`."""
    tracer = Tracer(outer, FUNCTIONS, cuts)
    widths = cell.widths()
    state = {name: tracer.leaf("state", name, width) for name, width in widths.items()}
    parameters: dict[str, Any] = {}
    for name, declared in cell.parameters().items():
        if declared.role in ("input", "recurrent"):
            mask = tracer.leaf("rowwise", f"mask {name}", declared.features) if name in masks else None
            parameters[name] = TracedMatrix(tracer, name, declared, mask)
        elif len(declared.shape) > 1:
            raise CannotTrace(f"parameter {name} has {len(declared.shape)} dimensions and is no matrix by its role")
        else:
            parameters[name] = tracer.leaf("vector", name, math.prod(declared.shape))
    x = tracer.leaf("sequence", "x", cell.input_size)
    try:
        new: Any = cell.step(cast(Any, x), SimpleNamespace(**state), SimpleNamespace(**parameters))
    except (TypeError, AttributeError, ValueError, RuntimeError) as error:
        # what values cannot do: tensors can, or the reference engine raises it again
        raise CannotTrace(f"the step does what cannot be traced: {error}") from error
    names = new if isinstance(new, Mapping) else {}
    shown = {n: v for n, v in names.items() if isinstance(v, Value) and len(v.pieces) == 1 and _is_free(n, widths)}
    tracer.program.labels = {value.whole: name for name, value in shown.items()}
    tracer.program.output = cell.state[0]
    if shows:
        _show(tracer.program, {name: value for name, value in names.items() if name not in widths})
    for name, width in widths.items():
        value = new.get(name) if isinstance(new, Mapping) else None
        if not isinstance(value, Value) or value.width != width or value.squeezed:
            raise CannotTrace(f"the step returns no state {name!r} of {width} features")
        share = keep.get(name, 0.0)
        if share is None:
            drawn = tracer.leaf("sequence", f"keep {name}", width)
            value = tracer.apply("where", tracer.apply("gt", drawn, 0.0), state[name], value)
        elif share:
            value = tracer.apply(
                "add", tracer.apply("mul", share, state[name]), tracer.apply("mul", 1.0 - share, value)
            )
        tracer.program.state[name] = value.whole
    return tracer


def _show(program: Program, values: Mapping[str, Any]) -> None:
    """Keeps what a step returns beside the states."""
    for name, value in values.items():
        place = value.whole if isinstance(value, Value) and len(value.pieces) == 1 else None
        if place is None or (program.nodes[place].is_leaf and program.nodes[place].op != "outer"):
            raise CannotTrace(f"the step shows a {name!r} that is no single value made by it")
        program.shown[name] = place
    program.stores.extend(dict.fromkeys(program.shown.values()))


def _is_free(name: str, states: Mapping[str, int]) -> bool:
    """Whether a value may be called by the cell's name for it: no state, not the input, no number of another value."""
    return name.isidentifier() and name not in states and name != "x" and not re.fullmatch(r"v\d+", name)
