"""The gated unit whose gate and candidate share their matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix, vector


@dataclass(frozen=True)
class FastGRNNCell(HeadedCell, GatedCell):
    """FastGRNN (Kusupati et al. 2018, arXiv:1901.02358, equation 4)::

        v    = W_x x<t> + W_h h<t-1>
        z    = σ(v + b_z)                               keep gate
        c~   = tanh(v + b_c)
        h<t> = (σ(ζ) (1 - z) + σ(ν)) c~ + z h<t-1>

    Gate and candidate share their matrices: a gated network of a plain one's size, made for small devices.

    Gate order in the stacked bias: z, c. Shapes: ``W_x [n, k]``, ``W_h [n, n]``, ``b [2n]``, ``ζ: zeta [1]``,
    ``ν: nu [1]``; state ``h [B, n]``.

    Start values: ζ is 1 and ν is -4, as in the authors' code; b is 1 there and 0 here but for b_z, which is 1.

    Deviations: no matrices of low rank and no sparse ones.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k),
            "W_h": recurrent_matrix(n, n, heads=self.heads),
            "b": self.gate_biases(1.0, 0.0, keep=0),
            "zeta": vector(1, 1.0),
            "nu": vector(1, -4.0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        v = p.W_x @ x + p.W_h @ s.h
        b_z, b_c = p.b.chunk(2, -1)
        z, c = torch.sigmoid(v + b_z), torch.tanh(v + b_c)
        units = torch.zeros_like(c)  # one number for all of them
        h = (torch.sigmoid(p.zeta + units) * (1 - z) + torch.sigmoid(p.nu + units)) * c + z * s.h
        return {"h": h, "z": z, "c": c}
