"""The minimal gated unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class MGUCell(HeadedCell, GatedCell):
    """The minimal gated unit (Zhou et al. 2016, arXiv:1603.09420, equation 6)::

        f    = σ(W_f x<t> + U_f h<t-1> + b_f)
        c~   = tanh(W_c x<t> + U_c (f h<t-1>) + b_c)
        h<t> = (1 - f) h<t-1> + f c~

    A GRU whose reset gate is its update gate.

    Gate order in the stacked parameters: f, c. Shapes: ``W_x [2n, k]``, ``W_h [n, n]`` (U_f), ``W_hc [n, n]`` (U_c),
    ``b [2n]``; state ``h [B, n]``.

    Start values: biases are 0, so that half of the memory stays.

    Deviations: none.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=2),
            "W_h": recurrent_matrix(n, n, heads=self.heads),
            "W_hc": recurrent_matrix(n, n, heads=self.heads),
            "b": self.gate_biases(0.0, 0.0, take=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        f, c = (p.W_x @ x + p.b).chunk(2, -1)
        f = torch.sigmoid(f + p.W_h @ s.h)
        c = torch.tanh(c + p.W_hc @ (f * s.h))
        h = (1 - f) * s.h + f * c
        return {"h": h, "f": f, "c": c}
