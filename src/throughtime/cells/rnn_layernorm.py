"""The plain recurrent network with layer normalisation inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.cells.base import HeadedCell, Parameter, bias, input_matrix, recurrent_matrix, vector


@dataclass(frozen=True)
class LayerNormRNNCell(HeadedCell):
    """The layer-normalised RNN (Ba, Kiros and Hinton 2016, arXiv:1607.06450, equation 4)::

        h<t> = tanh(LN(W_x x<t> + W_h h<t-1>; α, b))

    ``LN(v; α, b)`` is v less its mean, over its standard deviation (ε = 1e-5), times α, plus b: whatever the scale of
    the weights, sums neither shrink nor explode from step to step.

    Shapes: ``W_x [n, k]``, ``W_h [n, n]``, ``α: gain [n]``, ``b [n]``; state ``h [B, n]``.

    Start values: W_h orthogonal, the gain 1.

    Deviations: none.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k),
            "W_h": recurrent_matrix(n, n, heads=self.heads),
            "gain": vector(n, 1.0),
            "b": bias(n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        return {"h": torch.tanh(F.layer_norm(p.W_x @ x + p.W_h @ s.h, (self.hidden_size,), p.gain, p.b))}
