"""The update-gate network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class UGRNNCell(HeadedCell, GatedCell):
    """The update-gate RNN (Collins, Sohl-Dickstein and Sussillo 2017, arXiv:1611.09913, section 2.1)::

        g    = σ(W_g x<t> + U_g h<t-1> + b_g)           keep gate
        c    = tanh(W_c x<t> + U_c h<t-1> + b_c)
        h<t> = g h<t-1> + (1 - g) c

    The simplified GRU with its gate the other way round, u = 1 - g: what differs is where it starts.

    Gate order in the stacked parameters: g, c. Shapes: ``W_x [2n, k]``, ``W_h [2n, n]`` (the U), ``b [2n]``; state
    ``h [B, n]``.

    Start values: b_g is 1, so that 0.73 of the memory stays at a step, as in the paper's code.

    Deviations: none.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=2),
            "W_h": recurrent_matrix(n, n, gates=2, heads=self.heads),
            "b": self.gate_biases(1.0, 0.0, keep=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        g, c = (p.W_x @ x + p.W_h @ s.h + p.b).chunk(2, -1)
        g, c = torch.sigmoid(g), torch.tanh(c)
        h = g * s.h + (1 - g) * c
        return {"h": h, "g": g, "c": c}
