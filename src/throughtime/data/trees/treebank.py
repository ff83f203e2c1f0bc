"""Trees from files: constituents in brackets, dependency heads in CoNLL-U. Nothing here calls itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from throughtime.data.trees.trees import Tree
from throughtime.errors import UserError
from throughtime.runtime.reading.files import file_lines

_TOKEN = re.compile(r"[()]|[^ \t\r\n\f\v()]+")  # a no-break space is part of a word: "8 1/2"
_ESCAPED = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}

NO_LABEL = ("", "_")
"""Written for a label, they say that a node has none."""


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
