"""The LSTM whose input gate is what its forget gate leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class CoupledLSTMCell(HeadedCell, GatedCell):
    """The LSTM with coupled input and forget gate, CIFG (Greff et al. 2017, arXiv:1503.04069)::

        f    = σ(W_f [h<t-1>, x<t>] + b_f)
        g    = tanh(W_g [h<t-1>, x<t>] + b_g)
        o    = σ(W_o [h<t-1>, x<t>] + b_o)
        c<t> = f c<t-1> + (1 - f) g
        h<t> = o tanh(c<t>)

    A quarter fewer parameters than the LSTM, and a memory that stays within (-1, 1).

    Gate order in the stacked parameters: f, g, o. Shapes: ``W_x [3n, k]``, ``W_h [3n, n]``, ``b [3n]``;
    state ``h [B, n]``, ``c [B, n]``.

    Deviations: no peepholes, which the paper's variant keeps. Start values as in
    :class:`~throughtime.cells.LSTMCell`.
    """

    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3),
            "W_h": recurrent_matrix(n, n, gates=3, heads=self.heads),
            "b": self.gate_biases(1.0, 0.0, 0.0, keep=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        f, g, o = (p.W_x @ x + p.W_h @ s.h + p.b).chunk(3, -1)
        f, g, o = torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        c = f * s.c + (1 - f) * g
        h = o * torch.tanh(c)
        return {"h": h, "c": c, "f": f, "g": g, "o": o}
