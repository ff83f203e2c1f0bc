"""The real-gated linear recurrent unit of Griffin and Hawk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.cells.base import Cell, Parameter, bias, input_matrix

SHARPNESS = 8.0
"""The paper's c."""

LEAST = 1e-6
"""Below it 1 - a² is taken for this: its root has a slope of 500 there, and would have any."""


def _fill_kept(weight: Tensor) -> None:
    """Λ for which σ(Λ)^8 is drawn evenly from 0.9 to 0.999."""
    a = weight.uniform_(0.9, 0.999).pow_(1.0 / SHARPNESS)
    weight.copy_(torch.logit(a))


@dataclass(frozen=True)
class RGLRUCell(Cell):
    """The real-gated linear recurrent unit, RG-LRU (De et al. 2024, Griffin, arXiv:2402.19427, equations 1–4)::

        r    = σ(W_r x<t> + b_r)             recurrence gate, W_a in the paper
        i    = σ(W_i x<t> + b_i)             input gate
        u    = W_u x<t> + b_u
        a    = σ(Λ)^(8 r)
        h<t> = a h<t-1> + √(1 - a²) (i u)

    Both gates see the input alone. The closer a is to 1, the less comes in: a white input gives h the variance of i u.

    Gate order in the stacked parameters: r, i, u. Shapes: ``W_x [3n, k]``, ``b [3n]``, ``Λ: decay [n]``; state
    ``h [B, n]``.

    Start values: Λ is such that a, where r is 1, is drawn evenly from 0.9 to 0.999, as the paper has it.

    Deviations: the paper's x<t> is u, the output of a linear layer and a convolution over time, and its gates are
    products with it by blocks; here that layer is W_u and the gates see what it sees. 1 - a² is 1e-6 at least (the
    authors' code bounds the slope of its root instead).
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3),
            "b": bias(n, 0.0, 0.0, 0.0),
            "decay": Parameter((n,), "vector", _fill_kept),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        r, i, u = (p.W_x @ x + p.b).chunk(3, -1)
        r, i = torch.sigmoid(r), torch.sigmoid(i)
        a = torch.exp(SHARPNESS * r * F.logsigmoid(p.decay))
        h = a * s.h + torch.sqrt(torch.clamp(1 - a * a, min=LEAST)) * (i * u)
        return {"h": h, "r": r, "i": i, "a": a}
