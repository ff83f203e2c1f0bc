"""The GRU's mutant MUT2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class MUT2Cell(HeadedCell, GatedCell):
    """MUT2, found by a search over architectures (Jozefowicz, Zaremba and Sutskever 2015, section 4.1)::

        z    = σ(W_z x<t> + U_z h<t-1> + b_z)           take gate
        r    = σ(W_r x<t> + U_r h<t-1> + b_r)           reset gate
        c~   = tanh(W_c x<t> + U_c (r h<t-1>) + b_c)
        h<t> = z c~ + (1 - z) h<t-1>

    The full GRU but for W_r, in whose place the paper has the input itself.

    Gate order in the stacked parameters: z, r, c. Shapes: ``W_x [3n, k]`` or ``[2n, k]``, ``W_h [2n, n]`` (U_z, U_r),
    ``W_hc [n, n]`` (U_c), ``b [3n]``; state ``h [B, n]``.

    Start values: biases are 0, so that half of the memory stays; ``memory`` sets how long it is kept.

    Deviations: where k is not n, W_r is a matrix; where it is, W_r x is x and there is none, as in the paper.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=2 if k == n else 3),
            "W_h": recurrent_matrix(n, n, gates=2, heads=self.heads),
            "W_hc": recurrent_matrix(n, n, heads=self.heads),
            "b": self.gate_biases(0.0, 0.0, 0.0, take=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        same = self.input_size == self.hidden_size
        parts = (p.W_x @ x).chunk(2 if same else 3, -1)
        z, r, c = (parts[0], x if same else parts[1], parts[-1])
        b_z, b_r, b_c = p.b.chunk(3, -1)
        past_z, past_r = (p.W_h @ s.h).chunk(2, -1)
        z = torch.sigmoid(z + past_z + b_z)
        r = torch.sigmoid(r + past_r + b_r)
        c = torch.tanh(c + p.W_hc @ (r * s.h) + b_c)
        h = z * c + (1 - z) * s.h
        return {"h": h, "z": z, "r": r, "c": c}
