"""A compiled cell for people to read: the step and its derivative as they were laid out, and the text made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch

from throughtime.cells import Cell
from throughtime.engine.call import EngineError
from throughtime.engine.compiled.cellcode import Compiled, Side, Use, compile_cell
from throughtime.engine.compiled.llvm.build import assembly, available, processor
from throughtime.engine.compiled.loop import TYPES
from throughtime.engine.compiled.plan import Sweep
from throughtime.program import CannotTrace

Form = Literal["plan", "llvm", "assembly"]


def generated_code(
    cell: Cell, *, form: Form = "plan", dtype: torch.dtype = torch.float32, training: bool = True
) -> str:
    """What the compiled engine makes of a cell.

    Args:
        cell: The equations.
        form: ``"plan"`` for the step and its derivative in stages, ``"llvm"`` for the text handed to LLVM,
            ``"assembly"`` for the processor's instructions.
        dtype: float32 or float64.
        training: With the backward loop, and a forward loop that keeps what it needs.

    Raises:
        EngineError: If the cell cannot be compiled; names the operation that stops it.
    """
    compiled = available() or _compile(Use(cell, TYPES[dtype], trains=training))
    if isinstance(compiled, str):
        raise EngineError(f"{type(cell).__name__} cannot be compiled: {compiled}; it runs on the reference")
    sides = {"forward": compiled.forward} | ({"backward": compiled.backward} if compiled.backward else {})
    if form == "plan":
        bodies = {name: "\n".join(_plan(compiled, side)) for name, side in sides.items()}
    else:
        texts = {name: side.emitted.text for name, side in sides.items()}
        texts["what every cell calls"] = compiled.forward.emitted.library
        bodies = {name: text if form == "llvm" else assembly(text) for name, text in texts.items()}
    lanes = compiled.forward.target.lanes
    mark = {"plan": "", "llvm": "; ", "assembly": "# "}[form]
    made_for = "" if form == "plan" else f", for {processor().name}, {lanes} numbers a vector"
    return "\n\n".join(f"{mark}{type(cell).__name__}, {name}{made_for}\n\n{body}" for name, body in bodies.items())


def _compile(use: Use) -> Compiled | str:
    """A cell compiled, or the reason why it is not."""
    try:
        return compile_cell(use)
    except CannotTrace as reason:
        return str(reason)


def _plan(compiled: Compiled, side: Side) -> Iterator[str]:
    program, slots = side.plan.program, side.plan.slots
    if compiled.once.places and side is compiled.forward:
        yield "once a call"
        yield from (f"    {line}" for line in compiled.once.lines())
        yield ""
    outers = program.places("outer")
    if outers:
        yield "products with the inputs, for many steps at once"
        for place in sorted(outers, key=lambda place: slots[place]):
            yield f"    slot {slots[place]} = {program.nodes[place].block} @ x"
        yield ""
    barriers, stage = side.plan.barriers(), None
    for sweep in side.plan.sweeps:
        if sweep.stage != stage:
            stage = sweep.stage
            yield f"stage {stage}" + (", when all units of the stage before are there" if stage in barriers else "")
        yield f"  for each row, {sweep.width} units"
        yield from _sweep(side, sweep)
    names = [name for name in program.state if name not in side.plan.in_place]
    if names:
        yield f"kept for every step: {', '.join(names)}"
    yield f"tape: {len(compiled.widths)} slots, {sum(compiled.widths)} numbers for each row and step"


def _sweep(side: Side, sweep: Sweep) -> Iterator[str]:
    program, slots = side.plan.program, side.plan.slots

    def show(place: int) -> str:
        return f"slot {slots[place]}" if place in side.plan.given else program.show(place)

    for place in [*sweep.products, *sweep.values]:
        yield f"    {program.show(place)} = {program.right(place, show)}"
    for place, slot in sweep.keeps:
        yield f"    slot {slot} = {show(place)}"
    for place, slot in sweep.notes:
        yield f"    note {slot} = {show(place)}"
    for place, slot in sweep.reduces:
        yield f"    note {slot} = each vector's part of {program.show(place)}"
    for name in sweep.states:
        yield f"    {program.made(name)} = {show(program.state[name])}"
    for name in sweep.sums:
        yield f"    gradient of {name} += {show(program.sums[name])}"
