"""The LSTM whose gates and candidate see the input alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.cells.base import GatedCell, Parameter, input_matrix
from throughtime.cells.elementwise.mingru import positive


@dataclass(frozen=True)
class MinLSTMCell(GatedCell):
    """The minLSTM (Feng et al. 2024, arXiv:2410.01201, section 3.2)::

        f    = σ(W_f x<t> + b_f)
        i    = σ(W_i x<t> + b_i)
        c~   = W_c x<t> + b_c                           candidate, h~ in the paper
        h<t> = f / (f + i) h<t-1> + i / (f + i) c~

    The two gates share out 1, so that the state's scale does not depend on time; there is no memory beside the output.

    Gate order in the stacked parameters: f, i, c. Shapes: ``W_x [3n, k]``, ``b [3n]``; state ``h [B, n]``.

    Start values: b_f is 1, as an LSTM's, the others 0: σ(1) / (σ(1) + σ(0)) = 0.59 of the state stays.

    Deviations: none in value. f / (f + i) is written σ(ln f - ln i), which is the same and no 0 / 0 where both gates
    are closed. The paper's algorithm in log space (its appendix B) has ``candidate="positive"``.

    Args:
        candidate: ``"linear"``, or ``"positive"``: g(c~), with g(v) = v + 0.5 where v ≥ 0 and σ(v) elsewhere, so that
            it has a logarithm.
    """

    candidate: str = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.candidate not in ("linear", "positive"):
            raise ValueError(f'MinLSTMCell: expected candidate "linear" or "positive", got {self.candidate!r}')

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {"W_x": input_matrix(n, k, gates=3), "b": self.gate_biases(1.0, 0.0, 0.0, keep=0, take=1)}

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        f, i, c = (p.W_x @ x + p.b).chunk(3, -1)
        c = positive(c) if self.candidate == "positive" else c
        share = torch.sigmoid(F.logsigmoid(f) - F.logsigmoid(i))
        h = share * s.h + (1 - share) * c
        return {"h": h, "f": share, "c": c}
