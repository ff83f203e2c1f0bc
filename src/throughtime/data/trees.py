"""Trees over sentences: brackets, dependency heads, batches of trees, and trees drawn in a terminal.

Nothing here calls itself: a sentence of 10,000 words may be a chain as high.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from throughtime.data.text import file_lines
from throughtime.errors import UserError
from throughtime.layers.trees import Levels

Ints = npt.NDArray[np.int64]

_TOKEN = re.compile(r"[()]|[^ \t\r\n\f\v()]+")  # a no-break space is part of a word: "8 1/2"
_ESCAPED = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}
_BRACKETS = {"(": "-LRB-", ")": "-RRB-"}
NO_LABEL = ("", "_")
"""Written for a label, they say that a node has none."""

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
        >>> to_brackets(binarised(parse_brackets("(3 (2 a) (2 b) (2 c))")))
        '(3 (2 a) (_ (2 b) (2 c)))'
    """
    if all(len(children) <= 2 for children in tree.children):
        return tree
    words, labels = list(tree.words), list(tree.labels)
    below = [list(children) for children in tree.children]
    for node in range(len(tree)):
        at = node
        while len(below[at]) > 2:
            words.append("")
            labels.append("")
            below.append(below[at][1:])
            below[at][1:] = [len(below) - 1]
            at = len(below) - 1
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


class _Brackets:
    """Builds trees from tokens; what is wrong is told without its place."""

    def __init__(self, where: str) -> None:
        self.where = where  # where the tree begins
        self.words: list[str] = []
        self.labels: list[str] = []
        self.parents: list[int] = []
        self.open: list[tuple[str | None, list[int], list[str]]] = []  # label, children, words

    def take(self, token: str) -> bool:
        """Reads a token; whether the tree is complete with it.

        Raises:
            ValueError: If it cannot stand here.
        """
        if token == "(":
            self._settle()
            self.open.append((None, [], []))
        elif not self.open:
            raise ValueError("unbalanced brackets: 1 closed too many" if token == ")" else f"expected (, got {token!r}")
        elif token == ")":
            self._close()
        else:
            label, children, words = self.open[-1]
            if label is None and not children:
                self.open[-1] = (token, children, words)
            elif children:
                self._add(_word(token), "", [], children)
            else:
                words.append(_word(token))
        return not self.open

    def _settle(self) -> None:
        """Words that stand beside other children are nodes of their own."""
        if self.open:
            _, children, words = self.open[-1]
            for word in words:
                self._add(word, "", [], children)
            words.clear()

    def _close(self) -> None:
        if len(self.open[-1][2]) > 1:
            self._settle()
        label, children, words = self.open.pop()
        if not children and not words:
            raise ValueError(f"expected a word or brackets inside of ({label or ''})")
        if label is None and len(children) == 1 and not self.open:
            return  # the outermost brackets of a treebank's file, with nothing but the tree in them
        above = self.open[-1][1] if self.open else []
        self._add(words[0] if words else "", "" if label in NO_LABEL or label is None else label, children, above)

    def _add(self, word: str, label: str, children: list[int], above: list[int]) -> None:
        node = len(self.words)
        self.words.append(word)
        self.labels.append(label)
        self.parents.append(-1)
        for child in children:
            self.parents[child] = node
        above.append(node)


def _word(token: str) -> str:
    return _ESCAPED.get(token) or token.replace("\\/", "/").replace("\\*", "*")


def read_brackets(path: Path) -> Iterator[Tree]:
    r"""The trees of a file, each in brackets with a label after every one that opens: ``(3 (2 very) (4 good))``.

    A tree may take several lines, but a line that begins with a bracket begins a tree, so that a missing bracket is
    found where it is missing. ``-LRB-``, ``-RRB-`` and ``\/`` are read as ``(``, ``)`` and ``/``.

    Raises:
        UserError: If brackets are unbalanced or empty; names the line.
    """
    return _read_brackets((f"{path}:{number}", line) for number, line in enumerate(file_lines(path), 1))


def parse_brackets(line: str, where: str = "the line") -> Tree:
    """The one tree that a line holds.

    Raises:
        UserError: If it holds another number of them, or a broken one.

    Example:
        >>> parse_brackets("(3 (2 very) (4 good))")
        Tree(words=['very', 'good', ''], labels=['2', '4', '3'], parents=[2, 2, -1], where='the line')
    """
    trees = list(_read_brackets([(where, line)]))
    if len(trees) != 1:
        raise UserError(f"{where}: expected one tree in brackets, got {len(trees)}")
    return trees[0]


