"""The chaos-free network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class ChaosFreeCell(HeadedCell, GatedCell):
    """The chaos-free network, CFN (Laurent and von Brecht 2017, arXiv:1612.06212, equations 4–6)::

        θ    = σ(W_θ x<t> + U_θ h<t-1> + b_θ)           keep gate
        η    = σ(W_η x<t> + U_η h<t-1> + b_η)           take gate
        h<t> = θ tanh(h<t-1>) + η tanh(W_c x<t>)

    Without an input its state fades to 0, whatever the weights: no chaos.

    Gate order in the stacked parameters: θ, η, c. Shapes: ``W_x [3n, k]``, ``W_h [2n, n]`` (the U), ``b [2n]``; state
    ``h [B, n]``.

    Start values: b_θ is 1 and b_η is -1, as in the paper.

    Deviations: none.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3),
            "W_h": recurrent_matrix(n, n, gates=2, heads=self.heads),
            "b": self.gate_biases(1.0, -1.0, keep=0, take=1),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        f, i, c = (p.W_x @ x).chunk(3, -1)
        past_f, past_i = (p.W_h @ s.h + p.b).chunk(2, -1)
        f, i, c = torch.sigmoid(f + past_f), torch.sigmoid(i + past_i), torch.tanh(c)
        h = f * torch.tanh(s.h) + i * c
        return {"h": h, "f": f, "i": i, "c": c}
