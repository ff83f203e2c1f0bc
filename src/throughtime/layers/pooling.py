"""From a sequence to one vector: the ways to read a whole sequence at its end.

Shapes::

    B  rows        T  steps        F  features        A  units of the attention
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from throughtime.engine import Lengths, as_lengths, real_steps
from throughtime.errors import listed, nearest

PoolingName = Literal["last", "mean", "max", "attention"]


class Pooling(nn.Module):
    """One vector of a sequence's real steps; zeros for an empty sequence.

    ``last`` joins the last step of the forward features with the first of the backward ones; ``mean`` and ``max`` go
    over all steps; ``attention`` is the mean weighted by ``softmax(v · tanh(W a<t> + b))`` (Yang et al. 2016).

    Args:
        name: ``"last"``, ``"mean"``, ``"max"`` or ``"attention"``.
        features: Features of a step, F.
        bidirectional: The second half of the features runs backward; only ``last`` asks.

    Raises:
        ValueError: If there is no such pooling.

    Example:
        >>> pool = Pooling("max", 2)
        >>> pool(torch.tensor([[[1.0, 5.0], [3.0, 4.0], [9.0, 9.0]]]), torch.tensor([2]))
        tensor([[3., 5.]])
    """

    def __init__(self, name: PoolingName, features: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        if name not in get_args(PoolingName):
            known = get_args(PoolingName)
            raise ValueError(f"unknown pooling {name!r}{nearest(name, known)}; expected {listed(known)}")
        self.name, self.features = name, features
        self.bidirectional = bidirectional
        if name == "attention":
            self.project = nn.Linear(features, features)
            self.score = nn.Linear(features, 1, bias=False)

    def forward(self, outputs: Tensor, lengths: Lengths) -> Tensor:
        """``outputs [B, T, F]`` and ``lengths [B]`` to ``[B, F]``."""
        lengths = as_lengths(lengths, outputs.device)
        real = _real(outputs, lengths)
        if self.name == "last":
            return self._last(outputs, lengths)
        if self.name == "mean":
            return (outputs * real).sum(1) / lengths.clamp(min=1).unsqueeze(1)
        if self.name == "max":
            return outputs.masked_fill(~real, -torch.inf).amax(1).masked_fill((lengths == 0).unsqueeze(1), 0.0)
        return torch.einsum("bt,btf->bf", self.weights(outputs, lengths), outputs)

    def weights(self, outputs: Tensor, lengths: Lengths) -> Tensor:
        """How much of each step ``attention`` takes, ``[B, T]``: sums to 1, or to 0 for an empty sequence."""
        real = _real(outputs, as_lengths(lengths, outputs.device)).squeeze(2)
        scores = self.score(torch.tanh(self.project(outputs))).squeeze(2)
        # an empty row would be 0 / 0
        weights: Tensor = scores.masked_fill(~real, torch.finfo(scores.dtype).min).softmax(1) * real
        return weights

    def _last(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        at = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, outputs.shape[2])
        last = outputs.gather(1, at).squeeze(1)  # zeros where a row is empty: outputs are, past a length
        if not self.bidirectional:
            return last
        half = outputs.shape[2] // 2
        return torch.cat([last[:, :half], outputs[:, 0, half:]], 1)


def _real(outputs: Tensor, lengths: Tensor) -> Tensor:
    return real_steps(lengths, outputs.shape[1]).unsqueeze(2)
