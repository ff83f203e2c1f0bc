"""Recurrent layers as nodes of a graph: over whole sequences, or one step of a stream.

``write_layer`` and ``write_layer_step`` add a layer of any depth, direction and cell to a graph; whole models stand on
them. A cell that ONNX has becomes its operator, every other a ``Scan`` of its equations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime.errors import UserError
from throughtime.export.graph.builder import Graph, Value
from throughtime.export.graph.kernels import OPERATORS, find_kernel, run_kernel
from throughtime.export.graph.packs import Packs
from throughtime.export.graph.step import Step, Weights
from throughtime.layers import Directed, Recurrent
from throughtime.layers.stream import check_one_way
from throughtime.program import CannotTrace, trace

State = dict[str, Value]
"""A layer's state by name, ``[num_layers * directions, B, width]`` each."""


@dataclass(frozen=True)
class Marks:
    """What loops need to know beside their cell: of single steps, and how they may be written.

    Attributes:
        lengths: Real steps of every row, ``[B]``; None where all are T.
        real: Which steps are real, ``[T, B, 1]``; None where all are.
        resets: Where a row begins anew before a step, ``[T, B, 1]``; None where none does.
        operators: What a cell may become beside a ``Scan``.
    """

    lengths: Value | None = None
    real: Value | None = None
    resets: Value | None = None
    operators: Collection[str] = OPERATORS


def write_layer(
    graph: Graph,
    layer: Recurrent,
    x: Value,
    *,
    lengths: Value | None = None,
    state: Mapping[str, Value] | None = None,
    resets: Value | None = None,
    prefix: str = "",
    time_first: bool = False,
    operators: Collection[str] = OPERATORS,
) -> tuple[Value, State]:
    """A layer over whole sequences, as it is in use: no dropout, zoneout's mean.

    Args:
        graph: Is added to.
        layer: The layer.
        x: ``[B, T, input_size]``.
        lengths: Real steps of every row, whole numbers of 64 bits ``[B]``; None where all are T.
        state: The initial state by name, ``[num_layers * directions, B, width]`` each; zeros where None.
        resets: Truth values ``[B, T]``: where a row begins anew, from zeros, before a step.
        prefix: Before the names of the parameters, such as ``"stack."``.
        time_first: ``x``, ``resets`` and the outputs are ``[T, B, …]``.
        operators: Those of :data:`OPERATORS` that may be used; a cell that is one of the others becomes a ``Scan``.

    Returns:
        Outputs ``[B, T, output_size]``, zero past a row's length, and the final state, shaped as the initial.

    Raises:
        UserError: If the equations of the cell are no program; says what stops it.
    """
    x = x if time_first else graph.transpose(x, 1, 0, 2)
    resets = resets if time_first or resets is None else graph.transpose(resets, 1, 0)
    marks = Marks(
        lengths,
        None if lengths is None else graph.unsqueeze(graph.real_steps(lengths, graph.size(x, 0)), 2),
        None if resets is None else graph.unsqueeze(resets, 2),
        operators,
    )
    initial = _initial(graph, layer, state, graph.size(x, 1))
    final: list[State] = []
    directions = 2 if layer.bidirectional else 1
    for depth in range(layer.num_layers):
        outputs = []
        for number in range(depth * directions, (depth + 1) * directions):
            name = f"{prefix}cells.{number}."
            made, last = _run(graph, layer.directed[number], name, x, initial[number], marks)
            outputs.append(made)
            final.append(last)
        joined = _merged(graph, layer.merge, outputs)
        if _is_residual(layer, depth):
            joined = graph.add("Add", joined, _real(graph, marks, x))
        x = joined
    return x if time_first else graph.transpose(x, 1, 0, 2), _joined(graph, layer, final)


