"""The GRU whose gate and candidate see the input alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, Parameter, input_matrix


@dataclass(frozen=True)
class MinGRUCell(GatedCell):
    """The minGRU (Feng et al. 2024, arXiv:2410.01201, section 3.1)::

        z    = σ(W_z x<t> + b_z)             take gate
        c~   = W_c x<t> + b_c                candidate, h~ in the paper
        h<t> = (1 - z) h<t-1> + z c~

    Nothing but h<t> itself depends on h<t-1>, and that by a factor a unit: the products are known for all steps at
    once.

    Gate order in the stacked parameters: z, c. Shapes: ``W_x [2n, k]``, ``b [2n]``; state ``h [B, n]``.

    Start values: b is 0, so that half of the memory stays; ``memory`` sets how long it is kept.

    Deviations: none. The paper's algorithm in log space (its appendix B) has ``candidate="positive"``.

    Args:
        candidate: ``"linear"``, or ``"positive"``: g(c~), with g(v) = v + 0.5 where v ≥ 0 and σ(v) elsewhere, so that
            it has a logarithm.
    """

    candidate: str = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.candidate not in ("linear", "positive"):
            raise ValueError(f'MinGRUCell: expected candidate "linear" or "positive", got {self.candidate!r}')

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {"W_x": input_matrix(n, k, gates=2), "b": self.gate_biases(0.0, 0.0, take=0)}

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        z, c = (p.W_x @ x + p.b).chunk(2, -1)
        z = torch.sigmoid(z)
        c = positive(c) if self.candidate == "positive" else c
        h = (1 - z) * s.h + z * c
        return {"h": h, "z": z, "c": c}


def positive(v: Tensor) -> Tensor:
    """The paper's g: greater than 0, steady, and a line where v is greater than 0."""
    return torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
