"""Recursive layers: cells applied up a tree, batched by level."""

from __future__ import annotations

from throughtime.layers.trees.base import Children, Levels, TreeCell
from throughtime.layers.trees.layer import Recursive
from throughtime.layers.trees.recursive import RecursiveCell
from throughtime.layers.trees.rntn import RNTNCell
from throughtime.layers.trees.tree_lstm import BinaryTreeLSTMCell, ChildSumTreeLSTMCell
from throughtime.own import find_class

TREE_CELLS: dict[str, type[TreeCell]] = {
    "recursive": RecursiveCell,
    "rntn": RNTNCell,
    "tree-lstm": BinaryTreeLSTMCell,
    "child-sum": ChildSumTreeLSTMCell,
}
"""The built-in tree cells by the name that the command line takes."""


def find_tree_cell(name: str) -> type[TreeCell]:
    """The tree cell of that name: a built-in one, or ``module:Class``, which imports the module.

    Raises:
        UserError: If there is none; names the nearest one.
    """
    return find_class("tree cell", name, TREE_CELLS, TreeCell)


__all__ = [
    "TREE_CELLS",
    "BinaryTreeLSTMCell",
    "ChildSumTreeLSTMCell",
    "Children",
    "Levels",
    "RNTNCell",
    "Recursive",
    "RecursiveCell",
    "TreeCell",
    "find_tree_cell",
]
