"""The LSTM whose gates see its memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix, vector


@dataclass(frozen=True)
class PeepholeLSTMCell(HeadedCell, GatedCell):
    """The LSTM with peepholes (Gers and Schmidhuber 2000; Graves 2013, arXiv:1308.0850)::

        i    = σ(W_i [h<t-1>, x<t>] + p_i c<t-1> + b_i)
        f    = σ(W_f [h<t-1>, x<t>] + p_f c<t-1> + b_f)
        g    = tanh(W_g [h<t-1>, x<t>] + b_g)
        c<t> = f c<t-1> + i g
        o    = σ(W_o [h<t-1>, x<t>] + p_o c<t> + b_o)
        h<t> = o tanh(c<t>)

    Peepholes are diagonal: a vector a gate, each unit sees its own memory; input and forget gate see the
    old memory, the output gate the new one.

    Gate order in the stacked parameters: i, f, g, o; in the peepholes i, f and o. Shapes: ``W_x [4n, k]``,
    ``W_h [4n, n]``, ``b [4n]``, ``p_i [n]``, ``p_f [n]``, ``p_o [n]``; state ``h [B, n]``, ``c [B, n]``.

    Start values as in :class:`~throughtime.cells.LSTMCell`; the peepholes start at zero, so that training
    begins as a plain LSTM.
    """

    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=4),
            "W_h": recurrent_matrix(n, n, gates=4, heads=self.heads),
            "b": self.gate_biases(0.0, 1.0, 0.0, 0.0, keep=1, take=0),
            "p_i": vector(n),
            "p_f": vector(n),
            "p_o": vector(n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        i, f, g, o = (p.W_x @ x + p.W_h @ s.h + p.b).chunk(4, -1)
        i = torch.sigmoid(i + p.p_i * s.c)
        f = torch.sigmoid(f + p.p_f * s.c)
        g = torch.tanh(g)
        c = f * s.c + i * g
        o = torch.sigmoid(o + p.p_o * c)
        h = o * torch.tanh(c)
        return {"h": h, "c": c, "i": i, "f": f, "g": g, "o": o}
