"""The recurrent additive network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class RANCell(HeadedCell, GatedCell):
    """The recurrent additive network (Lee, Levy and Zettlemoyer 2017, arXiv:1705.07393, equation 2)::

        i    = σ(W_i x<t> + U_i h<t-1> + b_i)
        f    = σ(W_f x<t> + U_f h<t-1> + b_f)
        c<t> = f c<t-1> + i (W_c x<t>)
        h<t> = tanh(c<t>)

    The memory is a weighted sum of the inputs, with nothing that is not linear between them.

    Gate order in the stacked parameters: i, f, c. Shapes: ``W_x [3n, k]``, ``W_h [2n, n]`` (the U), ``b [2n]``; state
    ``h [B, n]``, ``c [B, n]``.

    Start values: b_f is 1, as an LSTM's.

    Deviations: none.
    """

    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3),
            "W_h": recurrent_matrix(n, n, gates=2, heads=self.heads),
            "b": self.gate_biases(0.0, 1.0, keep=1, take=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        i, f, c = (p.W_x @ x).chunk(3, -1)
        past_i, past_f = (p.W_h @ s.h + p.b).chunk(2, -1)
        i, f = torch.sigmoid(i + past_i), torch.sigmoid(f + past_f)
        c = f * s.c + i * c
        return {"h": torch.tanh(c), "c": c, "i": i, "f": f}
