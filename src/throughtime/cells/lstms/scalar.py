"""The LSTM of exponential gates with a scalar memory, of xLSTM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class SLSTMCell(HeadedCell, GatedCell):
    """The sLSTM of xLSTM (Beck et al. 2024, arXiv:2405.04517, equations 8–17)::

        i~, f~, z~, o~ = W_x x<t> + W_h h<t-1> + b
        m<t> = max(ln σ(f~) + m<t-1>, i~)               stabiliser; i~ where n<t-1> is 0
        i    = exp(i~ - m<t>)
        f    = exp(ln σ(f~) + m<t-1> - m<t>)
        c<t> = f c<t-1> + i tanh(z~)
        n<t> = f n<t-1> + i                             normaliser, at least 1
        h<t> = σ(o~) c<t> / n<t>

    The input gate is an exponential, so that an input can outweigh all earlier ones; the normaliser keeps h within
    ±1. The stabiliser takes a common factor out of c and n and changes nothing else. ``heads`` are the paper's,
    blocks on the diagonal of W_h.

    Gate order in the stacked parameters: i, f, z, o. Shapes: ``W_x [4n, k]``, ``W_h [4n, n]``, ``b [4n]``; state
    ``h [B, n]``, ``c [B, n]``, ``n [B, n]``, ``m [B, n]``.

    Start values: b_f is 1, as an LSTM's (the authors' code spreads it over units and layers); ``memory`` sets how
    long it keeps.

    Deviations: the forget gate is the sigmoid of the two that the paper allows, as in its code. Of the two gates one
    is 1, so that n<t> is never less than 1 from states that the step made; for other states it is held there, as in
    the authors' FlashRNN. c and n have a meaning together with m alone: give zoneout to h (``--zoneout h=0.1``).
    """

    state: ClassVar[tuple[str, ...]] = ("h", "c", "n", "m")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=4),
            "W_h": recurrent_matrix(n, n, gates=4, heads=self.heads),
            "b": self.gate_biases(0.0, 1.0, 0.0, 0.0, keep=1, take=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        i, f, z, o = (p.W_x @ x + p.W_h @ s.h + p.b).chunk(4, -1)
        kept = F.logsigmoid(f) + s.m
        m = torch.where(s.n == 0, i, torch.maximum(kept, i))
        # there is nothing to keep where n is 0, and no exponential to overflow
        i, f, o = torch.exp(i - m), torch.exp(torch.clamp(kept - m, max=0.0)), torch.sigmoid(o)
        z = torch.tanh(z)
        c = f * s.c + i * z
        n = torch.clamp(f * s.n + i, min=1.0)
        h = o * c / n
        return {"h": h, "c": c, "n": n, "m": m, "i": i, "f": f, "z": z, "o": o}
