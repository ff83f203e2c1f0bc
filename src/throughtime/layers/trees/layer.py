"""A cell applied up the trees of a batch, all nodes of a height at once.

A node's state is read by its parent alone, at whatever height that stands. Taking the states of all levels together for
each level would cost as many copies as the trees are high, and a chain of T words T² of them. So the states lie in one
buffer, each level writes its rows and reads its children's, and the gradients lie in a buffer of the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from throughtime.engine import bind
from throughtime.layers.trees.base import Children, Levels, TreeCell


class Recursive(nn.Module):
    """A tree cell with its parameters.

    Args:
        cell: The equations, made of ``(input_size, hidden_size)``: a cell's class, as a rule.
        input_size: Features of a word.
        hidden_size: Units.
    """

    def __init__(self, cell: Callable[[int, int], TreeCell], input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = cell(input_size, hidden_size)
        self.declared = dict(self.cell.parameters())
        for name, parameter in self.declared.items():
            self.register_parameter(name, nn.Parameter(torch.empty(parameter.shape)))
        self.reset_parameters()

    @property
    def output_size(self) -> int:
        """Features of a node's output."""
        return self.cell.output_size

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws the start values that the cell declares."""
        for name, parameter in self.declared.items():
            parameter.fill(getattr(self, name))

    def forward(self, inputs: Tensor, levels: Levels) -> Tensor:
        """The output of every node.

        Args:
            inputs: The words of the nodes without children, ``[leaves, k]``; or of all nodes, ``[N, k]``, zeros for a
                node without a word.
            levels: The trees.

        Returns:
            ``[N, output_size]``, in the order of ``levels``.

        Raises:
            ValueError: If the trees are none for this cell, or shapes do not fit.
        """
        self._check(inputs, levels)
        cell, parameters = self.cell, bind(self.cell, {name: getattr(self, name) for name in self.declared})
        memory = _Memory(inputs, levels.nodes, list(cell.widths().values()))
        if not levels.sizes:
            return memory.values[0][:0]
        inner = len(inputs) > levels.sizes[0]
        leaves = levels.sizes[0]
        new = cell.leaf(inputs[:leaves], parameters)
        token = _Write.apply(memory, 0, inputs.new_zeros(1), *(new[name] for name in cell.state))  # type: ignore[no-untyped-call]
        begin = leaves
        for size, (index, parent) in zip(levels.sizes[1:], self._children(levels, inputs.device), strict=True):
            x = inputs[begin : begin + size] if inner else None
            read = dict(zip(cell.state, _Read.apply(memory, index, token), strict=True))  # type: ignore[no-untyped-call]
            new = cell.join(x, _view(read, size, parent), parameters)
            token = _Write.apply(memory, begin, token, *(new[name] for name in cell.state))  # type: ignore[no-untyped-call]
            begin += size
        return _Close.apply(memory, token)  # type: ignore[no-untyped-call, no-any-return]

    def _children(self, levels: Levels, device: torch.device) -> list[tuple[Tensor, Tensor | None]]:
        """For each height above the leaves its nodes' children; without an arity, each one's parent, too."""
        sizes, edges = list(levels.sizes[1:]), list(levels.edges[1:])
        if self.cell.arity is not None:
            slots = levels.slots(self.cell.arity).to(device)
            return [(rows.flatten(), None) for rows in torch.split(slots, sizes)]
        begins = torch.tensor([0, *levels.sizes[:-1]]).cumsum(0)[1:]
        places = (levels.parent - begins.repeat_interleave(torch.tensor(edges, dtype=torch.int64))).to(device)
        return list(zip(torch.split(levels.child.to(device), edges), torch.split(places, edges), strict=True))

    def _check(self, inputs: Tensor, levels: Levels) -> None:
        leaves, nodes = levels.sizes[0] if levels.sizes else 0, levels.nodes
        rows = {leaves} if self.cell.arity is not None else {leaves, nodes}
        if inputs.dim() != 2 or inputs.shape[1] != self.cell.input_size or len(inputs) not in rows:
            wanted = " or ".join(f"[{count}, {self.cell.input_size}]" for count in sorted(rows))
            raise ValueError(f"expected inputs of shape {wanted}, got {list(inputs.shape)}")

    def extra_repr(self) -> str:
        """The cell."""
        return repr(self.cell)


def _view(read: dict[str, Tensor], nodes: int, parent: Tensor | None) -> Any:
    if parent is not None:
        return Children(read, parent, nodes)
    return SimpleNamespace(**{name: value.view(nodes, -1) for name, value in read.items()})


class _Memory:
    """The states of all nodes, a row a node, and one of zeros at the end for a child that is not there."""

    def __init__(self, like: Tensor, nodes: int, widths: Sequence[int]) -> None:
        self.values = [like.new_empty(nodes + 1, width) for width in widths]
        for value in self.values:
            value[-1] = 0.0
        self.gradients: list[Tensor] = []
        self.outer = like


class _Write(torch.autograd.Function):
    """Puts a level's states into memory. The token says that it is done: what reads afterwards takes it."""

    @staticmethod
    def forward(ctx: Any, memory: _Memory, begin: int, token: Tensor, *states: Tensor) -> Tensor:
        ctx.memory, ctx.rows = memory, slice(begin, begin + len(states[0]))
        for value, state in zip(memory.values, states, strict=True):
            value[ctx.rows] = state
        return token.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, token: Tensor) -> tuple[Any, ...]:
        # Everything that read these rows has given its gradient: it took a later token.
        output, *others = (gradient[ctx.rows] for gradient in ctx.memory.gradients)
        return None, None, token, output + ctx.memory.outer[ctx.rows], *others


class _Read(torch.autograd.Function):
    """Takes rows from memory. A node is read by its parent alone, so its gradient is written, not added up."""

    @staticmethod
    def forward(ctx: Any, memory: _Memory, index: Tensor, token: Tensor) -> tuple[Tensor, ...]:
        ctx.memory, ctx.index = memory, index
        ctx.save_for_backward(token)
        return tuple(value.index_select(0, index) for value in memory.values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *states: Tensor) -> tuple[Any, ...]:
        for gradient, state in zip(ctx.memory.gradients, states, strict=True):
            gradient.index_copy_(0, ctx.index, state)
        return None, None, torch.zeros_like(ctx.saved_tensors[0])


class _Close(torch.autograd.Function):
    """The outputs of all nodes, once all levels are written."""

    @staticmethod
    def forward(ctx: Any, memory: _Memory, token: Tensor) -> Tensor:
        ctx.memory = memory
        ctx.save_for_backward(token)
        return memory.values[0][:-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Any, ...]:
        # The root of a tree is read by nobody: its rows stay zero.
        ctx.memory.gradients = [torch.zeros_like(value) for value in ctx.memory.values]
        ctx.memory.outer = outer
        return None, torch.zeros_like(ctx.saved_tensors[0])
