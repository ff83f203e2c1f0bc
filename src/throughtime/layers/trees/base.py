"""What a cell on trees is: the equations of a leaf, and of a node above its children.

Shapes used in this package::

    N  nodes of a batch of trees          k  features of a word (``input_size``)
    B  nodes of one height                n  units of the cell (``hidden_size``)
    E  children of those nodes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells import Cell


class TreeCell(Cell):
    """A cell that is applied up a tree, from the leaves to the root.

    A cell of your own declares ``state``, ``parameters``, and instead of a step through time two pure functions:
    :meth:`leaf` and :meth:`join`. They run on all nodes of a height at once.

    Example:
        The mean of the children:

        >>> import torch
        >>> from throughtime.cells import input_matrix
        >>> class Mean(TreeCell):
        ...     arity = None
        ...     def parameters(self):
        ...         return {"W": input_matrix(self.hidden_size, self.input_size)}
        ...     def leaf(self, x, p):
        ...         return {"h": p.W @ x}
        ...     def join(self, x, s, p):
        ...         return {"h": s.sum(s.h) / s.sum(torch.ones(len(s.h), 1))}
    """

    arity: ClassVar[int | None] = 2
    """Most children of a node, for a cell that tells the first from the second; None: any number, in no order."""

    def leaf(self, x: Tensor, p: Any) -> Mapping[str, Tensor]:
        """The state of nodes without children.

        Args:
            x: Their words, ``[B, k]``.
            p: The parameters, an attribute a name; matrices are applied as ``p.W @ x``.

        Returns:
            The state by name, every name of ``state``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no equations of a leaf: define leaf(self, x, p)")

    def join(self, x: Tensor | None, s: Any, p: Any) -> Mapping[str, Tensor]:
        """The state of nodes above their children.

        Args:
            x: Their own words, ``[B, k]``, zeros where a node has none; None where none of them has one, which is
                always so for a cell with an ``arity``.
            s: The children's states, an attribute a name. With an ``arity`` of m, ``s.h`` is ``[B, m * width]``, child
                by child, zeros for one that is not there. Without, :class:`Children`.
            p: The parameters.

        Returns:
            The state by name.
        """
        raise NotImplementedError(f"{type(self).__name__} has no equations of a node: define join(self, x, s, p)")


class Children:
    """Any number of children: their states are attributes, ``[E, width]``, the children of a node side by side.

    Args:
        states: By name.
        parent: For each child the node that it belongs to, ``[E]``, from 0 to B - 1.
        nodes: B.
    """

    def __init__(self, states: Mapping[str, Tensor], parent: Tensor, nodes: int) -> None:
        self._states, self._parent, self._nodes = states, parent, nodes

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self._states[name]
        except KeyError:
            raise AttributeError(name) from None

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the children of each node, ``[E, f]`` to ``[B, f]``."""
        return values.new_zeros(self._nodes, values.shape[1]).index_add(0, self._parent, values)

    def each(self, values: Tensor) -> Tensor:
        """A node's value for each of its children, ``[B, f]`` to ``[E, f]``."""
        return values.index_select(0, self._parent)


@dataclass(frozen=True)
class Levels:
    """A batch of trees, its nodes ordered by height: those without children first, then level by level.

    Attributes:
        sizes: Nodes of every height; they add up to N.
        child: Nodes that are children, ordered by their parents, then from left to right, ``[E of all levels]``.
        parent: The parent of each, ``[E of all levels]``.
        edges: Children of each height's nodes; the first is 0.
        widest: Most children of a node.
    """

    sizes: tuple[int, ...]
    child: Tensor
    parent: Tensor
    edges: tuple[int, ...]
    widest: int

    @property
    def nodes(self) -> int:
        """N."""
        return sum(self.sizes)

    def slots(self, arity: int) -> Tensor:
        """Every inner node's children as columns, ``[N - leaves, arity]``; N where one is not there.

        Raises:
            ValueError: If a node has more children.
        """
        if self.widest > arity:
            raise ValueError(f"expected nodes of at most {arity} children, got one of {self.widest}; binarise the tree")
        leaves, nodes = self.sizes[0] if self.sizes else 0, self.nodes
        first = torch.searchsorted(self.parent, self.parent)  # edges are ordered by parent
        places = (self.parent - leaves) * arity + torch.arange(len(self.child)) - first
        return torch.full(((nodes - leaves) * arity,), nodes).index_copy(0, places, self.child).view(-1, arity)
