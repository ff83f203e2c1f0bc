"""The full GRU, with the reset before the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class FullGRUCell(HeadedCell, GatedCell):
    """The full GRU as published (Cho et al. 2014, arXiv:1406.1078; Chung et al. 2014)::

        u    = σ(W_u [h<t-1>, x<t>] + b_u)           update gate Γ_u
        r    = σ(W_r [h<t-1>, x<t>] + b_r)           reset gate Γ_r
        c~   = tanh(W_c [r h<t-1>, x<t>] + b_c)      candidate
        h<t> = u c~ + (1 - u) h<t-1>

    The reset stands **before** the product, so that no kernel of cuDNN or PyTorch computes this cell;
    :class:`~throughtime.cells.GRUCell` is the form that they have.

    Gate order in the stacked parameters: u, r, c. Shapes: ``W_x [3n, k]``, ``W_h [2n, n]`` (u, r),
    ``W_hc [n, n]``, ``b [3n]``; state ``h [B, n]``.

    Deviations: the paper's gate z keeps the old state; this u takes the new one, as the course has it.
    Start values as in :class:`~throughtime.cells.SimplifiedGRUCell`.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3),
            "W_h": recurrent_matrix(n, n, gates=2, heads=self.heads),
            "W_hc": recurrent_matrix(n, n, heads=self.heads),
            "b": self.gate_biases(0.0, 0.0, 0.0, take=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        xu, xr, xc = (p.W_x @ x + p.b).chunk(3, -1)
        hu, hr = (p.W_h @ s.h).chunk(2, -1)
        u = torch.sigmoid(xu + hu)
        r = torch.sigmoid(xr + hr)
        c = torch.tanh(xc + p.W_hc @ (r * s.h))
        return {"h": u * c + (1 - u) * s.h, "u": u, "r": r, "c": c}
