"""The GRU of cuDNN, PyTorch and Keras: the reset after the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, bias, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class GRUCell(HeadedCell, GatedCell):
    """The GRU with the reset after the product (Cho et al. 2014, arXiv:1406.1078v1; cuDNN's form)::

        r    = σ(W_r x<t> + U_r h<t-1> + b_r)             reset gate
        z    = σ(W_z x<t> + U_z h<t-1> + b_z)             keep gate, the course's 1 - Γ_u
        c~   = tanh(W_c x<t> + b_c + r (U_c h<t-1> + b_hc))   candidate
        h<t> = (1 - z) c~ + z h<t-1>

    Gate order in the stacked parameters: r, z, c, as in ``torch.nn.GRU``. Shapes: ``W_x [3n, k]`` (the W),
    ``W_h [3n, n]`` (the U), ``b [3n]``, ``b_hc [n]``; state ``h [B, n]``.

    Deviations from ``torch.nn.GRU``: r and z have one bias each instead of two that are only ever added.
    Start values as in :class:`~throughtime.cells.SimplifiedGRUCell`.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3),
            "W_h": recurrent_matrix(n, n, gates=3, heads=self.heads),
            "b": self.gate_biases(0.0, 0.0, 0.0, keep=1),
            "b_hc": bias(n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        xr, xz, xc = (p.W_x @ x + p.b).chunk(3, -1)
        hr, hz, hc = (p.W_h @ s.h).chunk(3, -1)
        r = torch.sigmoid(xr + hr)
        z = torch.sigmoid(xz + hz)
        c = torch.tanh(xc + r * (hc + p.b_hc))
        return {"h": (1 - z) * c + z * s.h, "r": r, "z": z, "c": c}
