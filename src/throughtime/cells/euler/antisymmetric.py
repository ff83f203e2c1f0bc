"""The network whose matrix on the past is antisymmetric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import Cell, Parameter, bias, check_number, input_matrix


def _fill_normal(deviation: float, weight: Tensor) -> None:
    weight.normal_(0.0, deviation)


@dataclass(frozen=True)
class AntisymmetricRNNCell(Cell):
    """The AntisymmetricRNN (Chang et al. 2019, arXiv:1902.09689, equation 11)::

        h<t> = h<t-1> + ε tanh((W_h - W_hᵀ - γ I) h<t-1> + W_x x<t> + b)

    A step of length ε of a differential equation. The eigenvalues of an antisymmetric matrix are imaginary: what it
    turns neither grows nor fades, and γ makes up for what the step adds.

    Shapes: ``W_x [n, k]``, ``W_h [n, n]``, ``b [n]``; state ``h [B, n]``.

    Start values: W_h is normal with variance 1/n, as in the paper; an orthogonal start has no meaning for W - Wᵀ.

    Deviations: W_h has n² numbers, of which the paper's form keeps those above the diagonal.

    Args:
        epsilon: Length of a step, ε.
        gamma: Diffusion, γ.
    """

    epsilon: float = 0.1
    gamma: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "epsilon", above=0)
        check_number(self, "gamma", least=0)

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k),
            "W_h": Parameter((n, n), "recurrent", partial(_fill_normal, n**-0.5)),
            "b": bias(n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        turned = p.W_h @ s.h - p.W_h.T @ s.h - self.gamma * s.h
        return {"h": s.h + self.epsilon * torch.tanh(turned + p.W_x @ x + p.b)}
