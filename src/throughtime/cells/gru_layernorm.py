"""The GRU with layer normalisation inside: the reset after the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, bias, input_matrix, recurrent_matrix, vector


@dataclass(frozen=True)
class LayerNormGRUCell(HeadedCell, GatedCell):
    """The layer-normalised GRU (Ba, Kiros and Hinton 2016, arXiv:1607.06450, section 3.1) with the reset after the
    product, as haste's ``LayerNormGRU`` (LMNT 2020, github.com/lmnt-com/haste)::

        x_r, x_z, x_c = LN(W_x x<t>; α_x) + b
        h_r, h_z, h_c = LN(W_h h<t-1>; α_h)
        r    = σ(x_r + h_r)                               reset gate
        z    = σ(x_z + h_z)                               keep gate
        c~   = tanh(x_c + r (h_c + b_hc))                 candidate
        h<t> = (1 - z) c~ + z h<t-1>

    ``LN(v; α)`` is v less its mean, over its standard deviation (ε = 1e-5), times α. It is taken over the two gates
    and the candidate together.

    Gate order in the stacked parameters: r, z, c. Shapes: ``W_x [3n, k]``, ``W_h [3n, n]``, ``b [3n]``, ``b_hc [n]``,
    ``α_x: gain_x [3n]``, ``α_h: gain_h [3n]``; state ``h [B, n]``.

    Deviations: the paper's own GRU has the reset before the product and normalises gates and candidate apart. Start
    values as in :class:`~throughtime.cells.GRUCell`, gains 1.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3),
            "W_h": recurrent_matrix(n, n, gates=3, heads=self.heads),
            "b": self.gate_biases(0.0, 0.0, 0.0, keep=1),
            "gain_x": vector(3 * n, 1.0),
            "gain_h": vector(3 * n, 1.0),
            "b_hc": bias(n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        n = self.hidden_size
        xr, xz, xc = F.layer_norm(p.W_x @ x, (3 * n,), p.gain_x, p.b).chunk(3, -1)
        hr, hz, hc = F.layer_norm(p.W_h @ s.h, (3 * n,), p.gain_h).chunk(3, -1)
        r = torch.sigmoid(xr + hr)
        z = torch.sigmoid(xz + hz)
        c = torch.tanh(xc + r * (hc + p.b_hc))
        return {"h": (1 - z) * c + z * s.h, "r": r, "z": z, "c": c}
