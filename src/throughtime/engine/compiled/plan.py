"""Lays a program out: which value is computed when, in which sweep over the units, and where it is kept.

A step is cut into stages. A product needs whole rows of its operand, so it opens a stage after the one that computes
the operand; everything else follows unit by unit. Units of one width in one stage make a sweep. Values that outlive
their sweep get a slot in the tape, a row of ``slots`` for every row and step; slots are used again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from throughtime.program import Program


@dataclass
class Sweep:
    """One pass over the units of one width.

    Attributes:
        stage: Its stage in the step.
        width: Features.
        products: Products that it computes first.
        values: Arithmetic that it computes after them, in order.
        keeps: Values that it writes to the tape, with their slots.
        states: States that it writes.
        sums: Parameter vectors whose gradient it adds to.
    """

    stage: int
    width: int
    products: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    keeps: list[tuple[int, int]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    sums: list[str] = field(default_factory=list)


@dataclass
class Tape:
    """The slots of a row of the tape, one after the other.

    Attributes:
        widths: Features of each slot.
        last_read: The last stage of the running step that reads what lies in a slot; a later store may take it.
    """

    widths: list[int] = field(default_factory=list)
    last_read: list[float] = field(default_factory=list)

    def add(self, width: int, last_read: float) -> int:
        """A new slot."""
        self.widths.append(width)
        self.last_read.append(last_read)
        return len(self.widths) - 1

    def offset(self, slot: int) -> int:
        """Features before a slot."""
        return sum(self.widths[:slot])

    def offsets(self) -> list[int]:
        """Features before each slot."""
        return [self.offset(slot) for slot in range(len(self.widths))]

    def take(self, widths: list[int], stage: int) -> int:
        """The first of slots side by side of these widths that are free in a stage, new ones where there are none."""
        for first in range(len(self.widths) - len(widths) + 1):
            span = slice(first, first + len(widths))
            if self.widths[span] == widths and all(read <= stage for read in self.last_read[span]):
                return first
        first = len(self.widths)
        for width in widths:
            self.add(width, -1)
        return first


@dataclass
class Plan:
    """A program laid out.

    Attributes:
        program: The values.
        sweeps: In the order in which they run.
        slots: For each value on the tape its slot, or one of them.
        given: Leaves that lie on the tape beforehand.
        operands: For each group of values that a product reads from the tape, side by side, the first slot.
        in_place: States that are held for the running step alone, not for every step.
    """

    program: Program
    sweeps: list[Sweep]
    slots: dict[int, int]
    given: frozenset[int]
    operands: dict[tuple[int, ...], int]
    in_place: tuple[str, ...]

    def barriers(self) -> set[int]:
        """Stages that begin when all units of the stage before are written: those with products."""
        return {sweep.stage for sweep in self.sweeps if sweep.products}

    def fuses(self) -> bool:
        """Whether each product with the inputs serves the arithmetic of one sweep alone, which then may compute it."""
        program = self.program
        elsewhere = {*program.state.values(), *program.stores, *(p for group in self.operands for p in group)}
        for place in program.places("outer"):
            users = [sweep for sweep in self.sweeps if any(place in program.nodes[v].args for v in sweep.values)]
            if len(users) != 1 or place in elsewhere:
                return False
        return True


def lay_out(program: Program, tape: Tape, given: dict[str, int], in_place: tuple[str, ...]) -> Plan:
    """Plans a program.

    Args:
        program: The step.
        tape: Slots so far; grows.
        given: Slots of what lies on the tape beforehand: products before the loop by their block, others by name.
        in_place: States held for the running step alone; the others have a history, which products may read.
    """
    return _Layout(program, tape, given, in_place).plan


class _Layout:
    def __init__(self, program: Program, tape: Tape, given: dict[str, int], in_place: tuple[str, ...]) -> None:
        self.program = program
        self.tape = tape
        self.alive = program.reachable()
        self.in_place = in_place
        self.stages = self._stages()
        self.groups = self._operands()
        self.operands: dict[tuple[int, ...], int] = {}
        self.slots: dict[int, int] = {}
        self.sweeps: dict[tuple[int, int], Sweep] = {}
        for place in self.alive:
            node = program.nodes[place]
            if not node.is_leaf:
                sweep = self._sweep(place)
                (sweep.products if node.op == "product" else sweep.values).append(place)
        self._given(given)
        leaves = frozenset(self.slots)
        self._place(self._leave())
        sweeps = [self.sweeps[key] for key in sorted(self.sweeps)]
        self.plan = Plan(program, sweeps, self.slots, leaves, self.operands, in_place)

    def _stages(self) -> dict[int, int]:
        stages: dict[int, int] = {}
        for place in self.alive:
            node = self.program.nodes[place]
            stages[place] = max((stages[arg] for arg in node.args), default=0)
            if node.op == "product" and not all(self._is_ready(arg) for arg in node.args):
                stages[place] += 1
        return stages

    def _is_ready(self, place: int) -> bool:
        """Whether a product may read a value as it came into the step."""
        node = self.program.nodes[place]
        return (node.op == "state" and node.name not in self.in_place) or (node.op == "sequence" and node.name == "x")

    def _operands(self) -> list[tuple[int, ...]]:
        """What products read from the tape: groups of values side by side."""
        products = [self.program.nodes[p] for p in self.alive if self.program.nodes[p].op == "product"]
        groups = (node.args for node in products if not all(self._is_ready(arg) for arg in node.args))
        return list(dict.fromkeys(groups))

    def _sweep(self, place: int, stage: int | None = None) -> Sweep:
        stage = self.stages[place] if stage is None else stage
        width = self.program.nodes[place].width
        return self.sweeps.setdefault((stage, width), Sweep(stage, width))

    def _readers(self, place: int) -> list[int]:
        """Stages that read a value unit by unit."""
        nodes = self.program.nodes
        return [self.stages[p] for p in self.alive if place in nodes[p].args and nodes[p].op != "product"]

    def _given(self, given: dict[str, int]) -> None:
        for place in self.alive:
            node = self.program.nodes[place]
            name = str(node.block) if node.op == "outer" else node.name
            if node.op in ("sequence", "outer") and name in given:
                slot = self.slots[place] = given[name]
                leaves = [*self.program.state.values(), *self.program.sums.values(), *self.program.stores]
                leaves += [operand for group in self.groups for operand in group]
                # what leaves the step as it came is read where it is written; that may be late
                late = float("inf") if place in leaves else max(self._readers(place), default=-1)
                self.tape.last_read[slot] = max(self.tape.last_read[slot], late)

    def _leave(self) -> dict[int, int]:
        """Writes states and sums down in the sweeps that make them; gives what must be kept, with its stage."""
        kept = {place: self.stages[place] for place in self.program.stores if place not in self.slots}
        for name, stage in self._writes().items():
            place = self.program.state[name]
            self._sweep(place, stage).states.append(name)
            if stage > self.stages[place] and not self.program.nodes[place].is_leaf:
                kept[place] = self.stages[place]
        for name, place in self.program.sums.items():
            self._sweep(place).sums.append(name)
        for place in self.alive:
            node = self.program.nodes[place]
            if not node.is_leaf and any(stage > self.stages[place] for stage in self._readers(place)):
                kept[place] = self.stages[place]
        return kept

    def _writes(self) -> dict[str, int]:
        """The stage in which each state is written: not before the last that reads the old value, where it is the same
        memory; other states that take the old value read it, too.
        """
        state, nodes = self.program.state, self.program.nodes
        stages = {name: self.stages[place] for name, place in state.items()}
        olds = {name: self.program.leaf("state", name, nodes[state[name]].width) for name in self.in_place}
        while True:
            late = dict(stages)
            for name, old in olds.items():
                takers = [stages[other] for other, place in state.items() if place == old and other != name]
                late[name] = max([late[name], *self._readers(old), *takers])
            if late == stages:
                return stages
            stages = late

    def _place(self, kept: dict[int, int]) -> None:
        """Gives each kept value its slot; operands of one product lie side by side, and may be kept twice for it."""
        for group in self.groups:
            if len(group) == 1 and group[0] in self.slots:
                self.operands[group] = self.slots[group[0]]
            else:
                self.operands[group] = self._store(group)
        for place in kept:
            if place not in self.slots:
                self._store((place,))

    def _store(self, group: tuple[int, ...]) -> int:
        first = self.tape.take(
            [self.program.nodes[place].width for place in group], min(self.stages[place] for place in group)
        )
        for slot, place in enumerate(group, first):
            self.slots.setdefault(place, slot)
            self.tape.last_read[slot] = float("inf")
            self._sweep(place).keeps.append((place, slot))
        return first
