"""Runs a program in NumPy, step by step: slow, short, and what every engine is tested against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from throughtime.program.derivative import Derived
from throughtime.program.graph import Block, Node, Program, Slice
from throughtime.program.needs import shares

Array = NDArray[np.floating[Any]]

OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "abs": np.abs,
    "tanh": np.tanh,
    "sigmoid": lambda a: 1.0 / (1.0 + np.exp(-a)),
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "sqrt": np.sqrt,
    "max": np.maximum,
    "min": np.minimum,
    "gt": lambda a, b: (a > b).astype(a.dtype),
    "ge": lambda a, b: (a >= b).astype(a.dtype),
    "eq": lambda a, b: (a == b).astype(a.dtype),
    "where": lambda choice, a, b: np.where(choice != 0, a, b),
    "apart": lambda a, b: (a - b) ** 2,
    "detach": np.positive,
    "total": lambda a: a.sum(1, keepdims=True),
    "peak": lambda a: a.max(1, keepdims=True),
    "spread": np.positive,  # a column stands for every unit already
}
"""All arithmetic that a program may hold, unit by unit or on whole rows; truth values are 0 and 1."""


@dataclass(frozen=True)
class Given:
    """What a program runs on: B sequences of up to T steps.

    Attributes:
        parameters: By name.
        inputs: ``[B, T, k]``.
        state: The initial state by name, ``[B, width]`` each.
        lengths: Real steps of every row, ``[B]``; None where all are T.
        reverse: Run each row from its last real step to its first.
        masks: Recurrent dropout: for each matrix that the program was traced to mask, ``[B, features]``.
        keep: Zoneout: for each state whose zeros and ones are drawn, ``[B, T, width]``.
    """

    parameters: Mapping[str, Array]
    inputs: Array
    state: Mapping[str, Array]
    lengths: NDArray[np.integer[Any]] | None = None
    reverse: bool = False
    masks: Mapping[str, Array] = field(default_factory=dict)
    keep: Mapping[str, Array] = field(default_factory=dict)

    def steps(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """For each step in the order of running: the rows that run, and where each of them stands in time."""
        batch, time = self.inputs.shape[:2]
        lengths = np.full(batch, time) if self.lengths is None else np.asarray(self.lengths)
        rows = [np.flatnonzero(lengths > t) for t in range(time)]
        return [(r, lengths[r] - 1 - t if self.reverse else np.full(len(r), t)) for t, r in enumerate(rows)]

    def leaf(self, node: Node, rows: NDArray[Any], when: NDArray[Any]) -> Array:
        """A parameter, a mask, a number or the input at a step: ``[rows, width]``, or what spreads to it."""
        if node.op in ("constant", "count"):
            return np.full((1, 1), node.number, self.inputs.dtype)
        if node.op == "index":
            return np.arange(node.width, dtype=self.inputs.dtype).reshape(1, -1)
        if node.op == "sequence":
            kind, _, state = node.name.partition(" ")
            return _at(self.keep[state] if kind == "keep" else self.inputs, rows, when)
        if node.op == "outer":
            assert node.block is not None
            return _at(self.inputs, rows, when) @ _matrix(self.parameters, node.block).T
        part = Slice.of(node.name, node.width)
        if node.op == "rowwise":
            value: Array = self.masks[part.parameter.removeprefix("mask ")][rows]
        else:
            value = self.parameters[part.parameter].reshape(1, -1)
        return value[:, part.start : part.start + (1 if part.spread else part.width)]


@dataclass
class Ran:
    """What a program made of it.

    Attributes:
        outputs: ``[B, T, width]``, zero past a row's length and in the order of the inputs.
        state: The final state by name, ``[B, width]`` each.
        values: For each step in the order of running every value by its place, ``[rows that ran, width]``.
        before: For each step the states before it, ``[rows that ran, width]``.
    """

    outputs: Array
    state: dict[str, Array]
    values: list[dict[int, Array]] = field(default_factory=list)
    before: list[dict[str, Array]] = field(default_factory=list)


@dataclass
class Gradients:
    """What the derivative made of it.

    Attributes:
        inputs: ``[B, T, k]``.
        state: Of the initial state by name, ``[B, width]`` each.
        parameters: By name.
    """

    inputs: Array
    state: dict[str, Array]
    parameters: dict[str, Array]


def interpret(program: Program, given: Given) -> Ran:
    """Runs a step forward over sequences.

    Example:
        >>> from throughtime.cells import RNNCell
        >>> from throughtime.program import trace
        >>> ones = {"W_x": np.ones((1, 1)), "W_h": np.ones((1, 1)), "b": np.zeros(1)}
        >>> given = Given(ones, np.ones((1, 2, 1)), {"h": np.zeros((1, 1))})
        >>> interpret(trace(RNNCell(1, 1)), given).outputs.round(4).tolist()  # tanh(1), tanh(1 + tanh(1))
        [[[0.7616], [0.9427]]]
    """
    state = {name: np.array(value) for name, value in given.state.items()}
    ran = Ran(np.zeros((*given.inputs.shape[:2], state[program.output].shape[1]), given.inputs.dtype), state)
    for rows, when in given.steps():
        before = {name: value[rows] for name, value in state.items()}
        values = _evaluate(program, given, rows, when, before, {})
        for name, place in program.state.items():
            state[name][rows] = values[place]
        ran.outputs[rows, when] = state[program.output][rows]
        ran.values.append(values)
        ran.before.append(before)
    return ran


def interpret_backward(
    derived: Derived, given: Given, ran: Ran, outputs: Array, state: Mapping[str, Array]
) -> Gradients:
    """Runs the derivative backward over what a step ran forward on.

    Args:
        derived: The step and its derivative.
        given: What the step ran on.
        ran: What it made of it.
        outputs: The gradient of the outputs, ``[B, T, width]``.
        state: The gradient of the final state by name, ``[B, width]`` each.
    """
    back, forward = derived.backward, derived.forward
    carried = {name: np.array(value) for name, value in state.items()}
    found = {name: np.zeros(value.shape, value.dtype) for name, value in given.parameters.items()}
    x = np.zeros_like(given.inputs)
    for (rows, when), values, before in reversed(list(zip(given.steps(), ran.values, ran.before, strict=True))):
        read = {"grad y": outputs[rows, when]}
        read |= {f"{name}<t-1>": value for name, value in before.items()}
        read |= {f"{name}<t>": values[place] for name, place in forward.state.items()}
        read |= {name: values[place] for name, place in derived.kept.items()}
        made = _evaluate(back, given, rows, when, {f"d {name}": value[rows] for name, value in carried.items()}, read)
        for name in carried:
            carried[name][rows] = made[back.state[f"d {name}"]]
        for name, place in back.sums.items():
            part = Slice.of(name, back.nodes[place].width)
            total = made[place].sum() if part.spread else made[place].sum(0)
            found[part.parameter].reshape(-1)[part.start :][: 1 if part.spread else part.width] += total
        if derived.x is not None:
            x[rows, when] += made[derived.x]
        for share in shares(derived):
            operand = given.inputs[rows, when] if share.operand is None else values[share.operand]
            total = made[share.gradient].T @ operand
            _stored(found, share.block)[...] += total.T if share.block.transposed else _on_heads(total, share.block)
            if share.operand is None:
                x[rows, when] += made[share.gradient] @ _matrix(given.parameters, share.block)
    return Gradients(x, carried, found)


def _evaluate(
    program: Program,
    given: Given,
    rows: NDArray[Any],
    when: NDArray[Any],
    state: Mapping[str, Array],
    read: Mapping[str, Array],
) -> dict[int, Array]:
    """Every value of one step by its place, ``[rows, width]``, from the states and what else it reads by name."""
    values: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        for place in program.reachable():
            node = program.nodes[place]
            args = [values[arg] for arg in node.args]
            if node.op == "state":
                value = state[node.name]
            elif node.is_leaf:
                value = read[node.name] if node.name in read else given.leaf(node, rows, when)
            elif node.op == "product":
                assert node.block is not None
                weights = _matrix(given.parameters, node.block)
                value = np.concatenate(args, 1) @ (weights if node.block.transposed else weights.T)
            else:
                value = OPERATIONS[node.op](*args)
            values[place] = np.broadcast_to(value, (len(rows), node.width))
    return values


def _at(value: Array, rows: NDArray[Any], when: NDArray[Any]) -> Array:
    """Of ``[B, T, width]`` some rows, each at a step of its own."""
    found: Array = value[rows, when]
    return found


def _stored(parameters: Mapping[str, Array], block: Block) -> Array:
    return parameters[block.matrix][block.row : block.row + block.rows, block.column : block.column + block.columns]


def _matrix(parameters: Mapping[str, Array], block: Block) -> Array:
    """The matrix that a block stands for, ``[rows, features]``: zero beside its heads."""
    stored = _stored(parameters, block)
    split = stored.reshape(block.gates, block.heads, -1, block.columns)
    whole = np.zeros((*split.shape[:3], block.heads, block.columns), stored.dtype)
    for head in range(block.heads):
        whole[:, head, :, head] = split[:, head]
    return whole.reshape(block.rows, block.features)


def _on_heads(whole: Array, block: Block) -> Array:
    """What of such a matrix is stored: the inverse."""
    split = whole.reshape(block.gates, block.heads, -1, block.heads, block.columns)
    return np.stack([split[:, head, :, head] for head in range(block.heads)], 1).reshape(block.rows, block.columns)
