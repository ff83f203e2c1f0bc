"""What models of tokens have in common: the embedding that they read by and the softmax over the vocabulary.

Shapes::

    V  tokens of the vocabulary        E  features of an embedding        A  features that the softmax reads
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.cells import Cell, Parameter
from throughtime.cells.base import bias, input_matrix
from throughtime.data.device import onto
from throughtime.models.base import Model


class TokenModel(Model):
    """A model that reads tokens and says how likely each is to come next.

    Tied, one matrix serves as embedding and as softmax (Press and Wolf 2017; Inan et al. 2017); the bias alone is the
    softmax's own, and A is E. Which of the two a model has, its parameters say: ``bias`` beside ``embedding``, or a
    layer ``softmax``.
    """

    def add_embedding(self, vocabulary: int, features: int, *, tied: bool) -> None:
        """The embedding ``[V, E]``; the random numbers of its start values are drawn here."""
        self.tied = tied
        self.embedding = nn.Embedding(vocabulary, features)
        # Inputs of variance one either way; tied, the same numbers are a softmax matrix and must be small.
        self.scale = features**0.5 if tied else 1.0
        nn.init.normal_(self.embedding.weight, std=1.0 / self.scale)

    def add_softmax(self, features: int) -> None:
        """The softmax over the embedding's tokens; untied, the random numbers of its start values are drawn here."""
        vocabulary = self.embedding.num_embeddings
        if self.tied:
            self.bias = nn.Parameter(torch.zeros(vocabulary))
        else:
            self.softmax = nn.Linear(features, vocabulary)

    def embed(self, ids: Tensor) -> Tensor:
        """Ids ``[…]`` to embeddings ``[…, E]``; zeros for :data:`throughtime.data.NOTHING`."""
        ids = onto(ids, self.embedding.weight.device)
        something = (ids >= 0).unsqueeze(-1).to(self.embedding.weight.dtype)
        embedded: Tensor = self.embedding(ids.clamp(min=0))
        return embedded * (something * self.scale)

    def logits(self, vectors: Tensor) -> Tensor:
        """Scores of every token, ``[…, A]`` to ``[…, V]``."""
        return F.linear(vectors, *self.softmax_weights)

    @property
    def softmax_weights(self) -> tuple[Tensor, Tensor]:
        """The softmax's matrix ``[V, A]`` and its bias ``[V]``."""
        return (self.embedding.weight, self.bias) if self.tied else (self.softmax.weight, self.softmax.bias)


@dataclass(frozen=True)
class SoftmaxCell(Cell):
    """The softmax as a step without a past, so that the engines run it as they run a cell.

    ::

        h<t> = log softmax(W x<t> + b)

    Shapes: ``W [n, k]``, ``b [n]``; state ``h [B, n]``, log-probabilities in nats.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        """The matrix and the bias."""
        return {"W": input_matrix(self.hidden_size, self.input_size), "b": bias(self.hidden_size)}

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        """The equation."""
        return {"h": torch.log_softmax(p.W @ x + p.b, -1)}
