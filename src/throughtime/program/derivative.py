"""Differentiates a step: from the forward program to the one that runs backward through time.

Reverse accumulation, value by value. What the backward step needs of the forward one is read from the histories of
the states, computed again where that takes plain arithmetic, and kept by the forward step where it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from throughtime.program.graph import NUMBERS, REDUCTIONS, TRANSCENDENTAL, Node, Program

ROOTS = ("product", "outer", *TRANSCENDENTAL, *REDUCTIONS)
"""What costs more to compute again than to keep."""


@dataclass
class Derived:
    """A step with its derivative.

    Attributes:
        forward: The step.
        backward: Its derivative. The states are the gradients of the forward step's states, ``d s``; the sequences are
            those of the forward step, ``grad y`` (the gradient of the output), ``grad of s`` (that of what else is
            handed out), the states before and after the step (``s<t-1>``, ``s<t>``) and kept values. It stores the
            gradient of every product.
        kept: The forward step's values that it reads, by their name in it.
        gradients: For each product of the forward step, in the loop or before it, the value of the backward step that
            is its gradient.
        x: The gradient of the input that does not come through a product, if there is one.
    """

    forward: Program
    backward: Program
    kept: dict[str, int] = field(default_factory=dict)
    gradients: dict[int, int] = field(default_factory=dict)
    x: int | None = None


def derive(forward: Program, seen: Mapping[str, int] | None = None) -> Derived:
    """The derivative of a step.

    Args:
        forward: The step.
        seen: Values beside the output that every step hands out, by name.
    """
    return _Derivation(forward, seen or {}).derived


class _Derivation:
    def __init__(self, forward: Program, seen: Mapping[str, int]) -> None:
        self.forward = forward
        self.back = Program(backward=True)
        self.derived = Derived(forward, self.back)
        self.adjoint: dict[int, int] = {}
        self.kept: set[int] = set()
        self.after = {place: name for name, place in forward.state.items()}
        for name, place in forward.state.items():
            width = forward.nodes[place].width
            self._give(place, self.back.leaf("state", f"d {name}", width))
            if name == forward.output:
                self._give(place, self.back.leaf("sequence", "grad y", width))
        for name, place in seen.items():
            self._give(place, self.back.leaf("sequence", f"grad of {name}", forward.nodes[place].width))
        for place in reversed(forward.reachable()):
            node = forward.nodes[place]
            if node.op == "product":  # even if nothing depends on it: those with its operand are handed on together
                self._give(place, self.back.constant(0.0, node.width))
            if place in self.adjoint:
                self._through(place, self.adjoint[place])
        for name, place in forward.state.items():
            width = forward.nodes[place].width
            before = forward.make(Node("state", (), width, name=name))
            self.back.state[f"d {name}"] = self.adjoint.get(before, self.back.constant(0.0, width))
        self._products()

    def _give(self, place: int, gradient: int) -> None:
        known = self.adjoint.get(place)
        self.adjoint[place] = gradient if known is None else self.back.apply("add", known, gradient)

    def _through(self, place: int, gradient: int) -> None:
        node = self.forward.nodes[place]
        if node.op == "vector":
            self.back.sums[node.name] = gradient
        elif node.op == "sequence" and node.name == "x":
            self.derived.x = gradient
        elif node.op == "product":
            self.derived.gradients[place] = gradient
            self._spread(place)
        elif node.op == "outer":
            self.derived.gradients[place] = gradient
        elif not node.is_leaf:
            for arg, partial in zip(node.args, self._partials(place, node, gradient), strict=True):
                if partial is not None and self.forward.nodes[arg].op not in NUMBERS:
                    self._give(arg, partial)

    def _spread(self, place: int) -> None:
        """Hands the gradient of products with one operand to it at once, as one product with the whole matrix.

        The first of them in the program comes last here, when the gradients of all the others are known.
        """
        node = self.forward.nodes[place]
        assert node.block is not None
        (operand,) = node.args
        if node.block.transposed:
            self._give(operand, self.back.product(replace(node.block, transposed=False), self.derived.gradients[place]))
            return
        if self.forward.nodes[operand].name == "x" and self.forward.nodes[operand].op == "sequence":
            return
        alike = [p for p in self.forward.reachable() if self._like(p, place)]
        if place != min(alike):
            return
        for run in _runs(sorted(alike, key=self._row), self.forward):
            blocks = [b for p in run if (b := self.forward.nodes[p].block) is not None]
            rows = sum(block.rows for block in blocks)
            gates = sum(block.gates for block in blocks) if node.block.heads > 1 else 1
            block = replace(node.block, row=blocks[0].row, rows=rows, transposed=True, gates=gates)
            self._give(operand, self.back.product(block, *(self.derived.gradients[p] for p in run)))

    def _like(self, place: int, other: int) -> bool:
        a, b = self.forward.nodes[place], self.forward.nodes[other]
        if a.block is None or b.block is None or a.args != b.args or a.block.transposed or b.block.transposed:
            return False
        return (a.block.matrix, a.block.column, a.block.columns) == (b.block.matrix, b.block.column, b.block.columns)

    def _row(self, place: int) -> int:
        block = self.forward.nodes[place].block
        assert block is not None
        return block.row

    def _products(self) -> None:
        self.back.stores.extend(dict.fromkeys(self.derived.gradients.values()))
        if self.derived.x is not None:
            self.back.stores.append(self.derived.x)

    # The forward step's values as the backward step sees them.

    def _value(self, place: int) -> int:
        node = self.forward.nodes[place]
        if place in self.after:
            return self.back.leaf("sequence", f"{self.after[place]}<t>", node.width)
        if node.op == "state":
            return self.back.leaf("sequence", f"{node.name}<t-1>", node.width)
        if node.is_leaf and node.op != "outer":
            return self.back.make(node)
        if node.op == "spread":  # one number is kept rather than many
            return self.back.spread(self._value(node.args[0]), node.width)
        if place not in self.kept and self._missing(place) <= 1 and node.op not in ROOTS:
            return self.back.apply(node.op, *(self._value(arg) for arg in node.args))
        if node.op in TRANSCENDENTAL and node.args[0] in self.after:  # tanh(c): c is at hand
            return self.back.apply(node.op, self._value(node.args[0]))
        self.kept.add(place)
        name = f"kept {self.forward.show(place)}"
        self.derived.kept[name] = place
        return self.back.leaf("sequence", name, node.width)

    def _missing(self, place: int) -> int:
        """How many values must be kept to have this one by plain arithmetic; single numbers beside a row are none."""
        narrow = self.forward.nodes[place].width == 1
        roots: set[int] = set()
        waiting = [place]
        while waiting:
            place = waiting.pop()
            node = self.forward.nodes[place]
            if place in self.kept or place in self.after:
                continue
            if node.op in ROOTS:
                roots |= {place} if narrow or node.width > 1 else set()
            elif not node.is_leaf:
                waiting.extend(node.args)
        return len(roots)

    # The derivative of each operation by its arguments, times the gradient that arrives.

    def _partials(self, place: int, node: Node, gradient: int) -> list[int | None]:
        make = self.back.apply

        def number(value: float) -> int:
            return self.back.constant(value, node.width)

        def value(i: int) -> int:
            return self._value(node.args[i])

        def itself() -> int:
            return self._value(place)

        match node.op:
            case "add":
                return [gradient, gradient]
            case "sub":
                return [gradient, make("neg", gradient)]
            case "neg":
                return [make("neg", gradient)]
            case "mul":
                return [make("mul", gradient, value(1 - i)) if self._varies(node.args[i]) else None for i in (0, 1)]
            case "div":
                first = make("div", gradient, value(1))
                return [first, make("neg", make("mul", first, itself())) if self._varies(node.args[1]) else None]
            case "tanh":
                y = itself()
                return [make("mul", gradient, make("sub", number(1), make("mul", y, y)))]
            case "sigmoid":
                y = itself()
                return [make("mul", gradient, make("mul", y, make("sub", number(1), y)))]
            case "exp":
                return [make("mul", gradient, itself())]
            case "log":
                return [make("div", gradient, value(0))]
            case "log1p":
                return [make("div", gradient, make("add", number(1), value(0)))]
            case "sqrt":
                return [make("div", gradient, make("mul", number(2), itself()))]
            case "sin":
                return [make("mul", gradient, make("cos", value(0)))]
            case "cos":
                return [make("neg", make("mul", gradient, make("sin", value(0))))]
            case "erf":
                x = value(0)
                bell = make("exp", make("neg", make("mul", x, x)))
                return [make("mul", gradient, make("mul", number(1.1283791670955126), bell))]
            case "abs":
                x = value(0)
                sign = make("sub", make("gt", x, number(0)), make("gt", number(0), x))
                return [make("mul", gradient, sign)]
            case "max" | "min":
                a, b = (value(0), value(1)) if node.op == "max" else (value(1), value(0))
                half = make("mul", number(0.5), make("eq", a, b))
                return [
                    make("mul", gradient, make("add", make("gt", a, b), half)),
                    make("mul", gradient, make("add", make("gt", b, a), half)),
                ]
            case "apart":  # the other is the mean of the first: a share of its gradient would sum to zero
                known = self.forward.find(replace(node, op="sub"))
                difference = make("sub", value(0), value(1)) if known is None else self._value(known)
                return [make("mul", gradient, make("mul", number(2), difference)), None]
            case "spread":
                return [self.back.reduce("total", gradient)]
            case "total":
                return [self.back.spread(gradient, self.forward.nodes[node.args[0]].width)]
            case "peak":  # even shares for those that are the largest together
                x = value(0)
                width = self.forward.nodes[node.args[0]].width
                largest = make("eq", x, self.back.spread(itself(), width))
                share = make("div", gradient, self.back.reduce("total", largest))
                return [make("mul", largest, self.back.spread(share, width))]
            case "where":
                choice, none = value(0), number(0)
                return [None, make("where", choice, gradient, none), make("where", choice, none, gradient)]
        return [None] * len(node.args)  # comparisons have no gradient, and what is detached hands none on

    def _varies(self, place: int) -> bool:
        return self.forward.nodes[place].op not in (*NUMBERS, "rowwise")


def _runs(places: list[int], program: Program) -> list[list[int]]:
    """Products whose blocks lie one under the other, together."""
    runs: list[list[int]] = []
    end = None
    for place in places:
        block = program.nodes[place].block
        assert block is not None
        if block.row != end:
            runs.append([])
        runs[-1].append(place)
        end = block.row + block.rows
    return runs
