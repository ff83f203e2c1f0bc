"""The values of a program side by side: what one node of a graph computes together.

A program has a value for every gate; a graph runs faster with one node for all of them. Values are a pack where the
same operation makes them of neighbouring parts of the same packs: products of one operand with neighbouring rows of a
matrix, then sums of these, then what is done to both of two gates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from throughtime.program import REDUCTIONS, Block, Node, Program, Slice


@dataclass(frozen=True)
class Part:
    """Features of a pack; ``spread`` where it is one feature, which stands for ``width`` of them."""

    pack: int
    start: int
    width: int
    spread: bool = False

    @property
    def stop(self) -> int:
        """The feature after it."""
        return self.start + (1 if self.spread else self.width)


@dataclass
class Pack:
    """Values that one node makes.

    Attributes:
        node: The first value's; of a leaf or a product the one that stands for all.
        width: Features of all of them.
        args: What it is made of.
        read: The parts of it that are used, start and stop.
    """

    node: Node
    width: int
    args: tuple[Part, ...]
    read: set[tuple[int, int]] = field(default_factory=set)


@dataclass
class Packs:
    """A program in packs, arguments before their users.

    Attributes:
        packs: By number.
        state: For each carried state what it becomes.
    """

    packs: list[Pack]
    state: dict[str, Part]

    @classmethod
    def of(cls, program: Program) -> Packs:
        """Packs the values of a program.

        Example:
            The sums of both gates are one, and so are their sigmoids:

            >>> from throughtime.cells import SimplifiedGRUCell
            >>> from throughtime.program import trace
            >>> [pack.node.op for pack in Packs.of(trace(SimplifiedGRUCell(2, 3))).packs if pack.width == 6]
            ['outer', 'vector', 'product', 'add', 'add']
        """
        packing = _Packing(program)
        state = {name: packing.part(place) for name, place in program.state.items()}
        found = cls(packing.packs, state)
        for part in (*(part for pack in found.packs for part in pack.args), *state.values()):
            found.packs[part.pack].read.add((part.start, part.stop))
        return found

    def outer(self) -> Iterator[tuple[int, Pack]]:
        """The packs that are known for all steps before the loop, with their numbers."""
        return ((number, pack) for number, pack in enumerate(self.packs) if pack.node.op == "outer")

    def reads_input(self) -> bool:
        """Whether the step needs the input itself."""
        return any(pack.node.op == "sequence" for pack in self.packs)


class _Packing:
    """Packs level by level: what a value is made of lies below it."""

    def __init__(self, program: Program) -> None:
        self.nodes = program.nodes
        self.packs: list[Pack] = []
        self.homes: dict[int, Part] = {}
        levels: dict[int, int] = {}
        for place in program.reachable():
            levels[place] = 1 + max((levels[arg] for arg in self.nodes[place].args), default=-1)
        for _, level in groupby(sorted(levels, key=levels.__getitem__), levels.__getitem__):
            alike: dict[Any, list[_Candidate]] = {}
            for place in level:
                if self.nodes[place].op != "spread":
                    candidate = self._candidate(place)
                    alike.setdefault(candidate.kind, []).append(candidate)
            for candidates in alike.values():
                for run in _runs(sorted(candidates, key=lambda candidate: candidate.starts)):
                    self._pack(run)

    def part(self, place: int) -> Part:
        """Where a value lies; what is spread lies where the one feature does."""
        node = self.nodes[place]
        if node.op != "spread":
            return self.homes[place]
        return replace(self.part(node.args[0]), width=node.width, spread=True)

    def _candidate(self, place: int) -> _Candidate:
        node = self.nodes[place]
        args = tuple(self.part(arg) for arg in node.args)
        kind: tuple[Any, ...]
        if node.op == "vector":
            vector = Slice.of(node.name, node.width)
            kind = ("vector", node.name if vector.spread else vector.parameter)
            return _Candidate(place, kind, (vector.start,), 1 if vector.spread else node.width, args)
        if node.op in ("constant", "count"):
            return _Candidate(place, ("number", place), (), 1, args)
        if node.op in ("outer", "product"):
            block = node.block
            assert block is not None
            across = (block.row, block.rows) if block.transposed else (block.column, block.columns)
            kind = (node.op, block.matrix, block.transposed, block.heads, across, args)
            return _Candidate(place, kind, (block.column if block.transposed else block.row,), node.width, args)
        if node.is_leaf or node.op in REDUCTIONS:
            return _Candidate(place, ("alone", place), (), node.width, args)
        whole = tuple(part for part in args if not part.spread)
        kind = (node.op, tuple((part.pack, part.spread, part.spread and part.start) for part in args))
        return _Candidate(place, kind, tuple(part.start for part in whole), node.width if whole else 1, args)

    def _pack(self, run: list[_Candidate]) -> None:
        first, width = run[0], sum(candidate.width for candidate in run)
        node = self.nodes[first.place]
        if node.block is not None:
            node = replace(node, block=_joined(node.block, [self.nodes[candidate.place].block for candidate in run]))
        if node.op in REDUCTIONS or node.op == "product":
            args = first.args
        else:
            args = tuple(replace(part, width=width) for part in first.args)
        start = 0
        for candidate in run:
            own = self.nodes[candidate.place].width
            self.homes[candidate.place] = Part(len(self.packs), start, own, spread=own != candidate.width)
            start += candidate.width
        self.packs.append(Pack(node, width, args))


@dataclass(frozen=True)
class _Candidate:
    """A value to be packed: with those of its kind whose starts are its stops."""

    place: int
    kind: Any
    starts: tuple[int, ...]
    width: int
    args: tuple[Part, ...]


def _runs(candidates: list[_Candidate]) -> Iterator[list[_Candidate]]:
    """Neighbours, in order."""
    run: list[_Candidate] = []
    for candidate in candidates:
        if run and (not candidate.starts or candidate.starts != tuple(s + run[-1].width for s in run[-1].starts)):
            yield run
            run = []
        run.append(candidate)
    yield run


def _joined(first: Block, blocks: list[Block | None]) -> Block:
    """Neighbouring blocks as one."""
    units = sum(block.units for block in blocks if block)
    if first.transposed:
        return replace(first, columns=units)
    return replace(first, rows=units, gates=sum(block.gates for block in blocks if block))
