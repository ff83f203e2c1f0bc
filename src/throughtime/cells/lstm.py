"""The LSTM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class LSTMCell(HeadedCell, GatedCell):
    """The LSTM (Hochreiter and Schmidhuber 1997; forget gate: Gers, Schmidhuber and Cummins 2000)::

        i    = σ(W_i [h<t-1>, x<t>] + b_i)           input gate, the course's Γ_u
        f    = σ(W_f [h<t-1>, x<t>] + b_f)           forget gate Γ_f
        g    = tanh(W_g [h<t-1>, x<t>] + b_g)        candidate c~
        o    = σ(W_o [h<t-1>, x<t>] + b_o)           output gate Γ_o
        c<t> = f c<t-1> + i g
        h<t> = o tanh(c<t>)

    ``h`` is the course's ``a``. Gate order in the stacked parameters: i, f, g, o, as in ``torch.nn.LSTM``.
    Shapes: ``W_x [4n, k]``, ``W_h [4n, n]``, ``b [4n]``; state ``h [B, n]``, ``c [B, n]``.

    Start values: ``W_h`` orthogonal; the forget gate's bias is 1, so that a fresh network keeps its memory
    (σ(1) = 0.73 a step instead of 0.5) and a gradient lives long enough to teach it when to forget
    (Jozefowicz, Zaremba and Sutskever 2015).

    Deviations from ``torch.nn.LSTM``: one bias instead of two that are only ever added.
    """

    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=4),
            "W_h": recurrent_matrix(n, n, gates=4, heads=self.heads),
            "b": self.gate_biases(0.0, 1.0, 0.0, 0.0, keep=1, take=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        i, f, g, o = (p.W_x @ x + p.W_h @ s.h + p.b).chunk(4, -1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        c = f * s.c + i * g
        h = o * torch.tanh(c)
        return {"h": h, "c": c, "i": i, "f": f, "g": g, "o": o}