def write_layer_step(
    graph: Graph,
    layer: Recurrent,
    x: Value,
    state: Mapping[str, Value],
    *,
    resets: Value | None = None,
    prefix: str = "",
    operators: Collection[str] = OPERATORS,
) -> tuple[Value, State]:
    """One step of a layer: ``x [B, input_size]`` gives the output ``[B, output_size]`` and the new state.

    Args:
        graph: Is added to.
        layer: The layer.
        x: ``[B, input_size]``.
        state: Before the step, by name, ``[num_layers, B, width]`` each.
        resets: Truth values ``[B]``: rows that begin anew, from zeros, before the step.
        prefix: Before the names of the parameters.
        operators: As of :func:`write_layer`.

    Raises:
        UserError: If the equations of the cell are no program.
        ValueError: If the layer is bidirectional.
    """
    check_one_way(layer.directed)
    initial = _initial(graph, layer, state, graph.size(x, 0))
    if resets is not None:
        anew = graph.add("Reshape", resets, graph.shape(1, -1, 1))
        initial = [{n: graph.add("Where", anew, 0.0, value) for n, value in part.items()} for part in initial]
    final: list[State] = []
    for depth, directed in enumerate(layer.directed):
        made, last = _run_step(graph, directed, f"{prefix}cells.{depth}.", x, initial[depth], operators)
        x = graph.add("Add", made, x) if _is_residual(layer, depth) else made
        final.append(last)
    return x, _joined(graph, layer, final)


def _run(graph: Graph, directed: Directed, prefix: str, x: Value, state: State, marks: Marks) -> tuple[Value, State]:
    """One cell in one direction over ``x [T, B, k]``, its states ``[1, B, width]``."""
    kernel = None if marks.resets else find_kernel(directed, graph.dtype, marks.operators)
    if kernel is None:
        return _scan(graph, directed, prefix, x, state, marks)
    states = [state[name] for name in directed.cell.state]
    outputs, final = run_kernel(graph, kernel, prefix, x, marks.lengths, states, reverse=directed.reverse)
    return outputs, dict(zip(directed.cell.state, final, strict=True))


def _run_step(
    graph: Graph, directed: Directed, prefix: str, x: Value, state: State, operators: Collection[str]
) -> tuple[Value, State]:
    """One step of a cell: ``x [B, k]``, its states ``[1, B, width]``."""
    cell = directed.cell
    kernel = find_kernel(directed, graph.dtype, operators)
    if kernel is not None:
        states = [state[name] for name in cell.state]
        outputs, final = run_kernel(graph, kernel, prefix, graph.unsqueeze(x, 0), None, states, reverse=False)
        return graph.squeeze(outputs, 0), dict(zip(cell.state, final, strict=True))
    packs, weights = _packed(directed), Weights.of(graph, prefix, directed)
    outer = {number: weights.product(pack.node.block, x) for number, pack in packs.outer() if pack.node.block}
    before = {name: graph.squeeze(value, 0) for name, value in state.items()}
    step = Step(weights, packs, before, x, outer)
    return step.next[cell.state[0]], {name: graph.unsqueeze(value, 0) for name, value in step.next.items()}


