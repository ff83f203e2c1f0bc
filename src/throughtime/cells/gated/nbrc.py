"""The bistable recurrent cell with neuromodulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class NeuromodulatedBistableCell(HeadedCell, GatedCell):
    """The neuromodulated bistable cell, nBRC (Vecoven, Ernst and Drion 2021, arXiv:2006.05252, section 4.2)::

        a    = 1 + tanh(W_a x<t> + U_a h<t-1> + b_a)    feedback: two stable states where it is more than 1
        z    = σ(W_z x<t> + U_z h<t-1> + b_z)           keep gate, c in the paper
        h<t> = z h<t-1> + (1 - z) tanh(W_c x<t> + a h<t-1> + b_c)

    The bistable cell whose feedback and gate see all units.

    Gate order in the stacked parameters: a, z, c. Shapes: ``W_x [3n, k]``, ``W_h [2n, n]`` (the U), ``b [3n]``; state
    ``h [B, n]``.

    Start values: b is 0.

    Deviations: biases, which the paper's equations leave out.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3),
            "W_h": recurrent_matrix(n, n, gates=2, heads=self.heads),
            "b": self.gate_biases(0.0, 0.0, 0.0, keep=1),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        a, z, c = (p.W_x @ x + p.b).chunk(3, -1)
        past_a, past_z = (p.W_h @ s.h).chunk(2, -1)
        a = 1 + torch.tanh(a + past_a)
        z = torch.sigmoid(z + past_z)
        c = torch.tanh(c + a * s.h)
        h = z * s.h + (1 - z) * c
        return {"h": h, "a": a, "z": z, "c": c}
