"""What depends on parameters alone: computed once a call, where every step would compute it again.

Such a value is a parameter vector to the step that reads it. The derived loop sums its gradient up over rows and steps,
as that of any vector, and the sum is handed on through its function once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from throughtime.program.graph import NUMBERS, REDUCTIONS, TRANSCENDENTAL, Node, Program, Slice

DEAR = ("div", *TRANSCENDENTAL, *REDUCTIONS)
"""What is worth a vector of its own; plain arithmetic is as cheap as to read it."""

OPERATIONS: dict[str, Callable[..., Tensor]] = {
    **{op: getattr(torch, op) for op in ("add", "sub", "mul", "div", "neg", "abs", *TRANSCENDENTAL)},
    "max": torch.maximum,
    "min": torch.minimum,
    "gt": lambda a, b: (a > b).to(a.dtype),
    "ge": lambda a, b: (a >= b).to(a.dtype),
    "eq": lambda a, b: (a == b).to(a.dtype),
    "where": lambda choice, a, b: torch.where(choice != 0, a, b),
    "apart": lambda a, b: torch.square(a - b),
    "detach": torch.detach,
    "total": lambda a: a.sum(-1, keepdim=True),
    "peak": lambda a: a.amax(-1, keepdim=True),
    "spread": lambda a: a,
}
"""A program's arithmetic on vectors; truth values are 0 and 1."""


@dataclass(frozen=True, eq=False)
class Once:
    """Values that a call computes before its steps.

    Attributes:
        source: The step that computes them itself.
        places: Their places in it, by the name of the vector that stands for each.
    """

    source: Program
    places: Mapping[str, int]

    @functools.cached_property
    def order(self) -> list[int]:
        """They and all that they are made of, arguments first."""
        seen: set[int] = set()
        waiting = list(self.places.values())
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                waiting.extend(self.source.nodes[place].args)
        return sorted(seen)

    @functools.cached_property
    def read(self) -> list[str]:
        """The parameters that they are made of."""
        nodes = [self.source.nodes[place] for place in self.order]
        return list(dict.fromkeys(Slice.of(n.name, n.width).parameter for n in nodes if n.op == "vector"))

    def filled(self, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Parameters by name, with these values beside them."""
        return {**parameters, **self._values(parameters)} if self.places else parameters

    def handed_on(
        self, gradients: dict[str, Tensor], parameters: Mapping[str, Tensor], needed: Mapping[str, bool]
    ) -> dict[str, Tensor]:
        """Gradients by name, those of these values handed on to the parameters that they are made of.

        Args:
            gradients: Of parameters, those that are needed, of all these values, and of whatever else.
            parameters: By name.
            needed: Whose gradients are wanted.
        """
        if not self.places:
            return gradients
        arrived = {name: gradients.pop(name) for name in self.places}
        wanted = [name for name in self.read if needed[name]]
        with torch.enable_grad():
            given = {name: parameters[name].detach().requires_grad_(name in wanted) for name in self.read}
            made = {name: value for name, value in self._values(given).items() if value.requires_grad}
        if made:
            ends, incoming = list(made.values()), [arrived[name] for name in made]
            pulled = torch.autograd.grad(ends, [given[name] for name in wanted], incoming, allow_unused=True)
            for name, gradient in zip(wanted, pulled, strict=True):
                if gradient is not None:
                    gradients[name] = gradients[name] + gradient
        return gradients

    def lines(self) -> Iterator[str]:
        """How they are computed, for people to read."""
        for place in self.order:
            node = self.source.nodes[place]
            if not node.is_leaf:
                yield f"{self.source.show(place)}: {node.width} = {self.source.right(place)}"

    def _values(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        like = parameters[self.read[0]]
        found: dict[int, Tensor] = {}
        for place in self.order:
            node = self.source.nodes[place]
            args = [found[arg] for arg in node.args]
            value = _leaf(node, parameters, like) if node.is_leaf else OPERATIONS[node.op](*args)
            found[place] = value.expand(node.width)
        return {name: found[place].contiguous() for name, place in self.places.items()}


def hoist(program: Program) -> tuple[Program, Once]:
    r"""The same step without what depends on parameters alone and costs more than to be read, and these values.

    Example:
        >>> from throughtime.cells import FastRNNCell
        >>> from throughtime.program import trace
        >>> print(*hoist(trace(FastRNNCell(2, 3)))[1].lines(), sep="\n")
        v11: 3 = sigmoid(alpha[0:1]*3)
        v15: 3 = sigmoid(beta[0:1]*3)
    """
    nodes, alive = program.nodes, program.reachable()
    leaving = {*program.state.values(), *program.sums.values(), *program.stores, *program.shown.values()}
    steady: set[int] = set()
    dear: set[int] = set()
    made: set[int] = set()
    for place in alive:
        node = nodes[place]
        if node.op in ("vector", *NUMBERS) or (
            not node.is_leaf and node.op in OPERATIONS and steady.issuperset(node.args) and place not in leaving
        ):
            steady.add(place)
            dear |= {place} if node.op in DEAR or not dear.isdisjoint(node.args) else set()
            made |= {place} if node.op == "vector" or not made.isdisjoint(node.args) else set()
    read = {arg for place in alive if place not in steady for arg in nodes[place].args}
    places = {f"once {program.show(place)}": place for place in sorted(steady & dear & made & read)}
    if not places:
        return program, Once(program, {})
    kept = list(nodes)
    for name, place in places.items():
        width = nodes[place].width
        kept[place] = Node("vector", (), width, name=f"{name}[0:{width}]")
    known = {node: place for place, node in enumerate(kept)}
    return replace(program, nodes=kept, stores=list(program.stores), _known=known), Once(program, places)


def _leaf(node: Node, parameters: Mapping[str, Tensor], like: Tensor) -> Tensor:
    """A vector or a number, of one feature or of all."""
    if node.op == "index":
        return torch.arange(node.width, dtype=like.dtype, device=like.device)
    if node.op != "vector":
        return torch.full((1,), node.number, dtype=like.dtype, device=like.device)
    part = Slice.of(node.name, node.width)
    return parameters[part.parameter].reshape(-1)[part.start : part.start + (1 if part.spread else part.width)]
