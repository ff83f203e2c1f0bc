"""Lays a program out: which value is computed when, in which sweep over the units, and where it is kept.

A step is cut into stages. A product needs whole rows of its operand, so it opens a stage after the one that computes
the operand; everything else follows unit by unit. Units of one width in one stage make a sweep. Values that outlive
their sweep get a slot in the tape, a row of ``slots`` for every row and step; slots are used again.

A reduction is cut in two. The sweep that has its operand reduces each group of units to one number, which it writes
to a slot of such numbers; a sweep of one unit, a stage later, reduces these, always in the same order. What is spread
from one unit over a row is no value of its own: a later stage reads it where the one stands. As a row is then walked
over several times, what is cheap is computed where it is used, as often as it is, and what only the running step needs
lies on a desk, a row of slots for every row, which stays in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from throughtime.engine.compiled.demand import Demand
from throughtime.program import REDUCTIONS, Program


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
        notes: Values that it writes to the desk, with their slots.
        reduces: Reductions of which it writes a number for every group of units, with the slot of the desk.
    """

    stage: int
    width: int
    products: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    keeps: list[tuple[int, int]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    sums: list[str] = field(default_factory=list)
    notes: list[tuple[int, int]] = field(default_factory=list)
    reduces: list[tuple[int, int]] = field(default_factory=list)


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
        desk: Slots of the desk.
        notes: For each value on the desk its slot.
        partials: For each reduction the slot of the desk with the numbers that it reduces.
    """

    program: Program
    sweeps: list[Sweep]
    slots: dict[int, int]
    given: frozenset[int]
    operands: dict[tuple[int, ...], int]
    in_place: tuple[str, ...]
    desk: Tape = field(default_factory=Tape)
    notes: dict[int, int] = field(default_factory=dict)
    partials: dict[int, int] = field(default_factory=dict)

    def barriers(self) -> set[int]:
        """Stages that begin when all units of the stage before are written: those with products, and all where one unit
        is made of many or read by many.
        """
        crosses = bool(self.partials or self.program.places("spread"))
        return {sweep.stage for sweep in self.sweeps if sweep.products or crosses}

    def fuses(self) -> bool:
        """Whether each product with the inputs serves the arithmetic of one sweep alone, which then may compute it."""
        program = self.program
        elsewhere = {*program.state.values(), *program.stores, *(p for group in self.operands for p in group)}
        for op in ("spread", *REDUCTIONS):
            elsewhere |= {arg for place in program.places(op) for arg in program.nodes[place].args}
        for place in program.places("outer"):
            users = [sweep for sweep in self.sweeps if any(place in program.nodes[v].args for v in sweep.values)]
            if len(users) != 1 or place in elsewhere:
                return False
        return True


def lay_out(program: Program, tape: Tape, given: dict[str, int], in_place: tuple[str, ...], group: int) -> Plan:
    """Plans a program.

    Args:
        program: The step.
        tape: Slots so far; grows.
        given: Slots of what lies on the tape beforehand: products before the loop by their block, others by name.
        in_place: States held for the running step alone; the others have a history, which products may read.
        group: Units that a reduction makes one number of.
    """
    return _Layout(program, tape, given, in_place, group).plan


class _Layout:
    def __init__(
        self, program: Program, tape: Tape, given: dict[str, int], in_place: tuple[str, ...], group: int
    ) -> None:
        self.program = program
        self.tape = tape
        self.group = group
        self.alive = program.reachable()
        self.in_place = in_place
        self.stages = self._stages()
        self.groups = self._operands()
        self.operands: dict[tuple[int, ...], int] = {}
        self.slots: dict[int, int] = {}
        self.sweeps: dict[tuple[int, int], Sweep] = {}
        self.crosses = any(program.nodes[place].op in ("spread", *REDUCTIONS) for place in self.alive)
        self.desk = Tape()
        self.notes: dict[int, int] = {}
        for place, stage in self._computed():
            sweep = self._sweep(place, stage)
            (sweep.products if program.nodes[place].op == "product" else sweep.values).append(place)
        self._given(given)
        leaves = frozenset(self.slots)
        partials = self._reduce()
        self._place(self._leave())
        sweeps = [self.sweeps[key] for key in sorted(self.sweeps)]
        self.plan = Plan(program, sweeps, self.slots, leaves, self.operands, in_place, self.desk, self.notes, partials)

    def _stages(self) -> dict[int, int]:
        stages: dict[int, int] = {}
        for place in self.alive:
            node = self.program.nodes[place]
            stages[place] = max((stages[arg] for arg in node.args), default=0)
            waits = {
                "product": not all(self._is_ready(arg) for arg in node.args),
                "spread": not all(self.program.nodes[arg].is_leaf for arg in node.args),
                **dict.fromkeys(REDUCTIONS, True),
            }
            stages[place] += waits.get(node.op, False)
        return stages

    def _computed(self) -> list[tuple[int, int]]:
        """What is computed, with the stage."""
        nodes = self.program.nodes
        if self.crosses:
            return sorted(Demand(self.program, self.stages, self.groups).found)
        return [(place, self.stages[place]) for place in self.alive if not nodes[place].is_leaf]

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
        """Stages that read a value unit by unit; what is read across units is read until the stage after."""
        spreads = {p for p in self.program.places("spread") if place in self.program.nodes[p].args}
        found = [self.stages[spread] + 1 for spread in spreads]
        for sweep in self.sweeps.values():
            read = self._read(sweep)
            found += [sweep.stage] * (place in read) + [sweep.stage + 1] * (not spreads.isdisjoint(read))
        return found

    def _read(self, sweep: Sweep) -> set[int]:
        """What the arithmetic of a sweep reads and does not compute."""
        nodes = self.program.nodes
        reduced = [place for place, _ in sweep.reduces]
        users = [place for place in sweep.values if nodes[place].op not in REDUCTIONS]
        return {arg for place in [*reduced, *users] for arg in nodes[place].args} - {*sweep.values, *sweep.products}

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

    def _reduce(self) -> dict[int, int]:
        """Gives each reduction a slot for what each group of units of its operand comes to."""
        partials = {}
        for op in REDUCTIONS:
            for place in self.program.places(op):
                (arg,) = self.program.nodes[place].args
                width = self.program.nodes[arg].width
                slot = partials[place] = self.desk.add(4 * -(-width // (4 * self.group)), float("inf"))  # whole vectors
                self._sweep(arg).reduces.append((place, slot))
        return partials

    def _leave(self) -> dict[int, float]:
        """Writes states and sums down in the sweeps that make them; gives what must be kept, with the last stage that
        reads it.
        """
        kept = {place: float("inf") for place in self.program.stores if place not in self.slots}
        for name, stage in self._writes().items():
            place = self.program.state[name]
            self._sweep(place, stage).states.append(name)
            late = [*self._spread_from(place), place][0]
            if stage > self.stages[place] and not self.program.nodes[late].is_leaf:
                kept[late] = max(kept.get(late, 0), stage + 1)
        for name, place in self.program.sums.items():
            self._sweep(place).sums.append(name)
        for place in self.alive:
            node = self.program.nodes[place]
            if node.op == "spread" or node.is_leaf:
                continue
            last = max(self._readers(place), default=-1)
            if last > self.stages[place]:
                kept[place] = max(kept.get(place, 0), last)
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
                takers += [stages[other] + 1 for other, place in state.items() if (old,) == self._spread_from(place)]
                late[name] = max([late[name], *self._readers(old), *takers])
            if late == stages:
                return stages
            stages = late

    def _spread_from(self, place: int) -> tuple[int, ...]:
        node = self.program.nodes[place]
        return node.args if node.op == "spread" else ()

    def _place(self, kept: dict[int, float]) -> None:
        """Gives each kept value its slot; operands of one product lie side by side, and may be kept twice for it."""
        for group in self.groups:
            if len(group) == 1 and group[0] in self.slots:
                self.operands[group] = self.slots[group[0]]
            else:
                self.operands[group] = self._store(group)
        for place in kept:
            if place not in self.slots and (kept[place] == float("inf") or not self.crosses):
                self._store((place,))
        for place in sorted(kept, key=lambda place: self.stages[place]):
            if place not in self.slots:
                self._note(place, kept[place])

    def _note(self, place: int, last_read: float) -> None:
        stage = self.stages[place]
        slot = self.notes[place] = self.desk.take([self.program.nodes[place].width], stage)
        self.desk.last_read[slot] = last_read
        self._sweep(place).notes.append((place, slot))

    def _store(self, group: tuple[int, ...]) -> int:
        first = self.tape.take(
            [self.program.nodes[place].width for place in group], min(self.stages[place] for place in group)
        )
        for slot, place in enumerate(group, first):
            self.slots.setdefault(place, slot)
            self.tape.last_read[slot] = float("inf")
            self._sweep(place).keeps.append((place, slot))
        return first
