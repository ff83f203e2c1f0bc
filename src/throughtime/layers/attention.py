"""Attention: every step of a decoder looks over all steps of an encoder.

Shapes::

    B  rows        T  steps of the encoder        S  steps of the decoder
    Q  features of a query        M  features of a memory's step        U  units of the additive score
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from throughtime.engine import Lengths, as_lengths, real_steps
from throughtime.errors import listed, nearest

AttentionName = Literal["additive", "general", "dot"]


@dataclass(frozen=True)
class Memory:
    """What is attended to, with all that does not depend on a query.

    Attributes:
        values: The encoder's outputs, ``[B, T, M]``.
        keys: What queries are compared with, ``[B, T, U]`` (additive) or ``[B, T, Q]``.
        real: Steps within a row's length, ``[B, T]``.
    """

    values: Tensor
    keys: Tensor
    real: Tensor

    def take(self, rows: Tensor) -> Memory:
        """The memories of some rows, ``rows [N]``, in that order."""
        return Memory(self.values[rows], self.keys[rows], self.real[rows])


class Attention(nn.Module):
    """A mean of the memory's real steps, weighted by the softmax of how well each fits the query; zeros of no steps.

    ``additive`` scores a query q against a step k by ``v · tanh(W q + U k + b)`` (Bahdanau et al. 2015); ``general`` by
    ``q · (W k)`` and ``dot`` by ``q · k`` (Luong et al. 2015). With coverage, the additive score also sees how much
    attention the step had so far, ``v · tanh(W q + U k + w c + b)`` (See et al. 2017, equation 11).

    Args:
        name: ``"additive"``, ``"general"`` or ``"dot"``.
        query: Features of a query, Q.
        memory: Features of the memory, M.
        units: Of the additive score, U; by default Q.
        coverage: The score sees the attention so far.

    Raises:
        ValueError: If there is no such attention, or options exclude each other.

    Example:
        >>> attention = Attention("dot", 2, 2)
        >>> memory = attention.memory(torch.tensor([[[9.0, 0.0], [0.0, 9.0], [7.0, 7.0]]]), torch.tensor([2]))
        >>> context, weights = attention(torch.tensor([[[1.0, 0.0]]]), memory)
        >>> weights.round(decimals=3)
        tensor([[[1., 0., 0.]]])
    """

    def __init__(
        self, name: AttentionName, query: int, memory: int, *, units: int | None = None, coverage: bool = False
    ) -> None:
        super().__init__()
        known = get_args(AttentionName)
        if name not in known:
            raise ValueError(f"unknown attention {name!r}{nearest(name, known)}; expected {listed(known)}")
        if coverage and name != "additive":
            raise ValueError(f"coverage is a part of the additive score; got attention {name!r}, pass 'additive'")
        if name == "dot" and query != memory:
            raise ValueError(f"dot attention needs queries as wide as the memory, got {query} and {memory}")
        self.name = name
        self.coverage = coverage
        if name == "additive":
            units = units or query
            self.of_query = nn.Linear(query, units)
            self.of_memory = nn.Linear(memory, units, bias=False)
            self.score = nn.Linear(units, 1, bias=False)
            if coverage:
                self.of_coverage = nn.Linear(1, units, bias=False)
        elif name == "general":
            self.of_memory = nn.Linear(memory, query, bias=False)

    def memory(self, outputs: Tensor, lengths: Lengths) -> Memory:
        """An encoder's ``outputs [B, T, M]`` with their ``lengths [B]``, to be attended to."""
        real = real_steps(as_lengths(lengths, outputs.device), outputs.shape[1])
        return Memory(outputs, outputs if self.name == "dot" else self.of_memory(outputs), real)

    def forward(self, queries: Tensor, memory: Memory, covered: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Attends for all queries at once; one after the other where the score sees the attention so far.

        Args:
            queries: ``[B, S, Q]``.
            memory: Of :meth:`memory`.
            covered: With coverage: the attention that each step had before, ``[B, T]``; zeros where None.

        Returns:
            Contexts ``[B, S, M]`` and weights ``[B, S, T]``, which sum to 1, or to 0 where a memory is empty.
        """
        if not self.coverage:
            weights = self._weights(self._scores(queries, memory, None), memory)
        else:
            covered = torch.zeros_like(memory.real, dtype=queries.dtype) if covered is None else covered
            steps = []
            for query in torch.split(queries, 1, 1):
                steps.append(self._weights(self._scores(query, memory, covered), memory))
                covered = covered + steps[-1].squeeze(1)
            weights = torch.cat(steps, 1)
        return weights @ memory.values, weights

    def _scores(self, queries: Tensor, memory: Memory, covered: Tensor | None) -> Tensor:
        """``[B, S, T]``."""
        if self.name != "additive":
            return queries @ memory.keys.transpose(1, 2)
        keys = memory.keys if covered is None else memory.keys + self.of_coverage(covered.unsqueeze(2))
        scores: Tensor = self.score(torch.tanh(self.of_query(queries).unsqueeze(2) + keys.unsqueeze(1)))
        return scores.squeeze(3)

    @staticmethod
    def _weights(scores: Tensor, memory: Memory) -> Tensor:
        real = memory.real.unsqueeze(1)
        # an empty row would be 0 / 0
        return scores.masked_fill(~real, torch.finfo(scores.dtype).min).softmax(2) * real


def coverage_loss(weights: Tensor) -> Tensor:
    """How much each step attends to what had attention before, ``Σ_t min(a<s>_t, Σ_(s' < s) a<s'>_t)``, ``[B, S]``.

    See et al. 2017, equation 12.

    Args:
        weights: Of all steps, ``[B, S, T]``.

    Example:
        >>> coverage_loss(torch.tensor([[[1.0, 0.0], [0.7, 0.3], [0.5, 0.5]]]))
        tensor([[0.0000, 0.7000, 0.8000]])
    """
    before = weights.cumsum(1) - weights
    return torch.minimum(weights, before).sum(2)
