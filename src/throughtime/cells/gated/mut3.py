"""The GRU's mutant MUT3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class MUT3Cell(HeadedCell, GatedCell):
    """MUT3, found by a search over architectures (Jozefowicz, Zaremba and Sutskever 2015, section 4.1)::

        z    = σ(W_z x<t> + U_z tanh(h<t-1>) + b_z)     take gate
        r    = σ(W_r x<t> + U_r h<t-1> + b_r)           reset gate
        c~   = tanh(W_c x<t> + U_c (r h<t-1>) + b_c)
        h<t> = z c~ + (1 - z) h<t-1>

    The full GRU whose update gate sees the tanh of the state.

    Gate order in the stacked parameters: z, r, c. Shapes: ``W_x [3n, k]``, ``W_hz [n, n]`` (U_z), ``W_h [n, n]``
    (U_r), ``W_hc [n, n]`` (U_c), ``b [3n]``; state ``h [B, n]``.

    Start values: biases are 0, so that half of the memory stays; ``memory`` sets how long it is kept.

    Deviations: none.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3),
            "W_hz": recurrent_matrix(n, n, heads=self.heads),
            "W_h": recurrent_matrix(n, n, heads=self.heads),
            "W_hc": recurrent_matrix(n, n, heads=self.heads),
            "b": self.gate_biases(0.0, 0.0, 0.0, take=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        z, r, c = (p.W_x @ x + p.b).chunk(3, -1)
        z = torch.sigmoid(z + p.W_hz @ torch.tanh(s.h))
        r = torch.sigmoid(r + p.W_h @ s.h)
        c = torch.tanh(c + p.W_hc @ (r * s.h))
        h = z * c + (1 - z) * s.h
        return {"h": h, "z": z, "r": r, "c": c}
