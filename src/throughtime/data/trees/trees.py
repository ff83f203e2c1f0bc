"""Trees over sentences, batches of trees, trees drawn in a terminal. :mod:`throughtime.data.trees.treebank` reads them.

Nothing here calls itself: a sentence of 10,000 words may be a chain as high.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from throughtime.layers.trees import Levels

Ints = npt.NDArray[np.int64]

DEEPEST = 40
"""Levels of a tree that are drawn; what stands deeper is shown as a phrase."""


@dataclass(frozen=True)
class Tree:
    """A tree as flat lists, an entry a node.

    Attributes:
        words: The node's word; empty where it has none.
        labels: The node's label; empty where it has none.
        parents: Number of the node above; -1 at the root. Of two children the one with the lower number is the left.
        where: File and line, ``"train.txt:17"``.
    """

    words: Sequence[str]
    labels: Sequence[str]
    parents: Sequence[int]
    where: str = ""

    def __len__(self) -> int:
        return len(self.parents)

    @property
    def root(self) -> int:
        """Number of the root."""
        return self.parents.index(-1)

    def check(self) -> None:
        """Makes sure that the lists go together: a word, a label and a parent a node, and all hang from one root.

        Raises:
            ValueError: If they do not.
        """
        count = len(self.parents)
        if not len(self.words) == len(self.labels) == count:
            raise ValueError("expected as many words and labels as parents")
        if self.parents.count(-1) != 1 or not all(-1 <= parent < count for parent in self.parents):
            raise ValueError("expected one root, and parents that are nodes")
        hangs = {self.root}
        for node in range(count):
            above: list[int] = []
            while node not in hangs and len(above) <= count:
                above.append(node)
                node = self.parents[node]
            if node not in hangs:
                raise ValueError("expected a tree, got nodes in a circle")
            hangs.update(above)

    @property
    def sentence(self) -> list[str]:
        """The words, in the order of the nodes."""
        return [word for word in self.words if word]

    @cached_property
    def children(self) -> list[list[int]]:
        """Every node's children from left to right."""
        found: list[list[int]] = [[] for _ in self.parents]
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(node)
        return found

    @property
    def word_above(self) -> str | None:
        """A word that stands above others, as in dependency trees; None where words are leaves."""
        return next((word for word, below in zip(self.words, self.children, strict=True) if word and below), None)

    @cached_property
    def downwards(self) -> list[int]:
        """The nodes in reading order of brackets: each before its children."""
        order, waiting = [], [self.root]
        while waiting:
            order.append(node := waiting.pop())
            waiting += reversed(self.children[node])
        return order

    @cached_property
    def heights(self) -> Ints:
        """Steps from each node down to its deepest leaf."""
        heights = [0] * len(self)
        for node in reversed(self.downwards):
            if (parent := self.parents[node]) >= 0:
                heights[parent] = max(heights[parent], heights[node] + 1)
        return np.array(heights, dtype=np.int64)

    def phrase(self, node: int) -> list[str]:
        """The words at and under a node."""
        under, waiting = [], [node]
        while waiting:
            under.append(node := waiting.pop())
            waiting += self.children[node]
        return [self.words[node] for node in sorted(under) if self.words[node]]


def binarised(tree: Tree) -> Tree:
    """A tree whose nodes have two children at most: further ones move under new nodes without a label, on the right.

    Example:
        >>> from throughtime.data.trees.treebank import parse_brackets
        >>> to_brackets(binarised(parse_brackets("(3 (2 a) (2 b) (2 c))")))
        '(3 (2 a) (_ (2 b) (2 c)))'
    """
    if all(len(children) <= 2 for children in tree.children):
        return tree
    words, labels = list(tree.words), list(tree.labels)
    below = [list(children) for children in tree.children]
    for node in range(len(tree)):
        at, children = node, below[node]
        for child in children[:-2]:
            words.append("")
            labels.append("")
            below[at] = [child, len(below)]
            at = len(below)
            below.append([])
        below[at] = children[-2:]
    return _numbered(words, labels, below, tree.root, tree.where)


def _numbered(
    words: Sequence[str], labels: Sequence[str], children: Sequence[Sequence[int]], root: int, where: str
) -> Tree:
    """The nodes numbered anew, children before parents and from left to right."""
    order, waiting = [], [root]
    while waiting:  # parents first, from right to left: the inverse of what is wanted
        order.append(node := waiting.pop())
        waiting += children[node]
    order.reverse()
    number = {node: place for place, node in enumerate(order)}
    parents = [-1] * len(order)
    for node in order:
        for child in children[node]:
            parents[number[child]] = number[node]
    return Tree([words[node] for node in order], [labels[node] for node in order], parents, where)


