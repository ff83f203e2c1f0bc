"""Decides what a step computes again and what it keeps, where a row is walked over several times."""

from __future__ import annotations

from throughtime.program import REDUCTIONS, TRANSCENDENTAL, Program

DEAR = ("product", "div", *REDUCTIONS, *TRANSCENDENTAL)
"""What costs more to compute again than to read."""

AGAIN = 6
"""Operations, at most, that are computed again rather than read from the tape."""


class Demand:
    """Where values are computed if each is computed where it is used, or kept on the tape where that is dearer.

    Args:
        program: The step.
        stages: The first stage in which each value can be computed.
        groups: What products read from the tape.

    Attributes:
        found: Values and stages in which they are computed.
    """

    def __init__(self, program: Program, stages: dict[int, int], groups: list[tuple[int, ...]]) -> None:
        self.nodes = program.nodes
        self.stages = stages
        self.found: set[tuple[int, int]] = set()
        operands = [place for group in groups for place in group]
        self.kept = {*program.stores, *operands}
        self.needed: dict[int, set[int]] = {stage: set() for stage in stages.values()}
        reduced = [arg for op in REDUCTIONS for place in program.places(op) for arg in self.nodes[place].args]
        for place in [*program.state.values(), *program.sums.values(), *self.kept, *reduced]:
            self.needed[stages[place]].add(place)
        for stage in sorted(self.needed, reverse=True):
            waiting = list(self.needed[stage])
            while waiting:
                waiting.extend(self._compute(waiting.pop(), stage))

    def _compute(self, place: int, stage: int) -> tuple[int, ...]:
        """Computes a value in a stage, or keeps it from an earlier one; gives what that takes in the stage."""
        node = self.nodes[place]
        if node.is_leaf or (place, stage) in self.found:
            return ()
        if node.op == "spread":
            self._keep(node.args[0])
            return ()
        if self.stages[place] < stage and not self._again(place, stage):
            self._keep(place)
            return ()
        self.found.add((place, stage))
        return () if node.op == "product" or node.op in REDUCTIONS else node.args

    def _keep(self, place: int) -> None:
        if not self.nodes[place].is_leaf:
            self.kept.add(place)
            self.needed[self.stages[place]].add(place)

    def _again(self, place: int, stage: int) -> bool:
        """Whether a value of an earlier stage is computed again: from what is at hand, or from one value that is kept
        in its stead.
        """
        if place in self.kept or self.nodes[place].op in DEAR:
            return False
        dear = [arg for arg in self.nodes[place].args if self._cost(arg, stage) > AGAIN]
        return len(dear) == 1 or self._cost(place, stage) <= AGAIN

    def _cost(self, place: int, stage: int) -> int:
        """Operations that a value takes in a stage; more than any limit where it must be kept."""
        node = self.nodes[place]
        if node.is_leaf or node.op == "spread" or place in self.kept or self.stages[place] == stage:
            return 0
        if node.op in DEAR:
            return AGAIN + 1
        cost = 1
        for arg in node.args:
            cost += self._cost(arg, stage)
            if cost > AGAIN:
                break
        return cost
