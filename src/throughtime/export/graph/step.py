"""One step of a cell as nodes of a graph, from its program."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from throughtime.export.graph.builder import Graph, Value
from throughtime.export.graph.operations import OPERATIONS
from throughtime.export.graph.packs import Pack, Packs, Part
from throughtime.layers import Directed
from throughtime.program import Block, Slice


class Weights:
    """A cell's parameters as a graph stores them, under their names after a prefix.

    A matrix that multiplies is stored transposed, ``[in, out]``, the form that ``MatMul`` takes; one with heads as
    ``[heads, in, out]``. A part of a parameter is stored as the part: ``W_h[0:6, 0:3]``.

    Args:
        graph: The graph, or the body, that nodes are added to.
        prefix: Before every name, such as ``"cells.0."``.
        parameters: By name.
    """

    def __init__(self, graph: Graph, prefix: str, parameters: Mapping[str, Tensor]) -> None:
        self.graph = graph
        self.prefix = prefix
        self.parameters = parameters

    @classmethod
    def of(cls, graph: Graph, prefix: str, directed: Directed) -> Weights:
        """Those of a cell in a layer, as it is in use."""
        return cls(graph, prefix, stored(directed))

    def within(self, body: Graph) -> Weights:
        """The same, for the nodes of a body."""
        return Weights(body, self.prefix, self.parameters)

    def vector(self, name: str, start: int, stop: int) -> Value:
        """A part of a parameter vector, ``[width]``."""
        values = self.parameters[name].flatten()
        whole = (start, stop) == (0, len(values))
        return self.graph.weight(f"{self.prefix}{name}" + ("" if whole else f"[{start}:{stop}]"), values[start:stop])

    def product(self, block: Block, rows: Value, *, steps: bool = False) -> Value:
        """``block @ rows`` of ``[B, features]``, or with ``steps`` of ``[T, B, features]``."""
        name, part = self._part(block)
        if block.heads > 1:
            return self._headed(block, name, part, rows, steps)
        if not block.transposed:
            return self.graph.product(rows, name, part.t())
        # what is known before the graph runs stands outside of a loop
        turned = self.graph.root.transpose(self.graph.weight(name, part.t()), 1, 0)
        return self.graph.add("MatMul", rows, turned)

    def _part(self, block: Block) -> tuple[str, Tensor]:
        """What is stored of a block, and its name."""
        matrix = self.parameters[block.matrix]
        part = matrix[block.row : block.row + block.rows, block.column : block.column + block.columns]
        span = f"[{block.row}:{block.row + block.rows}, {block.column}:{block.column + block.columns}]"
        return f"{self.prefix}{block.matrix}" + ("" if part.shape == matrix.shape else span), part

    def _headed(self, block: Block, name: str, part: Tensor, rows: Value, steps: bool) -> Value:
        """Each head's rows by its part of the features, all heads in one product."""
        graph, units = self.graph, block.rows // (block.gates * block.heads)
        split = torch.unflatten(part, 0, (block.gates, block.heads, -1))
        heads = graph.weight(name, split.permute(1, 3, 0, 2).flatten(2))
        parts = graph.add("Reshape", rows, graph.shape(-1, block.heads, block.columns))
        made = graph.add("MatMul", graph.transpose(parts, 1, 0, 2), heads)
        by_gate = graph.add("Reshape", made, graph.shape(block.heads, -1, block.gates, units))
        times = (graph.size(rows, 0),) if steps else ()
        return graph.add("Reshape", graph.transpose(by_gate, 1, 2, 0, 3), graph.shape(*times, -1, block.rows))


def stored(directed: Directed) -> dict[str, Tensor]:
    """A cell's parameters by name, none of them dropped, whether the layer is in training or not."""
    return {name: value.detach() for name, value in zip(directed.declared, directed.stored(), strict=True)}


class Step:
    """Writes a step into a graph.

    Args:
        weights: The cell's parameters, for nodes of that graph.
        packs: The step.
        state: The states before it, ``[B, width]`` each.
        x: The input, ``[B, k]``; None where the step does not read it by itself.
        outer: What is known before the loop: by the number of its pack its value at this step, ``[B, width]``.
    """

    def __init__(
        self,
        weights: Weights,
        packs: Packs,
        state: Mapping[str, Value],
        x: Value | None,
        outer: Mapping[int, Value],
    ) -> None:
        self.graph = weights.graph
        self.weights = weights
        self.packs = packs.packs
        self.state = state
        self.x = x
        self.outer = outer
        self.values: list[Value] = []
        self.has_rows: list[bool] = []  # whether a value has a row for each of the batch
        self.parts: dict[tuple[int, int, int], Value] = {}
        for number, pack in enumerate(self.packs):
            self.values.append(self._made(number, pack))
            self.has_rows.append(pack.node.op in ROWS or any(self.has_rows[part.pack] for part in pack.args))
            self._divide(number, pack)
        self.next = {name: self._full(part) for name, part in packs.state.items()}
        """The states after the step, ``[B, width]`` each."""

    def _made(self, number: int, pack: Pack) -> Value:
        node, graph = pack.node, self.graph
        match node.op:
            case "state":
                return self.state[node.name]
            case "sequence":
                assert self.x is not None, node.name  # the input alone: zoneout is its mean, nothing is drawn
                return self.x
            case "outer":
                return self.outer[number]
            case "vector":
                part = Slice.of(node.name, node.width)
                return self.weights.vector(part.parameter, part.start, part.start + pack.width)
            case "constant" | "count":
                return graph.constant(node.number, graph.dtype)
            case "index":
                return graph.constant(np.arange(node.width, dtype=graph.dtype))
            case "product":
                assert node.block is not None
                return self.weights.product(node.block, self._full(pack.args[0]))
            case "total":
                return OPERATIONS["total"](graph, self._full(pack.args[0]))
            case op:
                return OPERATIONS[op](graph, *map(self._take, pack.args))

    def _divide(self, number: int, pack: Pack) -> None:
        """Takes a pack apart where parts of it are used: by one node where they do not overlap."""
        pieces = sorted(pack.read - {(0, pack.width)})
        if not pieces:
            return
        if pack.node.op == "vector":
            vector = Slice.of(pack.node.name, pack.width)
            for start, stop in pieces:
                part = self.weights.vector(vector.parameter, vector.start + start, vector.start + stop)
                self.parts[number, start, stop] = part
        elif all(before[1] <= after[0] for before, after in pairwise(pieces)):
            edges = sorted({0, pack.width, *(edge for piece in pieces for edge in piece)})
            spans = list(pairwise(edges))
            values = self.graph.split(self.values[number], [stop - start for start, stop in spans])
            self.parts |= {(number, *span): value for span, value in zip(spans, values, strict=True)}
        else:
            for start, stop in pieces:
                self.parts[number, start, stop] = self.graph.cut(self.values[number], -1, start, stop)

    def _take(self, part: Part) -> Value:
        if (part.start, part.stop) == (0, self.packs[part.pack].width):
            return self.values[part.pack]
        return self.parts[part.pack, part.start, part.stop]

    def _full(self, part: Part) -> Value:
        """A value as ``[B, width]``, where numbers stand for all rows or one feature for all units."""
        value = self._take(part)
        if self.has_rows[part.pack] and not part.spread:
            return value
        rows = self.graph.size(next(iter(self.state.values())), 0)
        return self.graph.add("Expand", value, self.graph.shape(rows, part.width))


ROWS = ("state", "sequence", "outer", "product")
"""What has a row for each of the batch, whatever it is made of."""
