"""The tree classifier: which nodes count in its loss, what it drops, and that it learns."""

from __future__ import annotations

import math

import pytest
import torch

from throughtime.data.trees.treebank import parse_brackets, parse_heads
from throughtime.data.trees.trees import Tree, TreeBatch, batch_trees, right_branching
from throughtime.layers.trees import TREE_CELLS
from throughtime.models import TreeClassifier, TreeClassifierConfig

WORDS = {"<unk>": 0, "not": 1, "good": 2, "bad": 3, "film": 4}


def batch(*trees: Tree) -> TreeBatch:
    return batch_trees(
        trees,
        lambda tree: [WORDS.get(word, 0) if word else -1 for word in tree.words],
        lambda tree: [int(label) if label else -1 for label in tree.labels],
    )


def model(cell: str = "tree-lstm", **options: float) -> TreeClassifier:
    torch.manual_seed(0)
    config = TreeClassifierConfig(words=5, labels=3, cell=cell, hidden=6, embedding=4, **options)  # type: ignore[arg-type]
    return TreeClassifier(config).double()


def test_the_loss_is_the_mean_over_labelled_nodes() -> None:
    trees = [parse_brackets("(2 (_ not) (0 bad))"), parse_brackets("(_ (1 film) (_ (_ not) (2 good)))")]
    made = batch(*trees)
    net = model()
    log_probs = net(made)
    assert log_probs.shape == (8, 3)
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(8, dtype=torch.float64))
    picked = []
    for tree, places in zip(trees, made.order, strict=True):
        picked += [log_probs[places[n], int(label)] for n, label in enumerate(tree.labels) if label]
    assert len(picked) == 4
    loss, carried = net.loss(made, None)
    torch.testing.assert_close(loss, -torch.stack(picked).mean())
    assert carried is None


def test_a_root_may_weigh_more() -> None:
    made = batch(parse_brackets("(2 (1 not) (0 bad))"))
    net = model(root_weight=3.0)
    of = [float(net(made)[made.order[0][n], label].detach()) for n, label in ((0, 1), (1, 0), (2, 2))]
    assert float(net.loss(made, None)[0].detach()) == pytest.approx(-(of[0] + of[1] + 3 * of[2]) / 5)


def test_without_any_label_there_is_nothing_to_learn() -> None:
    loss, _ = model().loss(batch(right_branching(["not", "good"])), None)
    assert float(loss.detach()) == 0.0


def test_a_net_that_knows_nothing_loses_the_logarithm_of_the_classes() -> None:
    net = model()
    torch.nn.init.zeros_(net.softmax.weight)
    torch.nn.init.zeros_(net.softmax.bias)
    assert float(net.loss(batch(parse_brackets("(2 (1 not) (0 bad))")), None)[0].detach()) == pytest.approx(math.log(3))


def test_words_of_inner_nodes_are_read() -> None:
    net = model("child-sum").eval()
    one, other = (net(batch(parse_heads(line)))[-1] for line in ("not|2 good|0", "not|2 bad|0"))
    assert not torch.allclose(one, other)


def test_an_inner_node_without_a_word_has_a_word_of_zeros() -> None:
    """Beside trees whose every node has a word, a node without one is the same as alone."""
    net = model("child-sum").eval()
    brackets, heads = parse_brackets("(2 (1 not) (0 bad))"), parse_heads("film|2 good|0")
    both = batch(brackets, heads)
    alone = batch(brackets)
    torch.testing.assert_close(net(both)[both.order[0]], net(alone)[alone.order[0]])


@pytest.mark.parametrize("cell", list(TREE_CELLS))
def test_trees_side_by_side_are_as_alone(cell: str) -> None:
    net = model(cell, dropout=0.5, word_dropout=0.5).eval()
    trees = [parse_brackets("(2 (1 (0 a) (1 not)) (2 (1 film) (0 bad)))"), parse_brackets("(1 film)")]
    trees.append(right_branching(["not", "good", "film", "bad"]))
    together = batch(*trees)
    scores = net(together)
    for tree, places in zip(trees, together.order, strict=True):
        alone = batch(tree)
        torch.testing.assert_close(scores[places], net(alone)[alone.order[0]])


def test_what_is_dropped_while_training() -> None:
    made = batch(parse_brackets("(2 (1 not) (0 bad))"))
    assert not torch.equal(model(dropout=0.5)(made), model()(made))
    assert torch.equal(model(dropout=0.5).eval()(made), model()(made))
    unknown = model(word_dropout=0.999)
    torch.testing.assert_close(unknown(made), model()(batch(parse_brackets("(2 (1 x) (0 y))"))))
    assert not torch.allclose(unknown.eval()(made), unknown.train()(made))


@pytest.mark.parametrize("cell", list(TREE_CELLS))
def test_it_learns_that_not_turns_what_follows(cell: str) -> None:
    texts = ["(2 good)", "(0 bad)", "(1 not)", "(0 (1 not) (2 good))", "(2 (1 not) (0 bad))"]
    texts += ["(2 (2 good) (1 film))", "(0 (0 bad) (1 film))"]
    made = batch(*map(parse_brackets, texts))
    net = model(cell)
    optimiser = torch.optim.Adam(net.parameters(), 0.03)
    for _ in range(120):
        optimiser.zero_grad()
        loss, _ = net.loss(made, None)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert torch.equal(net(made).argmax(1), made.labels)
