"""The light GRU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class LightGRUCell(HeadedCell, GatedCell):
    """The light GRU of speech recognition (Ravanelli et al. 2018, arXiv:1803.10225, equations 4–6)::

        z    = σ(W_z x<t> + U_z h<t-1> + b_z)           keep gate
        c~   = relu(W_c x<t> + U_c h<t-1> + b_c)
        h<t> = z h<t-1> + (1 - z) c~

    No reset gate, and a candidate that does not saturate.

    Gate order in the stacked parameters: z, c. Shapes: ``W_x [2n, k]``, ``W_h [2n, n]`` (the U), ``b [2n]``; state
    ``h [B, n]``.

    Start values: biases are 0, so that half of the memory stays; U is orthogonal, as in the paper.

    Deviations: the paper normalises W x over the batch, BN(W_z x) and BN(W_c x). A trained batch norm is a scale and
    a shift, which W and b are; in training it is left out, as it would make a row depend on the others of its batch.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=2),
            "W_h": recurrent_matrix(n, n, gates=2, heads=self.heads),
            "b": self.gate_biases(0.0, 0.0, keep=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        z, c = (p.W_x @ x + p.W_h @ s.h + p.b).chunk(2, -1)
        z, c = torch.sigmoid(z), torch.relu(c)
        h = z * s.h + (1 - z) * c
        return {"h": h, "z": z, "c": c}
