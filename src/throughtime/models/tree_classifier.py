"""The tree classifier: a label for every node of a tree, from a cell applied up the tree.

Shapes::

    N  nodes of a batch of trees        E  features of an embedding        C  classes
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.data.trees.trees import TreeBatch
from throughtime.layers.trees import Recursive, TreeCell, find_tree_cell
from throughtime.models.base import Model, State


@dataclass(frozen=True, kw_only=True)
class TreeClassifierConfig:
    """What a tree classifier is built from, as plain data.

    Attributes:
        words: Known words, the unknown one counted.
        labels: Classes, C.
        cell: Name of a tree cell (:data:`throughtime.layers.trees.TREE_CELLS`).
        hidden: Units of the cell.
        embedding: Features of a word's embedding, E.
        dropout: Share of the features dropped from embeddings, and from the states that the softmax reads.
        word_dropout: Share of words read as unknown while training: the unknown word's embedding learns from them.
        root_weight: How many times a root's loss counts against that of any other node.
    """

    words: int
    labels: int
    cell: str = "tree-lstm"
    hidden: int = 150
    embedding: int = 300
    dropout: float = 0.0
    word_dropout: float = 0.0
    root_weight: float = 1.0


class TreeClassifier(Model):
    """Word embeddings, a cell up the tree, a softmax at every node (Socher et al. 2013; Tai et al. 2015).

    Args:
        config: Sizes and options.
        cell: The cell's class, where it is not a built-in one; by default the one that the config names.

    Raises:
        UserError: If there is no cell of that name.
    """

    def __init__(self, config: TreeClassifierConfig, *, cell: type[TreeCell] | None = None) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.words, config.embedding)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.tree = Recursive(cell or find_tree_cell(config.cell), config.embedding, config.hidden)
        self.softmax = nn.Linear(self.tree.output_size, config.labels)

    def forward(self, batch: TreeBatch) -> Tensor:
        """The log-probability of every class at every node, at the model's temperature, in the batch's order.

        Returns:
            ``[N, C]``.
        """
        return self.told(self._classify(batch))

    def _classify(self, batch: TreeBatch) -> Tensor:
        """The same of the scores as they are."""
        leaves = batch.levels.sizes[0]
        inner = bool((batch.words[leaves:] >= 0).any())
        hidden = self.tree(self._embed(batch.words if inner else batch.words[:leaves]), batch.levels)
        return F.log_softmax(self.softmax(F.dropout(hidden, self.config.dropout, self.training)), -1)

    def loss(self, batch: TreeBatch, carried: State | None) -> tuple[Tensor, State | None]:
        """Cross-entropy in nats, averaged over the labelled nodes; nothing is carried."""
        labels = onto(batch.labels, self.softmax.weight.device)
        weights = onto(self._weights(batch), labels.device)
        each = F.nll_loss(self._classify(batch), labels.clamp(min=0), reduction="none")
        return (each * weights).sum() / weights.sum().clamp(min=1e-9), None

    def divisor(self, batch: TreeBatch) -> float:
        """What its labelled nodes count."""
        return float(self._weights(batch).sum())

    def _weights(self, batch: TreeBatch) -> Tensor:
        weights = torch.ones(len(batch.labels), device=batch.labels.device)
        weights[batch.roots] = self.config.root_weight
        return weights.masked_fill(batch.labels < 0, 0.0)

    def _embed(self, words: Tensor) -> Tensor:
        words = onto(words, self.embedding.weight.device)
        something = (words >= 0).unsqueeze(1)
        known = words.clamp(min=0)
        if self.training and self.config.word_dropout:
            known = known.masked_fill(torch.rand(words.shape, device=words.device) < self.config.word_dropout, 0)
        return F.dropout(self.embedding(known) * something, self.config.dropout, self.training)
