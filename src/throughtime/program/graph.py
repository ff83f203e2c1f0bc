"""One step of a loop as a graph of values, each a row of ``width`` features.

A value is a leaf, a product with a block of a weight matrix, arithmetic on values, unit by unit, or what is reduced
from all features of a row to one, and spread over them again. The forward step and its derivative are both written in
it, so that whatever runs the one runs the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

LEAVES = ("state", "sequence", "outer", "rowwise", "vector", "constant", "count", "index")
"""What a step is given: carried state, a row a step, a product computed for all steps before the loop, a row a
sequence, a row for all, a number for all, a number of features, each feature's own number."""

NUMBERS = ("constant", "count", "index")
"""Leaves that nobody fills in."""

REDUCTIONS = ("total", "peak")
"""What makes one feature of all those of a row: their sum, the largest of them."""

TRANSCENDENTAL = ("tanh", "sigmoid", "exp", "log", "log1p", "sin", "cos", "erf", "sqrt")
"""Arithmetic that costs much more than a multiplication."""


@dataclass(frozen=True)
class Block:
    """A part of a weight matrix: ``matrix[row : row + rows, column : column + columns]``, or its transpose.

    With heads it stands for a matrix of ``heads`` times as many columns: its rows are those of ``gates`` gates, a
    gate's rows those of its heads, one after the other, and each head's rows multiply a part of the features of their
    own. Beside these blocks the matrix is zero.
    """

    matrix: str
    row: int
    rows: int
    column: int
    columns: int
    transposed: bool = False
    heads: int = 1
    gates: int = 1

    @property
    def features(self) -> int:
        """Columns of the matrix that it stands for."""
        return self.heads * self.columns

    @property
    def units(self) -> int:
        """Features of a product with it."""
        return self.features if self.transposed else self.rows

    @property
    def depth(self) -> int:
        """Features of what it multiplies."""
        return self.rows if self.transposed else self.features

    def __str__(self) -> str:
        heads = f"; {self.heads} heads" if self.heads > 1 else ""
        whole = f"{self.matrix}[{self.row}:{self.row + self.rows}, {self.column}:{self.column + self.columns}{heads}]"
        return whole + ("ᵀ" if self.transposed else "")


@dataclass(frozen=True)
class Slice:
    """A part of a parameter vector or of a mask: what the name of its leaf means.

    Attributes:
        name: The leaf's name: ``b[0:5]``, or ``b[0:1]*5`` for one number spread over five units.
        parameter: The vector, flat where it has other dimensions; ``mask W`` for a mask.
        start: Its first feature there.
        width: Features of the leaf.
        spread: Whether all of them are the one at ``start``; its gradient is then the sum over them.
    """

    name: str
    parameter: str
    start: int
    width: int
    spread: bool

    @classmethod
    def of(cls, name: str, width: int) -> Slice:
        """Reads a name.

        Example:
            >>> Slice.of("b[0:1]*5", 5)
            Slice(name='b[0:1]*5', parameter='b', start=0, width=5, spread=True)
        """
        parameter, _, span = name.partition("[")
        return cls(name, parameter, int(span.partition(":")[0]), width, "*" in span)


