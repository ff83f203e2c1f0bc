"""The stackable recurrent cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class STARCell(HeadedCell, GatedCell):
    """The stackable recurrent cell, STAR (Turkoglu et al. 2020, arXiv:1911.11033, equation 7)::

        k    = σ(W_k x<t> + U_k h<t-1> + b_k)           take gate
        z    = tanh(W_z x<t> + b_z)
        h<t> = tanh((1 - k) h<t-1> + k z)

    Made so that gradients neither vanish nor explode from layer to layer; one matrix on the past.

    Gate order in the stacked parameters: k, z. Shapes: ``W_x [2n, k]``, ``W_h [n, n]`` (U_k), ``b [2n]``; state
    ``h [B, n]``.

    Start values: biases are 0; the paper takes chrono initialisation, which is ``memory``.

    Deviations: none.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=2),
            "W_h": recurrent_matrix(n, n, heads=self.heads),
            "b": self.gate_biases(0.0, 0.0, take=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        k, z = (p.W_x @ x + p.b).chunk(2, -1)
        k = torch.sigmoid(k + p.W_h @ s.h)
        z = torch.tanh(z)
        h = torch.tanh((1 - k) * s.h + k * z)
        return {"h": h, "k": k, "z": z}
