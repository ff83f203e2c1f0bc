"""Values that write down what is done to them, into a :class:`Program`: what a step is given when it is traced."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch

from throughtime.cells import Parameter
from throughtime.program.graph import Block, Node, Program

Number = (int, float)

FLAGS = ("gt", "ge", "eq")
"""What gives truth values."""


class CannotTrace(Exception):  # noqa: N818 – a reason, handed on as text
    """Why a cell's step is no program: the operation that stops it."""


class Value:
    """A row of features inside a step. Slices are taken apart down to the leaves, so that every value is whole.

    Args:
        tracer: What writes down.
        width: Features.
        take: Gives the place in the program of features ``start`` to ``stop``.
        pieces: The values that it is, side by side.
        flag: Whether it says true or false.
        edges: Gives the features between which it is known to be taken apart.
        squeezed: Whether it has one feature and no dimension for it, as reductions without ``keepdim`` give.
    """

    __array_priority__ = 1000

    def __init__(
        self,
        tracer: Tracer,
        width: int,
        take: Callable[[int, int], int],
        *,
        pieces: Sequence[Value] = (),
        flag: bool = False,
        edges: Callable[[], frozenset[int]] = frozenset,
        squeezed: bool = False,
    ) -> None:
        self.tracer = tracer
        self.width = width
        # values are used many times over: each part is written down once
        self.take: Callable[[int, int], int] = functools.cache(take)
        self.pieces = pieces or (self,)
        self.flag = flag
        self.edges: Callable[[], frozenset[int]] = functools.cache(edges)
        self.squeezed = squeezed

    @property
    def whole(self) -> int:
        """The place in the program of all features."""
        return self.take(0, self.width)

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Called by PyTorch's functions when an argument is a value."""
        tracer = next(found for found in _values((args, kwargs or {}))).tracer
        return tracer.call(getattr(function, "__name__", str(function)), *args, **(kwargs or {}))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if not callable(getattr(torch.Tensor, name, None)):
            raise CannotTrace(f"the step asks for a value's {name}")
        return lambda *args, **kwargs: self.tracer.call(name, self, *args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        if self.squeezed and key in ((..., None), (slice(None), None)):
            return self.tracer.unsqueeze(self)
        last = key[-1] if isinstance(key, tuple) else None
        if (
            not isinstance(last, slice)
            or last.step not in (None, 1)
            or any(k is not Ellipsis and k != slice(None) for k in key[:-1])
        ):
            raise CannotTrace(f"the step indexes a value with {key!r}; slices of the features are known: v[..., a:b]")
        start, stop, _ = last.indices(self.width)
        return self.tracer.part(self, start, stop)

    def __bool__(self) -> bool:
        raise CannotTrace("the step decides by a tensor's value")

    def __iter__(self) -> Any:
        raise CannotTrace("the step walks over a tensor's rows")


def _values(tree: Any) -> Any:
    if isinstance(tree, Value):
        yield tree
    elif isinstance(tree, (list, tuple)):
        for item in tree:
            yield from _values(item)
    elif isinstance(tree, Mapping):
        yield from _values(list(tree.values()))


def _operator(name: str, swapped: bool = False) -> Callable[..., Any]:
    def method(self: Value, *others: Any) -> Any:
        args = (*others, self) if swapped else (self, *others)
        return self.tracer.call(name, *args)

    return method


for _name in ("add", "sub", "mul", "truediv", "pow", "neg", "abs", "gt", "ge", "lt", "le", "eq", "ne"):
    setattr(Value, f"__{_name}__", _operator(_name))
    if _name in ("add", "sub", "mul", "truediv", "pow"):
        setattr(Value, f"__r{_name}__", _operator(_name, swapped=True))


class TracedMatrix:
    """A weight matrix inside a traced step."""

    def __init__(self, tracer: Tracer, name: str, declared: Parameter, mask: Value | None) -> None:
        self.tracer = tracer
        self.name = name
        self.declared = declared
        self.mask = mask

    def __matmul__(self, rows: Any) -> Value:
        if not isinstance(rows, Value) or rows.width != self.declared.features or rows.squeezed:
            raise CannotTrace(f"{self.name} @ … of something that is no row of {self.declared.features} features")
        pieces, start = [], 0
        for piece in rows.pieces:
            stop = start + piece.width
            pieces.append(
                piece
                if self.mask is None
                else self.tracer.apply("mul", piece, self.tracer.part(self.mask, start, stop))
            )
            start = stop
        return self.tracer.product(self.name, self.declared, pieces)

    @property
    def T(self) -> TransposedMatrix:  # noqa: N802 – as of a tensor
        """Its transpose."""
        return TransposedMatrix(self)

    def __getattr__(self, name: str) -> Any:
        raise CannotTrace(f"the step uses {self.name}.{name}; matrices are applied as {self.name} @ rows")


class TransposedMatrix:
    """The transpose of a weight matrix inside a traced step."""

    def __init__(self, matrix: TracedMatrix) -> None:
        self.matrix = matrix

    def __matmul__(self, rows: Any) -> Value:
        matrix, size = self.matrix, self.matrix.declared.shape[0]
        if matrix.declared.shape[1] != size or not isinstance(rows, Value) or rows.width != size or rows.squeezed:
            raise CannotTrace(f"{matrix.name}.T @ … otherwise than a square matrix without heads by a row")
        if len(rows.pieces) > 1 or matrix.tracer.is_input(rows):
            raise CannotTrace(f"{matrix.name}.T multiplies the input, or values side by side")
        rows = rows if matrix.mask is None else matrix.tracer.apply("mul", rows, matrix.mask)
        return matrix.tracer.transposed(matrix.name, rows)


class Tracer:
    """Writes a step down.

    Args:
        outer: Products with the input are computed for all steps before the loop.
        functions: How functions of PyTorch and operators are written, by name; each is given the tracer first.
        cuts: For each matrix the rows between which its products are taken apart, as far as known beforehand.

    Attributes:
        seen: The cuts that were met.
        reduces: Whether anything is reduced: then the cuts matter, for all of a row is reduced in the parts in which
            it is used, so that no product is computed twice.
    """

    def __init__(
        self, outer: bool, functions: Mapping[str, Callable[..., Any]], cuts: Mapping[str, frozenset[int]]
    ) -> None:
        self.program = Program()
        self.outer = outer
        self.functions = functions
        self.cuts = cuts
        self.seen: dict[str, frozenset[int]] = {}
        self.reduces = False

    # What a step is given.

    def leaf(self, op: str, name: str, width: int) -> Value:
        """A value that is given whole."""

        def take(start: int, stop: int) -> int:
            if op in ("vector", "rowwise"):
                return self.program.leaf(op, f"{name}[{start}:{stop}]", stop - start)
            if (start, stop) != (0, width):
                raise CannotTrace(f"the step takes a part of {name}; only results of products and vectors have parts")
            return self.program.leaf(op, name, width)

        return Value(self, width, take)

    def number(self, number: float, width: int) -> Value:
        """One number for all features."""
        return Value(self, width, lambda start, stop: self.program.constant(number, stop - start))

    def product(self, matrix: str, declared: Parameter, pieces: Sequence[Value]) -> Value:
        """``matrix @ pieces``, the pieces side by side."""
        if declared.heads > 1:
            return self._headed(matrix, declared, pieces)

        def take(start: int, stop: int) -> int:
            self.seen[matrix] = self.seen.get(matrix, frozenset()) | {start, stop}
            total, column = None, 0
            for piece in pieces:
                block = Block(matrix, start, stop - start, column, piece.width)
                term = self._term(block, piece.whole)
                total = term if total is None else self.program.apply("add", total, term)
                column += piece.width
            return cast(int, total)

        return Value(self, declared.shape[0], take, edges=lambda: self.cuts.get(matrix, frozenset()))

    def transposed(self, matrix: str, rows: Value) -> Value:
        """``matrixᵀ @ rows`` of a square matrix."""

        def take(start: int, stop: int) -> int:
            self.seen[matrix] = self.seen.get(matrix, frozenset()) | {start, stop}
            block = Block(matrix, 0, rows.width, start, stop - start, transposed=True)
            return self.program.product(block, rows.whole)

        return Value(self, rows.width, take, edges=lambda: self.cuts.get(matrix, frozenset()))

    def is_input(self, value: Value) -> bool:
        """Whether a value is the input as it came."""
        node = self.program.nodes[value.whole]
        return node.op == "sequence" and node.name == "x"

    def _headed(self, matrix: str, declared: Parameter, pieces: Sequence[Value]) -> Value:
        """A product with a matrix that has heads: of one operand, and its parts are whole gates."""
        rows, columns = declared.shape
        gate = rows // declared.gates
        if len(pieces) > 1:
            raise CannotTrace(f"{matrix} has heads, and multiplies values side by side")

        def take(start: int, stop: int) -> int:
            self.seen[matrix] = self.seen.get(matrix, frozenset()) | {start, stop}
            if start % gate or stop % gate:
                raise CannotTrace(f"the step takes features {start}:{stop} of {matrix} @ …, which has gates of {gate}")
            heads, gates = declared.heads, (stop - start) // gate
            block = Block(matrix, start, stop - start, 0, columns, heads=heads, gates=gates)
            return self.program.product(block, pieces[0].whole)

        return Value(self, rows, take, edges=lambda: self.cuts.get(matrix, frozenset()))

    def _term(self, block: Block, operand: int) -> int:
        node = self.program.nodes[operand]
        if self.outer and node.op == "sequence" and node.name == "x":
            return self.program.make(Node("outer", (), block.rows, block=block))
        return self.program.product(block, operand)

    # What a step does.

    def part(self, value: Value, start: int, stop: int) -> Value:
        """Features ``start`` to ``stop``."""
        if value.squeezed:
            raise CannotTrace("the step takes a part of what has no features; keepdim=True keeps them")

        def edges() -> frozenset[int]:
            return frozenset(edge - start for edge in value.edges() if start < edge < stop)

        return Value(self, stop - start, lambda a, b: value.take(start + a, start + b), edges=edges)

    def join(self, values: Sequence[Value]) -> Value:
        """Values side by side."""
        if not all(isinstance(value, Value) and not value.squeezed for value in values):
            raise CannotTrace("the step joins a value with something that is none")
        starts = [sum(value.width for value in values[:i]) for i in range(len(values))]

        def take(start: int, stop: int) -> int:
            for first, value in zip(starts, values, strict=True):
                if first <= start and stop <= first + value.width:
                    return value.take(start - first, stop - first)
            raise CannotTrace("the step uses values side by side otherwise than in a product or in their parts")

        def edges() -> frozenset[int]:
            within = {first + edge for first, value in zip(starts, values, strict=True) for edge in value.edges()}
            return frozenset(within | set(starts))

        pieces = [piece for value in values for piece in value.pieces]
        return Value(self, starts[-1] + values[-1].width, take, pieces=pieces, edges=edges)

    def reduce(self, op: str, value: Value) -> Value:
        """One feature of all features of a row."""
        self.reduces = True

        def take(start: int, stop: int) -> int:
            joint = {"total": "add", "peak": "max"}[op]
            alike: dict[int, int] = {}  # parts of one width are joined unit by unit, and reduced together
            for part in self._parts(value):
                width = self.program.nodes[part].width
                alike[width] = self.program.apply(joint, alike[width], part) if width in alike else part
            found = [self.program.reduce(op, part) for part in alike.values()]
            return functools.reduce(lambda a, b: self.program.apply(joint, a, b), found)

        return Value(self, 1, take)

    def _parts(self, value: Value) -> list[int]:
        """The places of a value's parts: those in which it is used, where they are known and it has them."""
        edges = sorted({0, *(edge for edge in value.edges() if edge < value.width), value.width})
        try:
            return [value.take(start, stop) for start, stop in itertools.pairwise(edges)]
        except CannotTrace:
            return [value.whole]

    def squeeze(self, value: Value) -> Value:
        """One feature without a dimension for it."""
        return Value(self, 1, value.take, squeezed=True)

    def unsqueeze(self, value: Value) -> Value:
        """One feature with a dimension for it."""
        return Value(self, 1, value.take)

    def count(self, features: int) -> Value:
        """A number of features."""
        return Value(self, 1, lambda start, stop: self.program.count(features, 1))

    def index(self, width: int) -> Value:
        """Each feature's number, from 0."""

        def take(start: int, stop: int) -> int:
            own = self.program.leaf("index", "index", stop - start)
            return self.program.apply("add", own, self.program.constant(start, stop - start))

        return Value(self, width, take)

    def apply(self, op: str, *args: Any) -> Value:
        """Arithmetic on values and numbers."""
        values = [arg for arg in args if isinstance(arg, Value)]
        squeezed = any(value.squeezed for value in values)
        if squeezed and not all(value.squeezed for value in values):
            raise CannotTrace(f"{op} of a row and what has no features; keepdim=True keeps them")
        widths = {value.width for value in values} - {1}
        if len(widths) > 1:
            raise CannotTrace(f"{op} of rows of {' and '.join(map(str, sorted(widths)))} features")
        width = widths.pop() if widths else 1
        flags = all(isinstance(arg, Value) and arg.flag for arg in args)
        if flags and op in ("add", "sub", "neg"):
            raise CannotTrace(f"{op} of truth values")

        def place(arg: Any, start: int, stop: int) -> int:
            if isinstance(arg, Value):
                if arg.width == width:
                    return arg.take(start, stop)
                only = self.program.nodes[arg.whole]
                if only.op != "vector":
                    return self.program.spread(arg.whole, stop - start)
                return self.program.leaf("vector", f"{only.name}*{stop - start}", stop - start)
            if isinstance(arg, Number) and not isinstance(arg, bool):
                return self.program.constant(arg, stop - start)
            raise CannotTrace(f"{op} of a value and {type(arg).__name__}")

        def take(start: int, stop: int) -> int:
            return self.program.apply(op, *(place(arg, start, stop) for arg in args))

        def edges() -> frozenset[int]:
            return frozenset[int]().union(*(value.edges() for value in values if value.width == width))

        flag = op in FLAGS or (op == "mul" and flags)
        return Value(self, width, take, flag=flag, edges=edges, squeezed=squeezed)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A function of PyTorch, or an operator, by name."""
        known = self.functions.get(name)
        if known is None:
            raise CannotTrace(
                f"the step calls {name}, which is not made of element-wise operations, products and reductions of rows"
            )
        try:
            return known(self, *args, **kwargs)
        except TypeError as error:  # an argument that the rewriting does not take
            raise CannotTrace(f"the step calls {name} with arguments that are not known: {error}") from error