def _scan(graph: Graph, directed: Directed, prefix: str, x: Value, state: State, marks: Marks) -> tuple[Value, State]:
    """The equations of a cell as the body of a ``Scan``. Arguments and results as of :func:`_run`.

    Time is turned before and after it: run from the end, a row keeps its initial state until its last real step.
    """
    cell = directed.cell
    packs, weights = _packed(directed), Weights.of(graph, prefix, directed)

    def turned(value: Value) -> Value:
        return graph.flip(value, 0) if directed.reverse else value

    x = turned(x)
    outer = {n: weights.product(pack.node.block, x, steps=True) for n, pack in packs.outer() if pack.node.block}
    # A body leaves the batch open: readers that are told a number do not take a name for it.
    body = graph.inner(f"{prefix}step")
    widths = cell.widths()
    old = {name: body.input(f"old.{name}", [None, width]) for name, width in widths.items()}
    sequences: list[Value] = []

    def read(name: str, value: Value, width: int, dtype: Any = None) -> Value:
        sequences.append(turned(value) if dtype is bool else value)
        return body.input(name, [None, width], dtype)

    by_pack = {n: read(f"outer.{n}", value, packs.packs[n].width) for n, value in outer.items()}
    inputs = read("x", x, cell.input_size) if packs.reads_input() or not outer else None
    before = old
    if marks.resets is not None:
        anew = read("resets", _ahead(graph, marks) if directed.reverse else marks.resets, 1, bool)
        before = {name: body.add("Where", anew, 0.0, value) for name, value in old.items()}
    made = Step(weights.within(body), packs, before, inputs, by_pack).next
    if marks.real is not None:
        real = read("real", marks.real, 1, bool)
        made = {name: body.add("Where", real, value, old[name]) for name, value in made.items()}
    for name, value in made.items():
        body.output(value, f"next.{name}", [None, widths[name]])
    body.output(made[cell.state[0]], "output", [None, cell.output_size])

    first = [graph.squeeze(state[name], 0) for name in widths]
    *final, outputs = graph.add_many(
        "Scan", len(widths) + 1, *first, *sequences, body=body, num_scan_inputs=len(sequences)
    )
    return _real(graph, marks, turned(outputs)), {
        name: graph.unsqueeze(value, 0) for name, value in zip(widths, final, strict=True)
    }


def _real(graph: Graph, marks: Marks, value: Value) -> Value:
    """A value ``[T, B, width]``, zero past a row's length."""
    return value if marks.real is None else graph.add("Where", marks.real, value, 0.0)


def _ahead(graph: Graph, marks: Marks) -> Value:
    """Resets as a row meets them that runs backward: a border before a step is one after the step before it."""
    assert marks.resets is not None
    flags = marks.resets if marks.real is None else graph.add("And", marks.resets, marks.real)
    none = graph.add("Expand", np.array(False), graph.shape(1, graph.size(flags, 1), 1))
    return graph.concat([graph.cut(flags, 0, 1), none], axis=0)


def _packed(directed: Directed) -> Packs:
    """The step of a cell as it is in use.

    Raises:
        UserError: If it is no program.
    """
    try:
        return Packs.of(trace(directed.cell, keep=directed.keep))
    except CannotTrace as reason:
        cell = type(directed.cell).__name__
        raise UserError(f"{cell}: expected equations that can be written as a graph, but {reason}") from reason


def _initial(graph: Graph, layer: Recurrent, state: Mapping[str, Value] | None, rows: Value) -> list[State]:
    """The initial states of every cell, ``[1, B, width]`` each."""
    count, widths = len(layer.directed), layer.cell.widths()
    if state is None:
        return [{name: graph.zeros(1, rows, width) for name, width in widths.items()}] * count
    parts = {n: [state[n]] if count == 1 else graph.split(state[n], [1] * count, axis=0) for n in widths}
    return [{name: parts[name][number] for name in widths} for number in range(count)]


def _joined(graph: Graph, layer: Recurrent, states: list[State]) -> State:
    return {name: graph.concat([state[name] for state in states], axis=0) for name in layer.cell.state}


def _merged(graph: Graph, merge: str, outputs: list[Value]) -> Value:
    """The outputs of both directions as one."""
    if merge == "concat" or len(outputs) == 1:
        return graph.concat(outputs)
    joined = graph.add("Mul" if merge == "product" else "Add", *outputs)
    return graph.add("Mul", joined, 0.5) if merge == "mean" else joined


def _is_residual(layer: Recurrent, depth: int) -> bool:
    """Whether a layer's input is added to its output."""
    directions = 2 if layer.bidirectional else 1
    cells = layer.directed[depth * directions : (depth + 1) * directions]
    width = sum(d.cell.output_size for d in (cells if layer.merge == "concat" else cells[:1]))
    return layer.residual and width == cells[0].cell.input_size