@dataclass(frozen=True)
class Node:
    """A value of a step.

    Attributes:
        op: A leaf, ``"product"`` or arithmetic.
        args: The values that it is made of; a product's operands stand side by side.
        width: Features.
        name: A leaf's name.
        number: The value of a constant, or of a count, which is a number of features of this shape.
        block: What a product, inside the loop or before it, multiplies by.
    """

    op: str
    args: tuple[int, ...]
    width: int
    name: str = ""
    number: float = 0.0
    block: Block | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether it is given, not computed."""
        return self.op in LEAVES


@dataclass
class Program:
    """The values of a step, each made once, arguments before their users; and what leaves the step.

    Attributes:
        nodes: The values; a value is named by its place here.
        state: For each carried state, the value it takes.
        output: The state that is the output of every step.
        backward: Whether it runs from the last step to the first: it is given states after a step, makes those before.
        sums: For each parameter vector, the value whose sum over rows and steps is its gradient.
        stores: Values that must be kept for every row and step.
        shown: What the step returns beside the states, by name, where that is to be kept.
        labels: The cell's own names for values, for people to read.
    """

    nodes: list[Node] = field(default_factory=list)
    state: dict[str, int] = field(default_factory=dict)
    output: str = ""
    backward: bool = False
    sums: dict[str, int] = field(default_factory=dict)
    stores: list[int] = field(default_factory=list)
    shown: dict[str, int] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    _known: dict[Node, int] = field(default_factory=dict)

    def make(self, node: Node) -> int:
        """The place of a value, which joins if it is new."""
        place = self._known.get(node)
        if place is None:
            place = self._known[node] = len(self.nodes)
            self.nodes.append(node)
        return place

    def find(self, node: Node) -> int | None:
        """The place of a value, if the step has it."""
        place = self._known.get(node)
        return place if place in self.reachable() else None

    def leaf(self, op: str, name: str, width: int) -> int:
        """A given value."""
        return self.make(Node(op, (), width, name=name))

    def constant(self, number: float, width: int) -> int:
        """A number, the same for every unit."""
        return self.make(Node("constant", (), width, number=float(number)))

    def count(self, features: int, width: int) -> int:
        """A number of features, the same for every unit: a constant that goes with the sizes."""
        return self.make(Node("count", (), width, number=float(features)))

    def reduce(self, op: str, arg: int) -> int:
        """One feature of all features of a row."""
        return arg if self.nodes[arg].width == 1 else self.make(Node(op, (arg,), 1))

    def spread(self, arg: int, width: int) -> int:
        """One feature as that of every unit."""
        node = self.nodes[arg]
        if node.op in ("constant", "count"):
            return self.make(replace(node, width=width))
        return arg if width == 1 else self.make(Node("spread", (arg,), width))

    def product(self, block: Block, *operands: int) -> int:
        """``block @ operands``, the operands side by side."""
        return self.make(Node("product", operands, block.units, block=block))

    def apply(self, op: str, *args: int) -> int:
        """Arithmetic, unit by unit; what is known beforehand is folded."""
        width = self.nodes[args[0]].width
        if any(self.nodes[arg].width != width for arg in args):
            raise ValueError(f"{op} of rows of {[self.nodes[arg].width for arg in args]} features")
        simple = self._simplify(op, args, width)
        return self.make(Node(op, args, width)) if simple is None else simple

    def _simplify(self, op: str, args: tuple[int, ...], width: int) -> int | None:
        numbers = [self.nodes[a].number if self.nodes[a].op == "constant" else None for a in args]
        if op in FOLD and None not in numbers:
            return self.constant(FOLD[op](*numbers), width)
        match op, numbers:
            case ("add", [0.0, None]) | ("mul", [1.0, None]):
                return args[1]
            case ("add" | "sub", [None, 0.0]) | ("mul" | "div", [None, 1.0]):
                return args[0]
            case ("sub", [0.0, None]):
                return self.apply("neg", args[1])
            case ("mul", [-1.0, None]):
                return self.apply("neg", args[1])
            case ("mul", [None, -1.0]):
                return self.apply("neg", args[0])
        return None

    def reachable(self) -> list[int]:
        """The values that something which leaves the step depends on, in order."""
        seen: set[int] = set()
        waiting = [*self.state.values(), *self.sums.values(), *self.stores]
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                waiting.extend(self.nodes[place].args)
        return sorted(seen)

    def places(self, op: str) -> list[int]:
        """The reachable values of one operation, in order."""
        return [place for place in self.reachable() if self.nodes[place].op == op]

    def show(self, place: int) -> str:
        """A value's name."""
        node = self.nodes[place]
        if node.op in ("constant", "count"):
            return f"{node.number:g}" if float(f"{node.number:g}") == node.number else repr(node.number)
        if node.op == "state":
            return self.given(node.name)
        return node.name or self.labels.get(place, f"v{place}")

    def given(self, state: str) -> str:
        """A state's name as it comes into the step."""
        return f"{state}<t>" if self.backward else f"{state}<t-1>"

    def made(self, state: str) -> str:
        """A state's name as it leaves the step."""
        return f"{state}<t-1>" if self.backward else f"{state}<t>"

    def right(self, place: int, show: Callable[[int], str] | None = None) -> str:
        """How a value is computed; ``show`` names its arguments."""
        node = self.nodes[place]
        args = [(show or self.show)(arg) for arg in node.args]
        if node.op == "outer":
            return f"{node.block} @ x"
        if node.op == "product":
            return f"{node.block} @ {args[0] if len(args) == 1 else '[' + ', '.join(args) + ']'}"
        sign = {"add": "+", "sub": "-", "mul": "*", "div": "/"}.get(node.op)
        return f" {sign} ".join(args) if sign else f"{node.op}({', '.join(args)})"


FOLD: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "gt": lambda a, b: float(a > b),
    "ge": lambda a, b: float(a >= b),
}
