"""Trees are read as they stand in the file, or the line at fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.trees.treebank import parse_brackets, parse_heads, read_brackets, read_heads
from throughtime.data.trees.trees import DEEPEST, Tree, batch_trees, binarised, drawn, right_branching, to_brackets
from throughtime.errors import UserError

Nested = tuple[str, "str | list[Nested]"]

names = st.sampled_from(["0", "1", "NP", "_"])
leaves = st.tuples(names, st.sampled_from(["a", "b", "(", ")", "1/2", "é", "x\xa0y"]))
nested = st.recursive(leaves, lambda below: st.tuples(names, st.lists(below, min_size=1, max_size=4)), max_leaves=12)
exact = settings(derandomize=True, deadline=None, max_examples=60)


def flat(nested: Nested) -> Tree:
    """The same tree as flat lists, made by plain recursion."""
    words: list[str] = []
    labels: list[str] = []
    parents: list[int] = []

    def add(node: Nested) -> int:
        label, inside = node
        children = [] if isinstance(inside, str) else [add(child) for child in inside]
        words.append(inside if isinstance(inside, str) else "")
        labels.append("" if label == "_" else label)
        parents.append(-1)
        for child in children:
            parents[child] = len(parents) - 1
        return len(parents) - 1

    add(nested)
    return Tree(words, labels, parents)


def height(tree: Tree, node: int) -> int:
    return max((1 + height(tree, child) for child, parent in enumerate(tree.parents) if parent == node), default=0)


def plain(tree: Tree) -> tuple[list[str], list[str], list[int]]:
    return list(tree.words), list(tree.labels), list(tree.parents)


def file(folder: Path, text: str, name: str = "train.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_brackets_are_read_from_left_to_right(tmp_path: Path) -> None:
    text = "(3 (2 (2 A) (1 slow)) (4 joy))\n\n(1 no)\n"
    first, second = read_brackets(file(tmp_path, text))
    assert plain(first) == (["A", "slow", "", "joy", ""], ["2", "1", "2", "4", "3"], [2, 2, 4, 4, -1])
    assert first.where == f"{tmp_path / 'train.txt'}:1"
    assert plain(second) == (["no"], ["1"], [-1])
    assert second.where.endswith("train.txt:3")


@pytest.mark.parametrize(
    ("text", "brackets"),
    [
        ("(S (NP you)\n   (VP (V run)\n       (ADV far)))", "(S (NP you) (VP (V run) (ADV far)))"),
        ("( (S (NP you) (VP run)))", "(S (NP you) (VP run))"),
        ("(S(NP you)(VP run) )", "(S (NP you) (VP run))"),
        ("(2 a b)", "(2 (_ a) (_ b))"),
        ("(2 a (3 b) c)", "(2 (_ a) (3 b) (_ c))"),
        ("((2 a) (3 b))", "(_ (2 a) (3 b))"),
        ("(_ (_ a) (_ b))", "(_ (_ a) (_ b))"),
        ("(2 (2 (2 a)))", "(2 (2 (2 a)))"),
        ("(2 -LRB-)", "(2 -LRB-)"),
    ],
)
def test_the_ways_to_write_a_tree(tmp_path: Path, text: str, brackets: str) -> None:
    (tree,) = read_brackets(file(tmp_path, text))
    assert to_brackets(tree) == brackets


def test_escapes_are_read_as_what_they_stand_for() -> None:
    tree = parse_brackets(r"(2 (2 1\/2) (2 (2 -LRB-) (2 -RRB-)) (2 8 1\/2))")
    assert tree.sentence == ["1/2", "(", ")", "8\xa01/2"]
    assert len(tree) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(2 a)\n(3 (2 a) (2 b)\n(2 c)\n", "train.txt:2: unbalanced brackets: 1 left open"),
        ("(2 a)\n(3 (2 a) (2 (1 b)", "train.txt:2: unbalanced brackets: 2 left open"),
        ("(3 (2 a) (2 b)\n(2 c))\n", "train.txt:1: unbalanced brackets: 1 left open"),
        ("(2 a)\n(2 b))\n", "train.txt:2: unbalanced brackets: 1 closed too many"),
        ("(2 a)\nnothing\n", "train.txt:2: expected (, got 'nothing'"),
        ("(2)\n", "train.txt:1: expected a word or brackets inside of (2)"),
        ("(2 (3 a) ())\n", "train.txt:1: expected a word or brackets inside of ()"),
        ("(3 (2 a)\n   (2 b)\n", "train.txt:1: unbalanced brackets: 1 left open"),
    ],
)
def test_broken_brackets_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        list(read_brackets(file(tmp_path, text)))
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_a_line_holds_one_tree() -> None:
    with pytest.raises(UserError, match=r"the line: expected one tree in brackets, got 2"):
        parse_brackets("(2 a) (2 b)")


@exact
@given(nested)
def test_a_tree_comes_back_from_its_brackets(nested: Nested) -> None:
    tree = flat(nested)
    if not tree.labels[tree.root]:  # written with a label, it stays what it is
        tree = Tree(tree.words, [*tree.labels[:-1], "S"], tree.parents)
    assert plain(parse_brackets(to_brackets(tree))) == plain(tree)


@exact
@given(nested)
def test_heights_and_phrases(nested: Nested) -> None:
    tree = flat(nested)
    assert tree.heights.tolist() == [height(tree, node) for node in range(len(tree))]
    assert tree.phrase(tree.root) == tree.sentence
    for node, children in enumerate(tree.children):
        assert tree.phrase(node) == [
            *([tree.words[node]] if tree.words[node] else []),
            *(word for child in children for word in tree.phrase(child)),
        ]


@exact
@given(nested)
def test_binarised_trees_keep_their_nodes_and_order(nested: Nested) -> None:
    tree = flat(nested)
    binary = binarised(tree)
    assert all(len(children) <= 2 for children in binary.children)
    assert binary.sentence == tree.sentence
    if len(binary) == len(tree):
        assert plain(binary) == plain(tree)
    # Every node is still there, over the same words with the same label; what is new has no label.
    before = sorted((tree.phrase(node), tree.labels[node]) for node in range(len(tree)))
    after = sorted((binary.phrase(node), binary.labels[node]) for node in range(len(binary)))
    for node in before:
        after.remove(node)
    assert all(label == "" for _, label in after)
    assert all(child < parent for child, parent in enumerate(binary.parents) if parent >= 0)


def test_right_branching() -> None:
    assert to_brackets(right_branching(["a"])) == "(_ a)"
    assert to_brackets(right_branching(list("abcd"))) == "(_ (_ a) (_ (_ b) (_ (_ c) (_ d))))"


HEADS = """# sent_id = 1
# label = glad
1-2\tIt's\t_\t_\t_\t_\t_\t_\t_\t_
1\tIt\tit\tPRON\t_\t_\t3\tnsubj\t_\t_
2\t's\tbe\tAUX\t_\t_\t3\tcop\t_\t_
2.1\tso\tso\tADV\t_\t_\t_\t_\t_\t_
3\tfun\tfun\tNOUN\t_\t_\t0\troot\t_\tSpaceAfter=No|Label=very
4\there\there\tADV\t_\t_\t3\tadvmod\t_\tSentiment=none

