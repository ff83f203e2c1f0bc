"""The recurrent highway network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import HeadedCell, Parameter, bias, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class RHNCell(HeadedCell):
    """The recurrent highway network (Zilly et al. 2017, arXiv:1607.03474, equations 6–9), of depth L::

        s_0  = h<t-1>
        c_l  = tanh(W_c x<t> [l = 1] + U_cl s_{l-1} + b_cl)
        t_l  = σ(W_t x<t> [l = 1] + U_tl s_{l-1} + b_tl)    transform gate
        s_l  = t_l c_l + (1 - t_l) s_{l-1},    l = 1 … L
        h<t> = s_L

    A step is L highway layers deep, and the input comes in at the first. The carry gate is 1 - t, as in the paper's
    experiments.

    Gate order in the stacked parameters: c, t. Shapes: ``W_x [2n, k]``, ``W_h1 … W_hL [2n, n]`` (the U),
    ``b1 … bL [2n]``; state ``h [B, n]``.

    Start values: b_t is -2, as in the paper: a layer hands on 0.88 of what it gets, so that deep steps start as
    shallow ones.

    Deviations: none.

    Args:
        depth: Highway layers of a step, L; the paper's best models have 10.
    """

    depth: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.depth, bool) or not isinstance(self.depth, int) or not 1 <= self.depth <= 64:
            raise ValueError(f"RHNCell: expected depth to be an integer from 1 to 64, got {self.depth!r}")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        layers = range(1, self.depth + 1)
        return {
            "W_x": input_matrix(n, k, gates=2),
            **{f"W_h{layer}": recurrent_matrix(n, n, gates=2, heads=self.heads) for layer in layers},
            **{f"b{layer}": bias(n, 0.0, -2.0) for layer in layers},
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        h, from_input = s.h, p.W_x @ x
        for layer in range(1, self.depth + 1):
            both = getattr(p, f"W_h{layer}") @ h + getattr(p, f"b{layer}")
            c, t = (both + from_input if layer == 1 else both).chunk(2, -1)
            c, t = torch.tanh(c), torch.sigmoid(t)
            h = t * c + (1 - t) * h
        return {"h": h}
