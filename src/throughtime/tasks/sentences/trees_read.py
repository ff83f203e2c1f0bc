"""The trees that a file holds for a trained model, without the labels on their nodes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from throughtime.applications.options import Columned, Tabled
from throughtime.applications.reading.inputs import Input, Inputs
from throughtime.data.tables.sheets import Record, Sheet
from throughtime.data.trees.treebank import read_brackets, read_heads
from throughtime.data.trees.trees import Tree, binarised, to_brackets
from throughtime.errors import UserError
from throughtime.runtime.reading.files import file_lines

HEADS, BRACKETS = (".conllu",), (".ptb", ".trees", ".mrg")
"""Suffixes of files of dependency heads, and of trees in brackets; a text file may hold the latter, too."""


class TreeOptions(Columned, Tabled):
    """Of the labels of a tree: what may be asked of them."""


def tree_inputs(path: Path) -> Inputs | None:
    """The trees of a file; None where it holds a text a line.

    Raises:
        UserError: If a tree is broken, or there is none.
    """
    kind = path.suffix.lower()
    if kind in HEADS:
        return _as_inputs(path, "sentence", [(" ".join(tree.sentence), tree) for tree in read_heads(path)])
    if kind in BRACKETS or (kind == ".txt" and _is_one_a_tree(path)):
        return _as_inputs(path, "tree", [(to_brackets(tree), tree) for tree in read_brackets(path)])
    return None


def with_two_children(tree: Tree, cell: str) -> Tree:
    """A tree as a cell takes it that tells a first child from a second.

    Raises:
        UserError: If words stand above others, as in dependency trees: such a cell takes them at the leaves alone.
    """
    if tree.word_above is not None:
        raise UserError(
            f"{tree.where}: expected words at the leaves alone, as --cell {cell} takes them, got {tree.word_above!r} "
            "above others; pass trees in brackets, or train with --cell child-sum"
        )
    return binarised(tree)


def _is_one_a_tree(path: Path) -> bool:
    """Whether a text file holds trees of several lines; those of a line are read as lines, among others."""
    lines = [line for line in islice(file_lines(path), 1000) if line.strip()]
    return bool(lines) and lines[0].startswith("(") and any(line[0] in " \t" for line in lines)


def _as_inputs(path: Path, name: str, found: list[tuple[str, Tree]]) -> Inputs:
    if not found:
        raise UserError(f"{path}: expected trees, got none")
    records = [Record(int(tree.where.rpartition(":")[2]), {name: text}) for text, tree in found]
    items = [Input(tree, tree.where, [row]) for row, (_, tree) in enumerate(found)]
    return Inputs(Sheet(path, [name], records, heading=[name]), items)
