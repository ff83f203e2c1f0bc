"""The bistable recurrent cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, Parameter, input_matrix, uniform_vector


@dataclass(frozen=True)
class BistableCell(GatedCell):
    """The bistable recurrent cell, BRC (Vecoven, Ernst and Drion 2021, arXiv:2006.05252, equations 5–7)::

        a    = 1 + tanh(W_a x<t> + w_a h<t-1> + b_a)    feedback: two stable states where it is more than 1
        z    = σ(W_z x<t> + w_z h<t-1> + b_z)           keep gate, c in the paper
        h<t> = z h<t-1> + (1 - z) tanh(W_c x<t> + a h<t-1> + b_c)

    A unit sees its own past alone, and where a is more than 1 it holds one of two values without end.

    Gate order in the stacked parameters: a, z, c. Shapes: ``W_x [3n, k]``, ``w_a [n]``, ``w_z [n]``, ``b [3n]``;
    state ``h [B, n]``.

    Start values: w is drawn evenly from ±1, b is 0.

    Deviations: biases, which the paper's equations leave out.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3),
            "w_a": uniform_vector(n, -1.0, 1.0),
            "w_z": uniform_vector(n, -1.0, 1.0),
            "b": self.gate_biases(0.0, 0.0, 0.0, keep=1),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        a, z, c = (p.W_x @ x + p.b).chunk(3, -1)
        a = 1 + torch.tanh(a + p.w_a * s.h)
        z = torch.sigmoid(z + p.w_z * s.h)
        c = torch.tanh(c + a * s.h)
        h = z * s.h + (1 - z) * c
        return {"h": h, "a": a, "z": z, "c": c}