def right_branching(words: Sequence[str], where: str = "") -> Tree:
    """A tree without labels in which every word stands before all that follows it.

    Example:
        >>> to_brackets(right_branching(["a", "b", "c"]))
        '(_ (_ a) (_ (_ b) (_ c)))'
    """
    count = len(words)
    children: list[list[int]] = [[] for _ in words]
    children += [[node, count + node + 1 if node + 2 < count else count - 1] for node in range(count - 1)]
    nodes = len(children)
    return _numbered([*words, *[""] * (nodes - count)], [""] * nodes, children, count if count > 1 else 0, where)


def to_brackets(tree: Tree) -> str:
    """A tree in brackets; ``_`` where a node has no label."""
    parts: list[str] = []
    waiting: list[int | str] = [tree.root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
            continue
        word = tree.words[node].replace("(", "-LRB-").replace(")", "-RRB-")
        parts.append(f"{' ' if parts else ''}({tree.labels[node] or '_'}{f' {word}' if word else ''}")
        waiting += [")", *reversed(tree.children[node])]
    return "".join(parts)


@dataclass(frozen=True)
class TreeBatch:
    """Trees side by side, their nodes ordered by height over the whole batch.

    Attributes:
        levels: The trees.
        words: The nodes' words, -1 where there is none, ``[N]``.
        labels: The nodes' labels, -1 where there is none, ``[N]``.
        roots: The node that is each tree's root, ``[trees]``.
        order: The place of each tree's nodes, tree by tree, in what is given here.
    """

    levels: Levels
    words: Tensor
    labels: Tensor
    roots: Tensor
    order: Sequence[Ints]

    @property
    def tokens(self) -> int:
        """Words in all."""
        return int((self.words >= 0).sum())


def batch_trees(
    trees: Sequence[Tree], words: Callable[[Tree], Sequence[int]], labels: Callable[[Tree], Sequence[int]]
) -> TreeBatch:
    """Trees as a batch.

    Args:
        trees: The trees.
        words: The id of every node's word, -1 where it has none.
        labels: The id of every node's label, -1 where it has none.
    """
    counts = np.array([len(tree) for tree in trees], dtype=np.int64)
    begins = counts.cumsum() - counts
    heights = np.concatenate([np.zeros(0, np.int64), *(tree.heights for tree in trees)])
    order = np.argsort(heights, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))

    def joined(rows: Iterable[Sequence[int]]) -> Ints:
        return np.array([value for row in rows for value in row], dtype=np.int64)

    parents = joined(tree.parents for tree in trees)
    inner = parents >= 0
    parent = place[(parents + np.repeat(begins, counts))[inner]]
    by_parent = np.argsort(parent, kind="stable")
    child, parent = place[inner.nonzero()[0]][by_parent], parent[by_parent]
    sizes = np.bincount(heights)
    ends = np.searchsorted(parent, sizes.cumsum())
    levels = Levels(
        tuple(sizes.tolist()),
        torch.from_numpy(child),
        torch.from_numpy(parent),
        tuple(np.diff(ends, prepend=0).tolist()),
        int(np.bincount(parent).max(initial=0)),
    )
    ids = torch.from_numpy(joined(map(words, trees))[order])
    targets = torch.from_numpy(joined(map(labels, trees))[order])
    places = np.split(place, begins[1:])
    roots = torch.from_numpy(place[(parents < 0).nonzero()[0]])
    return TreeBatch(levels, ids, targets, roots, places)


def drawn(tree: Tree) -> Iterator[tuple[str, int, bool]]:
    """A tree for the terminal: for each line its branches, the node, and whether what is under it is left out.

    Example:
        >>> from throughtime.data.trees.treebank import parse_brackets
        >>> tree = parse_brackets("(3 (2 not) (1 (2 so) (1 bad)))")
        >>> for branches, node, _ in drawn(tree):
        ...     print(branches + tree.labels[node] + tree.words[node])
        3
        ├─ 2not
        └─ 1
           ├─ 2so
           └─ 1bad
    """
    waiting: list[tuple[str, str, int, int]] = [("", "", tree.root, 0)]
    while waiting:
        before, branch, node, depth = waiting.pop()
        cut = depth == DEEPEST and bool(tree.children[node])
        yield before + branch, node, cut
        if cut:
            continue
        below = before + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        last = True
        for child in reversed(tree.children[node]):
            waiting.append((below, "└─ " if last else "├─ ", child, depth + 1))
            last = False
