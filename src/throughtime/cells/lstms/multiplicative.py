"""The LSTM whose gates see a product of input and state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class MultiplicativeLSTMCell(HeadedCell, GatedCell):
    """The multiplicative LSTM (Krause et al. 2016, arXiv:1609.07959)::

        m    = (W_m x<t>) (U_m h<t-1>)                  unit by unit
        i, f, g, o as in the LSTM, of [m, x<t>]
        c<t> = f c<t-1> + i g
        h<t> = o tanh(c<t>)

    Each input has, in effect, a matrix on the past of its own, diag(W_m x) between two others. Not the matrix memory
    of xLSTM, which goes by the same short name.

    Gate order in the stacked parameters: i, f, g, o, and m after them in W_x. Shapes: ``W_x [5n, k]``, ``W_m [n, n]``
    (U_m), ``W_h [4n, n]`` (on m), ``b [4n]``; state ``h [B, n]``, ``c [B, n]``.

    Deviations: none; W_m x and U_m h have no biases, as in the code of Radford et al. (2017). Start values as in
    :class:`~throughtime.cells.LSTMCell`.
    """

    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=5),
            "W_m": recurrent_matrix(n, n, heads=self.heads),
            "W_h": recurrent_matrix(n, n, gates=4, heads=self.heads),
            "b": self.gate_biases(0.0, 1.0, 0.0, 0.0, keep=1, take=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        i, f, g, o, m = (p.W_x @ x).chunk(5, -1)
        m = m * (p.W_m @ s.h)
        past_i, past_f, past_g, past_o = (p.W_h @ m + p.b).chunk(4, -1)
        i, f, o = torch.sigmoid(i + past_i), torch.sigmoid(f + past_f), torch.sigmoid(o + past_o)
        g = torch.tanh(g + past_g)
        c = f * s.c + i * g
        h = o * torch.tanh(c)
        return {"h": h, "c": c, "m": m, "i": i, "f": f, "g": g, "o": o}