def _read_brackets(lines: Iterable[tuple[str, str]]) -> Iterator[Tree]:
    building: _Brackets | None = None
    for where, line in lines:
        if building is not None and line.startswith("("):
            break
        for token in _TOKEN.findall(line):
            building = building or _Brackets(where)
            try:
                complete = building.take(token)
            except ValueError as error:
                raise UserError(f"{where}: {error}") from error
            if complete:
                yield Tree(building.words, building.labels, building.parents, building.where)
                building = None
    if building is not None:
        raise UserError(f"{building.where}: unbalanced brackets: {len(building.open)} left open")


def to_brackets(tree: Tree) -> str:
    """A tree in brackets; ``_`` where a node has no label."""
    parts: list[str] = []
    waiting: list[int | str] = [tree.root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
            continue
        word = _BRACKETS.get(tree.words[node], tree.words[node])
        parts.append(f"{' ' if parts else ''}({tree.labels[node] or '_'}{f' {word}' if word else ''}")
        waiting += [")", *reversed(tree.children[node])]
    return "".join(parts)


def read_heads(path: Path) -> Iterator[Tree]:
    """The trees of a CoNLL-U file: a node a word, above it its head.

    Words of several tokens and empty nodes are left out.

    The label of a sentence stands in a comment, ``# label = x`` or ``# sentiment = x``; that of any other word in the
    last column as ``Label=x`` or ``Sentiment=x``.

    Raises:
        UserError: If a line has too few columns, a head is not there, or heads do not make a tree; names the line.
    """
    label, begin = "", 1
    rows: list[tuple[int, list[str]]] = []
    for number, line in enumerate(file_lines(path), 1):
        line = line.rstrip("\r\n")
        if line.startswith("#"):
            found = re.fullmatch(r"#\s*(?:label|sentiment)\s*=\s*(\S.*?)\s*", line, re.IGNORECASE)
            label = found.group(1) if found else label
        elif line.strip():
            begin = begin if rows else number
            columns = line.split("\t")
            if len(columns) < 7:
                raise UserError(f"{path}:{number}: expected at least 7 columns between tabs, got {len(columns)}")
            if re.fullmatch(r"\d+", columns[0]):
                rows.append((number, columns))
        else:
            if rows:
                yield _heads(rows, label, f"{path}:{begin}", str(path))
            label, rows = "", []
    if rows:
        yield _heads(rows, label, f"{path}:{begin}", str(path))


def _heads(rows: Sequence[tuple[int, list[str]]], label: str, where: str, name: str) -> Tree:
    numbers = {columns[0]: place for place, (_, columns) in enumerate(rows)}
    parents, labels = [], []
    for number, columns in rows:
        if columns[6] != "0" and columns[6] not in numbers:
            raise UserError(
                f"{name}:{number}: expected the head of {columns[1]!r} to be 0 or a word, got {columns[6]!r}"
            )
        parents.append(numbers[columns[6]] if columns[6] != "0" else -1)
        own = re.search(r"(?:^|\|)(?:Label|Sentiment)=([^|]+)", columns[9]) if len(columns) > 9 else None
        labels.append(own.group(1) if own else "")
    if parents.count(-1) != 1:
        raise UserError(f"{where}: expected one word with head 0, got {parents.count(-1)}")
    tree = Tree([columns[1] for _, columns in rows], labels, parents, where)
    if len(tree.downwards) < len(tree):
        lost = min(set(range(len(tree))) - set(tree.downwards))
        raise UserError(f"{name}:{rows[lost][0]}: the heads above {rows[lost][1][1]!r} go in a circle")
    if label:
        labels[tree.root] = label
    return tree


def parse_heads(line: str, where: str = "the line") -> Tree:
    """A sentence on one line, each word with the number of its head: ``Dogs|2 bark|0``.

    Raises:
        UserError: If it is not written so, or heads do not make a tree.
    """
    rows = []
    for place, token in enumerate(line.split(), 1):
        word, _, head = token.rpartition("|")
        if not word or not head.isdigit():
            raise UserError(f"{where}: expected word|head, the head a number, 0 at the root; got {token!r}")
        rows.append((1, [str(place), word, "", "", "", "", head]))
    return _heads(rows, "", where, where)


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
