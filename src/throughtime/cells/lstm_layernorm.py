"""The LSTM with layer normalisation inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, bias, input_matrix, recurrent_matrix, vector


@dataclass(frozen=True)
class LayerNormLSTMCell(HeadedCell, GatedCell):
    """The layer-normalised LSTM (Ba, Kiros and Hinton 2016, arXiv:1607.06450, equations 20–22)::

        i, f, g, o = LN(W_x x<t>; α_x) + LN(W_h h<t-1>; α_h) + b,   then σ, σ, tanh, σ
        c<t> = f c<t-1> + i g
        h<t> = o tanh(LN(c<t>; α_c, β_c))

    ``LN(z; α, β)`` is z less its mean, over its standard deviation (ε = 1e-5), times α, plus β. It is taken
    over the four gates together, as the paper has it, not gate by gate.

    Gate order in the stacked parameters: i, f, g, o. Shapes: ``W_x [4n, k]``, ``W_h [4n, n]``, ``b [4n]``,
    ``α_x: gain_x [4n]``, ``α_h: gain_h [4n]``, ``α_c: gain_c [n]``, ``β_c: b_c [n]``; state ``h [B, n]``,
    ``c [B, n]``.

    Deviations: the two shifts β_x and β_h are left out, since b stands beside them. Start values as in
    :class:`~throughtime.cells.LSTMCell`, gains 1.
    """

    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=4),
            "W_h": recurrent_matrix(n, n, gates=4, heads=self.heads),
            "b": self.gate_biases(0.0, 1.0, 0.0, 0.0, keep=1, take=0),
            "gain_x": vector(4 * n, 1.0),
            "gain_h": vector(4 * n, 1.0),
            "gain_c": vector(n, 1.0),
            "b_c": bias(n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        n = self.hidden_size
        gates = F.layer_norm(p.W_x @ x, (4 * n,), p.gain_x) + F.layer_norm(p.W_h @ s.h, (4 * n,), p.gain_h) + p.b
        i, f, g, o = gates.chunk(4, -1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        c = f * s.c + i * g
        h = o * torch.tanh(F.layer_norm(c, (n,), p.gain_c, p.b_c))
        return {"h": h, "c": c, "i": i, "f": f, "g": g, "o": o}
