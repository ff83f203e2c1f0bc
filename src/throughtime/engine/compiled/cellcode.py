"""A cell compiled: its plans, their text, their machine code; made once for each cell, number type and use."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor

from throughtime.cells import Cell
from throughtime.engine.call import untold
from throughtime.engine.compiled.llvm import small
from throughtime.engine.compiled.llvm.build import Code, available, build, target
from throughtime.engine.compiled.llvm.emit import emit
from throughtime.engine.compiled.llvm.heads import Windows
from throughtime.engine.compiled.llvm.vectors import Target
from throughtime.engine.compiled.plan import Plan, Tape, lay_out
from throughtime.program import Block, Derived, Once, Slice, beforehand, derive, histories, hoist, trace, with_scales

ARITHMETIC = 4
"""What an operation on a number costs, in multiply-adds of a product: it waits for memory."""


@dataclass(frozen=True)
class Use:
    """What one compilation serves.

    Attributes:
        cell: The equations.
        type: ``"float"`` or ``"double"``.
        trains: Keeps what the backward step needs.
        masks: Matrices under recurrent dropout.
        keep: Zoneout by state: a share, or None where zeros and ones are drawn.
        outer: Products with the inputs are computed before the loop.
        weights: What matrices are kept in.
        records: Hands out every state and gate of every step.
        stays: Products before the loop stay on the tape, and nothing is written over them.
    """

    cell: Cell
    type: str
    trains: bool
    masks: tuple[str, ...] = ()
    keep: tuple[tuple[str, float | None], ...] = ()
    outer: bool = True
    records: bool = False
    weights: str = "float32"
    stays: bool = False


class Weights(NamedTuple):
    """A block of a matrix: the fields that point to it and to its packed form, and where in their buffers these are."""

    field: int
    pack: int
    matrix: str
    offset: int
    start: int


@dataclass(frozen=True, eq=False)
class Headed:
    """A block with heads, which a call packs before the code runs: the field that points to its packed form, where
    that begins, the place in the matrix of each of its numbers, and its windows, which the code reads.
    """

    pack: int
    matrix: str
    start: int
    places: Tensor
    windows: Windows


@dataclass(frozen=True)
class Small:
    """A block in fewer bits without heads, which is packed before the code runs, too."""

    pack: int
    start: int
    block: Block


class Side:
    """One direction of a compiled cell: the plan, its text, and what a run must know of it.

    Attributes:
        plan: The program laid out.
        emitted: Its text.
        target: The processor.
        index: Where each field stands in the frame.
        buffers: For each buffer of rows the fields of its address and of its stride.
        blank: A frame with everything filled in that does not depend on the call.
        masks: Buffers that are a part of a row-wise leaf, the leaf, and its first feature there.
        vectors: Parts of parameter vectors, each with the field that points to it.
        weights: What a call fills in of the matrices.
        headed, small: Likewise of those that come packed: with heads, and in fewer bits.
        room: Numbers in the packed matrices.
        outers: Products before the loop, in the order of their fields.
        work, outer_work: Multiply-adds of a row and a step, in the loop and before it.
        outer_width: Features of the products before the loop.
        fuses: Whether each step may compute them itself.
        arithmetic: What the arithmetic of a row and a step costs, in multiply-adds.
        panels: Panels of the narrowest product, or of the narrowest sweep where the loop has no product.
        meetings: Barriers of a step.
    """

    def __init__(self, plan: Plan, cell: Cell, offsets: list[int], kind: Target) -> None:
        self.plan, self.target = plan, kind
        self.emitted = emit(plan, kind)
        self.index = {name: i for i, name in enumerate(self.emitted.fields)}
        self.buffers = {
            name.removesuffix(" stride"): (self.index.get(name.removesuffix(" stride")), self.index.get(name))
            for name in self.index
            if name.endswith(" stride")
        }
        masks = [Slice.of(name, 0) for name in self.buffers if name.startswith("mask ")]
        self.masks = [(mask.name, mask.parameter, mask.start) for mask in masks]
        self.blank = (ctypes.c_int64 * len(self.emitted.fields))()
        nodes = plan.program.nodes
        outers = [nodes[place].block for place in plan.program.places("outer")]
        self.outers = [block for block in outers if block is not None]
        products = [nodes[place].block for sweep in plan.sweeps for place in sweep.products]
        inner = [block for block in products if block is not None]
        vectors = [Slice.of(nodes[place].name, nodes[place].width) for place in plan.program.places("vector")]
        self.vectors = [(self.index[name], part) for part in vectors if (name := f"vector {part.name}") in self.index]
        self.work = sum(block.rows * block.columns for block in inner)
        self.outer_work = sum(block.rows * block.columns for block in self.outers)
        self.outer_width = sum(block.rows for block in self.outers)
        self.fuses = plan.fuses()
        units = [block.units for block in inner] or [sweep.width for sweep in plan.sweeps]
        self.panels = min((-(-width // kind.panel) for width in units), default=1)
        self.arithmetic = ARITHMETIC * sum(sweep.width * len(sweep.values) for sweep in plan.sweeps)
        self.meetings = len(plan.barriers())
        self.room = 0
        self.weights: list[Weights] = []
        self.headed: list[Headed] = []
        self.small: list[Small] = []
        for name, width in self.emitted.sizes.items():
            self.blank[self.index[name]] = width
        for slot, offset in enumerate(offsets):
            if f"slot {slot}" in self.index:
                self.blank[self.index[f"slot {slot}"]] = offset
        for slot, offset in enumerate(plan.desk.offsets()):
            if f"note {slot}" in self.index:
                self.blank[self.index[f"note {slot}"]] = offset
        shapes = {name: declared.shape for name, declared in cell.parameters().items()}
        for i, block in enumerate(inner):
            if block.heads > 1:
                self._heads(f"product {i}", block, *shapes[block.matrix])
            else:
                self._weights(f"product {i}", block, shapes[block.matrix][1])
        for i, block in enumerate(self.outers):
            self._weights(f"outer {i}", block, shapes[block.matrix][1])

    def _weights(self, name: str, block: Block, columns: int) -> None:
        fields = {"weights stride": columns, "depth": block.depth}
        for field, value in fields.items():
            if f"{name} {field}" in self.index:
                self.blank[self.index[f"{name} {field}"]] = value
        pack = self.index[f"{name} pack"]
        if self.target.is_small:
            self.small.append(Small(pack, self.room, block))
        else:
            offset = block.row * columns + block.column
            self.weights.append(Weights(self.index[f"{name} weights"], pack, block.matrix, offset, self.room))
        self.room += -(-block.units // self.target.panel) * self.target.panel * block.depth

    def _heads(self, name: str, block: Block, rows: int, columns: int) -> None:
        windows = Windows.of(block, columns, rows, self.target.panel)
        fields = {"depth": windows.depth, "starts": windows.starts.data_ptr(), "gate": windows.gate}
        for field, value in fields.items():
            if f"{name} {field}" in self.index:
                self.blank[self.index[f"{name} {field}"]] = value
        places = windows.packed.view(-1, self.target.panel)[:, small.order(self.target)].flatten()
        self.headed.append(Headed(self.index[f"{name} pack"], block.matrix, self.room, places, windows))
        self.room += len(places)

    @functools.cached_property
    def code(self) -> Code:
        """The machine code."""
        return build(self.emitted.text, self.emitted.library)


@dataclass(frozen=True, eq=False)
class Compiled:
    """A cell compiled.

    Attributes:
        use: What for.
        forward: The loop.
        backward: Its derivative, where it trains.
        derived: Which value is the gradient of which.
        widths: Features of the tape's slots.
        offsets: Features before each slot.
        histories: States that are held for every step.
        gates: Columns of the tape where the forward loop leaves what it hands out beside the states.
        once: What a call computes before its steps.
    """

    use: Use
    forward: Side
    backward: Side | None
    derived: Derived | None
    widths: tuple[int, ...]
    offsets: list[int]
    histories: tuple[str, ...]
    gates: Mapping[str, slice]
    once: Once

    @property
    def seen(self) -> tuple[str, ...]:
        """States and gates that are handed out for every step."""
        return (*self.histories, *self.gates) if self.use.records else ()


def no_code(cell: Cell) -> str | None:
    """Why there is none for a cell, whatever its step: nothing compiles here, or its options cannot be told apart."""
    return available() or untold(cell)


@functools.lru_cache(maxsize=256)
def compile_cell(use: Use) -> Compiled:
    """Traces, derives, lays out and writes down; machine code is built at the first run.

    Raises:
        CannotTrace: With the operation that stops it.
    """
    program = trace(use.cell, use.masks, dict(use.keep), outer=use.outer, shows=use.records)
    program, once = hoist(program)
    if use.weights == "int8":
        program = with_scales(program)
    others = {name: place for name, place in program.state.items() if name != program.output} | program.shown
    derived = derive(program, others if use.records else {}) if use.trains else None
    if derived is not None:
        program.stores.extend(derived.kept.values())
    held = tuple(program.state) if use.records else histories(program, derived)
    tape = Tape()
    given = {str(block): tape.add(block.rows, float("inf") if use.stays else -1) for block in beforehand(program)}
    in_place = tuple(name for name in program.state if name not in held)
    kind = replace(target(use.type), weights=use.weights)
    plan = lay_out(program, tape, given, in_place, kind.group)
    if derived is None:
        offsets = tape.offsets()
        forward = Side(plan, use.cell, offsets, kind)
        return Compiled(use, forward, None, None, tuple(tape.widths), offsets, held, _columns(plan, offsets), once)
    back = Tape(tape.widths, [-1.0] * len(tape.widths))
    for place in program.places("product"):
        for arg in program.nodes[place].args:
            if (arg,) in plan.operands:  # the gradient of the matrix is taken from it after the loop
                back.last_read[plan.operands[arg,]] = float("inf")
    kept = {name: plan.slots[place] for name, place in derived.kept.items()}
    laid = lay_out(derived.backward, back, kept, tuple(derived.backward.state), kind.group)
    offsets = back.offsets()
    forward, backward = (Side(each, use.cell, offsets, kind) for each in (plan, laid))
    gates = _columns(plan, offsets)
    return Compiled(use, forward, backward, derived, tuple(back.widths), offsets, held, gates, once)


def _columns(plan: Plan, offsets: list[int]) -> dict[str, slice]:
    """Where the forward loop leaves what the step shows."""
    starts = {name: (offsets[plan.slots[place]], place) for name, place in plan.program.shown.items()}
    return {name: slice(start, start + plan.program.nodes[place].width) for name, (start, place) in starts.items()}
