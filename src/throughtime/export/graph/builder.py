"""An ONNX graph under construction: values by name, each made once.

A value is the name of what a node gives, so that nodes read as calls::

    graph = Graph("scorer")
    x = graph.input("x", ["batch", 3])
    graph.output(graph.add("Softmax", graph.linear(x, "head", weight, bias), axis=-1), "scores", ["batch", 5])
    model = graph.model({"model_type": "scorer"})
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime._version import __version__
from throughtime.extras import extra

Value = str
"""The name of what a node gives."""

Given = Value | float | int | NDArray[Any] | Tensor | None
"""What a node takes: a value, a number or an array, which becomes a constant, or None where an input is left out."""

Size = int | str | None
"""A dimension: a number, or the name of one that is known when the graph runs."""

OPSET, IR_VERSION = 17, 8
"""Of 2022, so that every ONNX Runtime in use reads the graph."""


@dataclass(frozen=True)
class Node:
    """A node: its operator, what it takes and gives, its attributes."""

    op: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    attributes: tuple[tuple[str, Any], ...] = ()

    def read(self) -> Iterator[Value]:
        """Everything that it needs, what a body takes from outside among it."""
        yield from filter(None, self.inputs)
        for _, value in self.attributes:
            if isinstance(value, Graph):
                yield from value.captured()


class Graph:
    """A graph, or the body of a ``Scan``, that nodes are added to.

    The same node with the same inputs is added once; what no output needs is left out of the model. Names are unique
    in a graph and its bodies, so that a body may take any value from outside.

    Args:
        name: Of the graph; a body's begins the names of its values.
        dtype: Of its numbers: ``np.float32`` or ``np.float64``.
        above: The graph that a body is part of; :meth:`inner` passes it.
    """

    def __init__(self, name: str, dtype: Any = np.float32, *, above: Graph | None = None) -> None:
        self.name = name
        self.dtype = np.dtype(dtype)
        self.above = above
        self.root: Graph = self if above is None else above.root
        self._names: set[str] = set() if above is None else above._names
        self._nodes: list[Node] = []
        self._made: dict[Any, tuple[Value, ...]] = {}
        self._inputs: list[tuple[Value, Sequence[Size], Any]] = []
        self._outputs: list[tuple[Value, Sequence[Size], Any]] = []
        self._arrays: dict[Value, NDArray[Any]] = {}

    # What it is given and gives.

    def input(self, name: str, shape: Sequence[Size], dtype: Any = None) -> Value:
        """A value that is given when the graph runs; its name in a body begins with the body's.

        Args:
            name: Its name, which no other value may have.
            shape: A number or a name for each dimension, None where it is left open.
            dtype: Of the graph, where None; ``np.int64``, ``bool``, ….

        Raises:
            ValueError: If the name is taken.
        """
        name = self._take(self._own(name))
        self._inputs.append((name, list(shape), np.dtype(dtype or self.dtype)))
        return name

    def output(self, value: Value, name: str, shape: Sequence[Size], dtype: Any = None) -> None:
        """Hands a value out under a name; arguments and errors as of :meth:`input`."""
        name = self._take(self._own(name))
        self._nodes.append(Node("Identity", (value,), (name,)))
        self._outputs.append((name, list(shape), np.dtype(dtype or self.dtype)))

    # Numbers.

    def weight(self, name: str, array: Tensor | NDArray[Any]) -> Value:
        """A parameter, under its own name; numbers with a fraction become the graph's. It is stored once.

        Raises:
            ValueError: If another one has that name.
        """
        if self is not self.root:
            return self.root.weight(name, array)
        values = np.ascontiguousarray(array.detach().cpu().numpy() if isinstance(array, Tensor) else array)
        values = values.astype(self.dtype) if values.dtype.kind == "f" else values
        known = self._arrays.get(name)
        if known is None:
            self._arrays[self._take(name)] = values
        elif known.shape != values.shape or not np.array_equal(known, values, equal_nan=values.dtype.kind == "f"):
            raise ValueError(f"expected one weight of the name {name!r}, got two that differ")
        return name

    def constant(self, value: float | int | Sequence[int] | NDArray[Any], dtype: Any = None) -> Value:
        """A number or an array that has no name of its own.

        Args:
            value: Whole numbers become ``np.int64``, others the graph's; an array stays what it is.
            dtype: Make it that.
        """
        array = np.asarray(value)
        if dtype is None and not isinstance(value, np.ndarray):
            dtype = self.dtype if array.dtype.kind == "f" else None
        array = array.astype(dtype or array.dtype)
        key = ("constant", array.dtype.str, array.shape, array.tobytes())
        root = self.root
        if key not in root._made:
            name = root._fresh("constant")
            root._made[key] = (name,)
            root._arrays[name] = array
        return root._made[key][0]

    # Nodes.

    def add(self, op: str, *inputs: Given, **attributes: Any) -> Value:
        """A node of one output.

        Args:
            op: The operator, as ONNX calls it.
            inputs: Values; numbers and arrays, which become constants (a Python number with the graph's type);
                None for one that is left out.
            attributes: As ONNX calls them; a :class:`Graph` where it is a body.

        Example:
            >>> graph = Graph("twice")
            >>> x = graph.input("x", ["batch", 3])
            >>> graph.add("Mul", x, 2.0), graph.add("Mul", x, 2.0)
            ('mul', 'mul')
        """
        return self.add_many(op, 1, *inputs, **attributes)[0]

    def add_many(self, op: str, count: int, *inputs: Given, **attributes: Any) -> tuple[Value, ...]:
        """A node of several outputs, all of them named; else as :meth:`add`."""
        names = tuple(self._name(value) for value in inputs)
        ordered = tuple(sorted(attributes.items()))
        key = (op, count, names, tuple((name, _hashed(value)) for name, value in ordered))
        known = self._known(key)
        if known is None:
            known = self._made[key] = tuple(self._fresh(op.lower()) for _ in range(count))
            self._nodes.append(Node(op, names, known, ordered))
        return known

    def maker(self, value: Value) -> Node | None:
        """The node that gives a value; None where it is an input or a weight."""
        graph: Graph | None = self
        while graph is not None:
            for node in reversed(graph._nodes):
                if value in node.outputs:
                    return node
            graph = graph.above
        return None

    def inner(self, name: str) -> Graph:
        """A body, to be passed as an attribute: ``graph.add_many("Scan", 2, …, body=body, num_scan_inputs=1)``."""
        return Graph(self._fresh(name), self.dtype, above=self)

    # What is written often.

    def product(self, rows: Value, name: str, matrix: Tensor) -> Value:
        """``rows @ matrix`` with a weight ``[in, out]``: every product with a matrix of a model goes through here."""
        return self.add("MatMul", rows, self.weight(name, matrix))

    def linear(self, x: Value, name: str, weight: Tensor, bias: Tensor | None = None) -> Value:
        """``x Wᵀ + b`` of a ``torch.nn.Linear``: ``[…, in]`` to ``[…, out]``.

        The weight is stored as ``name.weight``, transposed, ``[in, out]``: what a ``MatMul`` takes, and what is
        quantised by output channel along its last dimension.
        """
        y = self.product(x, f"{name}.weight", weight.t())
        return y if bias is None else self.add("Add", y, self.weight(f"{name}.bias", bias))

    def embedding(self, ids: Value, name: str, weight: Tensor) -> Value:
        """Rows of a table ``[words, features]``, stored as ``name.weight``: ids ``[…]`` to ``[…, features]``."""
        return self.add("Gather", self.weight(f"{name}.weight", weight), ids, axis=0)

    def cast(self, value: Value, dtype: Any = None) -> Value:
        """A value in another number type, the graph's where None."""
        return self.add("Cast", value, to=_onnx_type(dtype or self.dtype))

    def size(self, value: Value, axis: int) -> Value:
        """A dimension when the graph runs, ``[1]`` with a whole number."""
        return self.add("Gather", self.add("Shape", value), self.constant([axis]), axis=0)

    def shape(self, *sizes: int | Value) -> Value:
        """A shape of numbers and of what :meth:`size` gives, as ``Reshape`` and ``Expand`` take it."""
        if all(isinstance(size, int) for size in sizes):
            return self.constant([int(size) for size in sizes])
        parts = [self.constant([size]) if isinstance(size, int) else size for size in sizes]
        return self.add("Concat", *parts, axis=0)

    def zeros(self, *sizes: int | Value) -> Value:
        """Zeros of a shape, told as in :meth:`shape`."""
        return self.add("Expand", 0.0, self.shape(*sizes))

    def transpose(self, value: Value, *order: int) -> Value:
        """Its dimensions in another order."""
        return self.add("Transpose", value, perm=list(order))

    def cut(self, value: Value, axis: int, start: int, stop: int | None = None) -> Value:
        """A part along a dimension, ``value[start:stop]``."""
        end = np.iinfo(np.int64).max if stop is None else stop
        return self.add("Slice", value, self.constant([start]), self.constant([end]), self.constant([axis]))

    def flip(self, value: Value, axis: int) -> Value:
        """From the last to the first along a dimension."""
        first, last = self.constant([-1]), self.constant([np.iinfo(np.int64).min + 1])
        return self.add("Slice", value, first, last, self.constant([axis]), self.constant([-1]))

    def concat(self, values: Sequence[Value], axis: int = -1) -> Value:
        """Values side by side; one is that value itself."""
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=axis)

    def split(self, value: Value, sizes: Sequence[int], axis: int = -1) -> tuple[Value, ...]:
        """A value taken apart along a dimension."""
        return self.add_many("Split", len(sizes), value, self.constant(list(sizes)), axis=axis)

    def squeeze(self, value: Value, axis: int) -> Value:
        """Without a dimension of 1."""
        return self.add("Squeeze", value, self.constant([axis]))

    def unsqueeze(self, value: Value, axis: int) -> Value:
        """With a dimension of 1 more."""
        return self.add("Unsqueeze", value, self.constant([axis]))

    def real_steps(self, lengths: Value, steps: Value) -> Value:
        """Which steps are real and not filling: truth values ``[T, B]`` of lengths ``[B]`` and T, ``[1]``."""
        each = self.add("Range", self.constant(0), self.squeeze(steps, 0), self.constant(1))
        return self.add("Less", self.unsqueeze(each, 1), self.unsqueeze(lengths, 0))

    # The model.

    def model(self, metadata: Mapping[str, Any] | None = None) -> Any:
        """The graph as a checked ``onnx.ModelProto``.

        Args:
            metadata: What a program that opens the model should know, in sherpa-onnx's manner: names and plain
                values; lists are joined by commas, truth values are 1 and 0.

        Raises:
            UserError: If ``onnx`` is not installed.
        """
        onnx = extra("onnx", "export", "writing ONNX")
        helper = onnx.helper
        model = helper.make_model(
            self.proto(),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="throughtime",
            producer_version=__version__,
        )
        helper.set_model_props(model, {name: told(value) for name, value in (metadata or {}).items()})
        onnx.checker.check_model(model, full_check=True)
        return model

    def proto(self) -> Any:
        """The graph as an ``onnx.GraphProto``, without what no output needs."""
        onnx = extra("onnx", "export", "writing ONNX")
        helper = onnx.helper
        nodes, needed = self._needed()

        def info(name: Value, shape: Sequence[Size], dtype: Any) -> Any:
            return helper.make_tensor_value_info(name, _onnx_type(dtype), shape)

        def made(node: Node) -> Any:
            attributes = {n: value.proto() if isinstance(value, Graph) else value for n, value in node.attributes}
            return helper.make_node(node.op, node.inputs, node.outputs, name=node.outputs[0], **attributes)

        arrays = [onnx.numpy_helper.from_array(array, n) for n, array in self._arrays.items() if n in needed]
        inputs, outputs = ([info(*given) for given in values] for values in (self._inputs, self._outputs))
        return helper.make_graph([made(node) for node in nodes], self.name, inputs, outputs, arrays)

    def captured(self) -> set[Value]:
        """What a body takes from outside."""
        nodes, needed = self._needed()
        own = {name for node in nodes for name in node.outputs} | {name for name, *_ in self._inputs}
        return needed - own

    def _needed(self) -> tuple[list[Node], set[Value]]:
        """The nodes that outputs depend on, in order, and all values that these read or give out."""
        needed = {name for name, *_ in self._outputs}
        nodes = []
        for node in reversed(self._nodes):
            if needed & set(node.outputs):
                needed |= set(node.read())
                nodes.append(node)
        return nodes[::-1], needed

    def _name(self, value: Given) -> Value:
        if value is None or isinstance(value, str):
            return value or ""
        if isinstance(value, Tensor):
            value = value.detach().cpu().numpy()
        return self.constant(value, None if isinstance(value, np.ndarray) else self.dtype)

    def _known(self, key: Any) -> tuple[Value, ...] | None:
        return self._made.get(key) or (None if self.above is None else self.above._known(key))

    def _fresh(self, word: str) -> Value:
        word = self._own(word)
        number, name = 1, word
        while name in self._names:
            number += 1
            name = f"{word}_{number}"
        return self._take(name)

    def _own(self, name: str) -> str:
        return name if self is self.root else f"{self.name}.{name}"

    def _take(self, name: str) -> Value:
        if name in self._names:
            raise ValueError(f"expected every value to have a name of its own, got {name!r} twice; rename one of them")
        self._names.add(name)
        return name


def told(value: Any) -> str:
    """A value as metadata.

    Example:
        >>> told([16, 32]), told(True), told("ctc")
        ('16,32', '1', 'ctc')
    """
    if isinstance(value, (list, tuple)):
        return ",".join(told(part) for part in value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def numbers(dtype: torch.dtype) -> Any:
    """A type of PyTorch's numbers as NumPy's.

    Example:
        >>> numbers(torch.float64)
        dtype('float64')
    """
    return torch.empty(0, dtype=dtype).numpy().dtype


def _onnx_type(dtype: Any) -> int:
    helper = extra("onnx", "export", "writing ONNX").helper
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _hashed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
