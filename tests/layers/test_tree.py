"""Cells batched by level do what their equations say when a tree is walked node by node: values and gradients."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from throughtime.cells import input_matrix
from throughtime.data.trees.trees import Tree, TreeBatch, batch_trees, right_branching
from throughtime.errors import UserError
from throughtime.layers.trees import TREE_CELLS, Recursive, TreeCell, find_tree_cell

K, SIZE = 3, 4
Shape = list["Shape"]
exact = settings(derandomize=True, deadline=None, max_examples=20)

binary = st.recursive(st.just([]), lambda below: st.lists(below, min_size=1, max_size=2), max_leaves=10)
anyhow = st.recursive(st.just([]), lambda below: st.lists(below, min_size=1, max_size=4), max_leaves=10)


def grow(shape: Shape, worded: bool = False) -> Tree:
    """A tree of that shape; words at its leaves, or everywhere."""
    parents: list[int] = []
    words: list[str] = []

    def add(shape: Shape) -> int:
        children = [add(child) for child in shape]
        parents.append(-1)
        words.append("w" if worded or not shape else "")
        for child in children:
            parents[child] = len(parents) - 1
        return len(parents) - 1

    add(shape)
    return Tree(words, [""] * len(parents), parents)


def side_by_side(trees: list[Tree]) -> TreeBatch:
    return batch_trees(trees, lambda tree: [0 if word else -1 for word in tree.words], lambda tree: [-1] * len(tree))


def sigma(x: Tensor) -> Tensor:
    return 1 / (1 + (-x).exp())


State = tuple[Tensor, ...]
Walk = Callable[[Mapping[str, Tensor], Tensor | None, list[State]], State]
NOTHING = torch.zeros(SIZE, dtype=torch.float64)


def two(children: list[State], which: int) -> Tensor:
    states = [state[which] for state in children]
    return torch.cat([states[0], states[1] if len(states) > 1 else NOTHING])


def recursive(p: Mapping[str, Tensor], x: Tensor | None, children: list[State]) -> State:
    if not children:
        assert x is not None
        return (torch.tanh(p["W_x"] @ x + p["b_x"]),)
    return (torch.tanh(p["W"] @ two(children, 0) + p["b"]),)


def rntn(p: Mapping[str, Tensor], x: Tensor | None, children: list[State]) -> State:
    if not children:
        return recursive(p, x, children)
    q = two(children, 0)
    tensor = torch.stack([q @ p["V"][unit] @ q for unit in range(SIZE)])
    return (torch.tanh(tensor + p["W"] @ q + p["b"]),)


def tree_lstm(p: Mapping[str, Tensor], x: Tensor | None, children: list[State]) -> State:
    if not children:
        assert x is not None
        rows = p["W"].view(3, SIZE, K) @ x + p["b_x"].view(3, SIZE)
        i, o, u = sigma(rows[0]), sigma(rows[1]), torch.tanh(rows[2])
        c = i * u
        return o * torch.tanh(c), c
    q = two(children, 0)
    i, o, u, f_1, f_2 = (p["U"][g * SIZE : (g + 1) * SIZE] @ q + p["b"][g * SIZE : (g + 1) * SIZE] for g in range(5))
    c = sigma(i) * torch.tanh(u) + sigma(f_1) * children[0][1]
    if len(children) > 1:
        c = c + sigma(f_2) * children[1][1]
    return sigma(o) * torch.tanh(c), c


def child_sum(p: Mapping[str, Tensor], x: Tensor | None, children: list[State]) -> State:
    x = torch.zeros(K, dtype=torch.float64) if x is None else x
    total = sum((h for h, _ in children), NOTHING)
    i, o, u = (
        p["W"][g * SIZE : (g + 1) * SIZE] @ x + p["U"][g * SIZE : (g + 1) * SIZE] @ total + p["b"].view(3, SIZE)[g]
        for g in range(3)
    )
    c = sigma(i) * torch.tanh(u)
    for h, below in children:
        c = c + sigma(p["W_f"] @ x + p["U_f"] @ h + p["b_f"]) * below
    return sigma(o) * torch.tanh(c), c


WALKS: dict[str, Walk] = {"recursive": recursive, "rntn": rntn, "tree-lstm": tree_lstm, "child-sum": child_sum}


def walked(cell: str, p: Mapping[str, Tensor], tree: Tree, words: Mapping[int, Tensor]) -> list[Tensor]:
    """The output of every node by plain recursion; ``words`` by node."""
    outputs: dict[int, Tensor] = {}

    def visit(node: int) -> State:
        state = WALKS[cell](p, words.get(node), [visit(child) for child in tree.children[node]])
        outputs[node] = state[0]
        return state

    visit(tree.root)
    return [outputs[node] for node in range(len(tree))]


def check(cell: str, trees: list[Tree], seed: int) -> None:
    torch.manual_seed(seed)
    layer = Recursive(TREE_CELLS[cell], K, SIZE).double()
    for parameter in layer.parameters():  # biases of zero would hide themselves
        torch.nn.init.normal_(parameter, std=0.7)
    batch = side_by_side(trees)
    levels = batch.levels
    everywhere = bool((batch.words[levels.sizes[0] :] >= 0).any())
    inputs = torch.randn(levels.nodes if everywhere else levels.sizes[0], K, dtype=torch.float64)
    if everywhere:
        inputs = inputs * (batch.words >= 0).unsqueeze(1)
    inputs.requires_grad_()
    outputs = layer(inputs, levels)
    p = dict(layer.named_parameters())
    expected: list[Tensor] = [NOTHING] * levels.nodes
    for tree, places in zip(trees, batch.order, strict=True):
        words = {node: inputs[place] for node, place in enumerate(places.tolist()) if place < len(inputs)}
        for place, output in zip(places.tolist(), walked(cell, p, tree, words), strict=True):
            expected[place] = output
    torch.testing.assert_close(outputs, torch.stack(expected), rtol=1e-10, atol=1e-12)
    weights = torch.randn_like(outputs)
    of = [inputs, *p.values()]
    got = torch.autograd.grad((outputs * weights).sum(), of, materialize_grads=True)
    wanted = torch.autograd.grad((torch.stack(expected) * weights).sum(), of, materialize_grads=True)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("cell", list(TREE_CELLS))
@exact
@given(shapes=st.lists(binary, min_size=1, max_size=4), seed=st.integers(0, 99))
def test_a_batch_by_level_is_a_walk_of_every_tree(cell: str, shapes: list[Shape], seed: int) -> None:
    check(cell, [grow(shape) for shape in shapes], seed)


@pytest.mark.parametrize("worded", [False, True])
@exact
@given(shapes=st.lists(anyhow, min_size=1, max_size=4), seed=st.integers(0, 99))
def test_any_number_of_children_with_or_without_words(worded: bool, shapes: list[Shape], seed: int) -> None:
    check("child-sum", [grow(shape, worded) for shape in shapes], seed)


def test_the_order_of_children_counts_for_some_cells_alone() -> None:
    left, right = grow([[[], []], []]), grow([[], [[], []]])
    torch.manual_seed(0)
    inputs = torch.randn(1, K).expand(3, K)
    for cell in TREE_CELLS:
        layer = Recursive(TREE_CELLS[cell], K, SIZE)
        one, other = (layer(inputs, side_by_side([tree]).levels)[-1] for tree in (left, right))
        assert torch.allclose(one, other) == (cell == "child-sum")


@pytest.mark.parametrize("cell", list(TREE_CELLS))
def test_gradients_of_some_nodes_alone_and_twice(cell: str) -> None:
    """What is asked of a part is no leftover of what was asked of the whole."""
    torch.manual_seed(1)
    layer = Recursive(TREE_CELLS[cell], K, SIZE).double()
    levels = side_by_side([grow([[[], []], []])]).levels
    inputs = torch.randn(3, K, dtype=torch.float64, requires_grad=True)
    outputs = layer(inputs, levels)
    (whole,) = torch.autograd.grad(outputs.sum(), inputs, retain_graph=True)
    parts = [torch.autograd.grad(outputs[node].sum(), inputs, retain_graph=True)[0] for node in range(5)]
    torch.testing.assert_close(torch.stack(parts).sum(0), whole)
    assert torch.count_nonzero(parts[0]) == K  # a leaf knows of itself alone
    torch.testing.assert_close(torch.autograd.grad(outputs.sum(), inputs)[0], whole)
    assert torch.autograd.gradcheck(lambda x: layer(x, levels), inputs)


def test_a_call_without_gradients_gives_the_same() -> None:
    torch.manual_seed(0)
    layer = Recursive(TREE_CELLS["tree-lstm"], K, SIZE)
    levels = side_by_side([grow([[[], []], []])]).levels
    inputs = torch.randn(3, K)
    with torch.no_grad():
        alone = layer(inputs, levels)
    assert not alone.requires_grad
    assert torch.equal(alone, layer(inputs, levels))


def test_a_batch_costs_as_many_steps_as_its_highest_tree() -> None:
    calls: list[int] = []

    class Counting(TREE_CELLS["tree-lstm"]):  # type: ignore[misc]
        def leaf(self, x: Tensor, p: Any) -> Mapping[str, Tensor]:
            calls.append(len(x))
            return super().leaf(x, p)

        def join(self, x: Tensor | None, s: Any, p: Any) -> Mapping[str, Tensor]:
            calls.append(len(s.h))
            return super().join(x, s, p)

    batch = side_by_side([grow([[[], []], []]), grow([[], []]), grow([])])
    Recursive(Counting, K, SIZE)(torch.randn(6, K), batch.levels)
    assert calls == [6, 2, 1]


def test_a_chain_costs_its_length_and_not_its_square() -> None:
    layer = Recursive(TREE_CELLS["tree-lstm"], K, 64)

    def seconds(words: int) -> float:
        levels = side_by_side([right_branching(["w"] * words)]).levels
        inputs = torch.randn(words, K)
        began = time.process_time()
        layer(inputs, levels)[-1].sum().backward()
        return time.process_time() - began

    seconds(100)
    assert seconds(800) < 2 * 4 * seconds(200)  # taking all earlier states together each time would be above


def test_gradients_reach_the_first_word_of_a_deep_chain() -> None:
    torch.manual_seed(0)
    layer = Recursive(TREE_CELLS["child-sum"], K, SIZE)
    levels = side_by_side([right_branching(["w"] * 400)]).levels
    inputs = torch.randn(400, K, requires_grad=True)
    layer(inputs, levels)[-1].sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.isfinite().all()
    assert torch.count_nonzero(inputs.grad[0]) == K


def test_a_cell_of_ones_own() -> None:
    class Sum(TreeCell):
        arity = None

        def parameters(self) -> Any:
            return {"W": input_matrix(self.hidden_size, self.input_size)}

        def leaf(self, x: Tensor, p: Any) -> Mapping[str, Tensor]:
            return {"h": p.W @ x}

        def join(self, x: Tensor | None, s: Any, p: Any) -> Mapping[str, Tensor]:
            return {"h": s.sum(s.h)}

    layer = Recursive(Sum, K, SIZE)
    inputs = torch.randn(4, K)
    outputs = layer(inputs, side_by_side([grow([[[], [], []], []])]).levels)
    torch.testing.assert_close(outputs[-1], layer.W @ inputs.sum(0))


@pytest.mark.parametrize(
    ("cell", "inputs", "message"),
    [
        ("tree-lstm", (3, K + 1), r"expected inputs of shape \[3, 3\], got \[3, 4\]"),
        ("tree-lstm", (5, K), r"expected inputs of shape \[3, 3\], got \[5, 3\]"),
        ("child-sum", (4, K), r"expected inputs of shape \[3, 3\] or \[5, 3\], got \[4, 3\]"),
    ],
)
def test_wrong_shapes_are_told(cell: str, inputs: tuple[int, int], message: str) -> None:
    levels = side_by_side([grow([[[], []], []])]).levels
    with pytest.raises(ValueError, match=message):
        Recursive(TREE_CELLS[cell], K, SIZE)(torch.zeros(inputs), levels)


def test_too_many_children_for_an_ordered_cell() -> None:
    levels = side_by_side([grow([[], [], []])]).levels
    with pytest.raises(ValueError, match="at most 2 children, got one of 3; binarise"):
        Recursive(TREE_CELLS["rntn"], K, SIZE)(torch.zeros(3, K), levels)


def test_cells_are_found_by_name() -> None:
    assert find_tree_cell("rntn") is TREE_CELLS["rntn"]
    assert find_tree_cell("throughtime.layers.trees.rntn:RNTNCell") is TREE_CELLS["rntn"]
    with pytest.raises(
        UserError, match=r"unknown tree cell 'tree-lst' \(did you mean 'tree-lstm'\?\); built-in tree cells: "
    ):
        find_tree_cell("tree-lst")
    with pytest.raises(UserError, match="no TreeCell subclass named 'LSTMCell'"):
        find_tree_cell("throughtime.cells.lstm:LSTMCell")


@pytest.mark.parametrize("cell", list(TREE_CELLS))
def test_start_values(cell: str) -> None:
    torch.manual_seed(0)
    layer = Recursive(TREE_CELLS[cell], K, SIZE)
    assert all(parameter.isfinite().all() for parameter in layer.parameters())
    if cell in ("recursive", "rntn"):
        torch.testing.assert_close(layer.W[:, :SIZE], 0.5 * torch.eye(SIZE), atol=0.26, rtol=0)
    if cell == "tree-lstm":
        assert layer.b.view(5, SIZE).mean(1).tolist() == [0, 0, 0, 1, 1]
    if cell == "child-sum":
        assert layer.b_f.tolist() == [1] * SIZE