1\tNo\tno\tX\t_\t_\t0\troot\t_\tLabel=sad
"""


def test_dependency_heads_are_read(tmp_path: Path) -> None:
    first, second = read_heads(file(tmp_path, HEADS, "a.conllu"))
    assert plain(first) == (["It", "'s", "fun", "here"], ["", "", "glad", "none"], [2, 2, -1, 2])
    assert plain(second) == (["No"], ["sad"], [-1])
    assert (first.where, second.where) == (f"{tmp_path}/a.conllu:4", f"{tmp_path}/a.conllu:10")
    assert first.sentence == ["It", "'s", "fun", "here"]
    assert first.children == [[], [], [0, 1, 3], []]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1 a 2", "2 b 1", "3 c 0"], "a.conllu:1: the heads above 'a' go in a circle"),
        (["1 a 0", "2 b 2"], "a.conllu:2: the heads above 'b' go in a circle"),
        (["1 a 2", "2 b 1"], "a.conllu:1: expected one word with head 0, got 0"),
        (["1 a 0", "2 b 0"], "a.conllu:1: expected one word with head 0, got 2"),
        (["1 a 0", "2 b 7"], "a.conllu:2: expected the head of 'b' to be 0 or a word, got '7'"),
        (["1 a 0", "2 b _"], "a.conllu:2: expected the head of 'b' to be 0 or a word, got '_'"),
    ],
)
def test_heads_that_make_no_tree_name_the_line(tmp_path: Path, rows: list[str], message: str) -> None:
    text = "".join("{}\t{}\t_\t_\t_\t_\t{}\t_\t_\t_\n".format(*row.split()) for row in rows)
    with pytest.raises(UserError) as caught:
        list(read_heads(file(tmp_path, text, "a.conllu")))
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_a_row_with_too_few_columns_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.conllu:2: expected at least 7 columns between tabs, got 2"):
        list(read_heads(file(tmp_path, "# label = x\n1\ta\n", "a.conllu")))


def test_heads_on_one_line() -> None:
    assert plain(parse_heads("Dogs|2 bark|0 a|b|2")) == (["Dogs", "bark", "a|b"], ["", "", ""], [1, -1, 1])
    with pytest.raises(UserError, match=r"expected word\|head, .* got 'bark'"):
        parse_heads("Dogs|2 bark")


@exact
@given(st.lists(nested, min_size=1, max_size=4))
def test_a_batch_holds_its_trees_by_height(many: list[Nested]) -> None:
    trees = [flat(one) for one in many]
    numbers = iter(range(1000))
    own = {id(tree): [next(numbers) for _ in range(len(tree))] for tree in trees}
    batch = batch_trees(trees, lambda tree: own[id(tree)], lambda tree: [-value for value in own[id(tree)]])
    levels = batch.levels
    assert sum(levels.sizes) == levels.nodes == sum(map(len, trees))
    heights = torch.arange(len(levels.sizes)).repeat_interleave(torch.tensor(levels.sizes))
    edges = set(zip(levels.child.tolist(), levels.parent.tolist(), strict=True))
    for tree, places, root in zip(trees, batch.order, batch.roots.tolist(), strict=True):
        assert heights[places].tolist() == tree.heights.tolist()
        assert batch.words[places].tolist() == own[id(tree)]
        assert root == places[tree.root]
        for child, parent in enumerate(tree.parents):
            if parent >= 0:
                edges.remove((places[child], places[parent]))
    assert not edges
    assert torch.equal(batch.labels, -batch.words)
    assert levels.parent.tolist() == sorted(levels.parent.tolist())
    assert levels.widest == max(len(children) for tree in trees for children in tree.children)
    # The children of a node stand from left to right.
    slots = levels.slots(max(1, levels.widest))
    for tree, places in zip(trees, batch.order, strict=True):
        for node, children in enumerate(tree.children):
            if children:
                row = slots[places[node] - levels.sizes[0]].tolist()
                assert row == [*places[children].tolist(), *[levels.nodes] * (len(row) - len(children))]


def test_too_many_children_are_refused() -> None:
    batch = batch_trees([parse_brackets("(1 (1 a) (1 b) (1 c))")], lambda t: [0] * 4, lambda t: [0] * 4)
    with pytest.raises(ValueError, match="expected nodes of at most 2 children, got one of 3"):
        batch.levels.slots(2)


def test_a_drawing_shows_every_node_once() -> None:
    tree = parse_brackets("(0 (1 (2 a) (3 b)) (4 c))")
    shown = [f"{branches}{tree.labels[node]}{tree.words[node]}" for branches, node, _ in drawn(tree)]
    assert shown == ["0", "├─ 1", "│  ├─ 2a", "│  └─ 3b", "└─ 4c"]


def test_a_chain_of_ten_thousand_words() -> None:
    tree = right_branching(["very"] * 9_999 + ["good"])
    assert int(tree.heights.max()) == 9_999
    again = parse_brackets(to_brackets(tree))
    assert plain(binarised(again)) == plain(tree)
    batch = batch_trees([tree], lambda tree: [0] * len(tree), lambda tree: [0] * len(tree))
    assert len(batch.levels.sizes) == 10_000
    lines = list(drawn(tree))
    assert len(lines) == 2 * DEEPEST + 1
    assert [node for _, node, cut in lines if cut] == [lines[-1][1]]
