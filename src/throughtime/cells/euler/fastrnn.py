"""The plain network with a weighted way past it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import HeadedCell, Parameter, bias, input_matrix, recurrent_matrix, vector


@dataclass(frozen=True)
class FastRNNCell(HeadedCell):
    """FastRNN (Kusupati et al. 2018, arXiv:1901.02358, equation 2)::

        c~   = tanh(W_x x<t> + W_h h<t-1> + b)
        h<t> = σ(α) c~ + σ(β) h<t-1>

    Two numbers more than the plain network has, and gradients that neither vanish nor explode.

    Shapes: ``W_x [n, k]``, ``W_h [n, n]``, ``b [n]``, ``α: alpha [1]``, ``β: beta [1]``; state ``h [B, n]``.

    Start values: α is -3 and β is 3, as in the authors' code: 0.05 of the new and 0.95 of the old.

    Deviations: no matrices of low rank and no sparse ones.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k),
            "W_h": recurrent_matrix(n, n, heads=self.heads),
            "b": bias(n),
            "alpha": vector(1, -3.0),
            "beta": vector(1, 3.0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        c = torch.tanh(p.W_x @ x + p.W_h @ s.h + p.b)
        units = torch.zeros_like(c)  # one number for all of them
        h = torch.sigmoid(p.alpha + units) * c + torch.sigmoid(p.beta + units) * s.h
        return {"h": h, "c": c}
