"""The LSTM that has a forget gate alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, check_number, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class JANETCell(HeadedCell, GatedCell):
    """JANET, just another network (van der Westhuizen and Lasenby 2018, arXiv:1804.04849, equation 5)::

        s    = W_f x<t> + U_f h<t-1> + b_f
        c~   = tanh(W_c x<t> + U_c h<t-1> + b_c)
        h<t> = σ(s) h<t-1> + (1 - σ(s - β)) c~

    An LSTM without input and output gate, whose memory is its output. β lets a little more in than is forgotten.

    Gate order in the stacked parameters: f, c. Shapes: ``W_x [2n, k]``, ``W_h [2n, n]`` (the U), ``b [2n]``; state
    ``h [B, n]``.

    Start values: b_f is 1, as an LSTM's; the paper takes chrono initialisation, which is ``memory``.

    Deviations: none.

    Args:
        beta: β; 1 in the paper.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "beta")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=2),
            "W_h": recurrent_matrix(n, n, gates=2, heads=self.heads),
            "b": self.gate_biases(1.0, 0.0, keep=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        f, c = (p.W_x @ x + p.W_h @ s.h + p.b).chunk(2, -1)
        c = torch.tanh(c)
        i = 1 - torch.sigmoid(f - self.beta)
        f = torch.sigmoid(f)
        h = f * s.h + i * c
        return {"h": h, "f": f, "i": i, "c": c}
