"""What a model says of every node of labelled trees, beside the labels that stand there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.data.examples import Judged
from throughtime.data.trees.trees import Tree, TreeBatch
from throughtime.models.tree_classifier import TreeClassifier


@dataclass(frozen=True)
class JudgedTrees:
    """Trees as the cell takes them, and what a model says of them.

    Attributes:
        trees: The trees.
        nodes: Log-probabilities of their nodes, tree by tree, ``[nodes, C]``.
        labels: The labels of their nodes, ``[nodes]``; below 0 where none is known.
        roots: Log-probabilities of their roots, ``[trees, C]``.
        gold: The labels of their roots, ``[trees]``.
    """

    trees: Sequence[Tree]
    nodes: Tensor
    labels: Tensor
    roots: Tensor
    gold: Tensor

    @property
    def nats(self) -> float:
        """Cross-entropy at the roots."""
        return -float(self.roots.gather(1, self.gold.unsqueeze(1)).mean())

    def figures(self, symbols: Sequence[str]) -> dict[str, float]:
        """Accuracies in percent; ``symbols`` are the labels, in order."""
        figures = {"root_accuracy": _percent(self.roots.argmax(1) == self.gold)}
        if (middle := _middle(symbols)) is not None:
            sided = self.gold != middle
            positive = self.roots[:, middle + 1 :].logsumexp(1) > self.roots[:, :middle].logsumexp(1)
            figures["binary_accuracy"] = _percent((positive == (self.gold > middle))[sided])
        figures["node_accuracy"] = _percent((self.nodes.argmax(1) == self.labels)[self.labels >= 0])
        return figures


def judge_trees(
    model: TreeClassifier, trees: Sequence[Tree], batches: Judged[Tree, TreeBatch], labels: Callable[[Tree], list[int]]
) -> JudgedTrees:
    """What a model says of every node.

    Args:
        model: In evaluation mode.
        trees: As the cell takes them.
        batches: Of them.
        labels: Gives those of a tree's nodes.
    """
    scores: list[Tensor] = [torch.empty(0)] * len(trees)
    with torch.no_grad():
        for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
            found = model(batch).double().cpu()
            for number, places in zip(chosen, batch.order, strict=True):
                scores[number] = found[torch.from_numpy(places)]
    there = [labels(tree) for tree in trees]
    roots = torch.stack([rows[tree.root] for rows, tree in zip(scores, trees, strict=True)])
    gold = torch.tensor([found[tree.root] for found, tree in zip(there, trees, strict=True)])
    return JudgedTrees(trees, torch.cat(scores), torch.tensor([one for found in there for one in found]), roots, gold)


def is_number(symbol: str) -> bool:
    """Whether a label is a grade.

    Example:
        >>> is_number("-2"), is_number("good")
        (True, False)
    """
    return symbol.lstrip("-").isdecimal()


def _middle(symbols: Sequence[str]) -> int | None:
    """The neutral label, where labels are an odd number of grades: all below it are negative."""
    return len(symbols) // 2 if len(symbols) % 2 and len(symbols) > 2 and all(map(is_number, symbols)) else None


def _percent(hits: Tensor) -> float:
    return 100 * float(hits.double().mean()) if len(hits) else 0.0
