"""The recurrent network whose units see their own past alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import Cell, Parameter, bias, input_matrix, uniform_vector


@dataclass(frozen=True)
class IndRNNCell(Cell):
    """The independently recurrent network (Li et al. 2018, arXiv:1803.04831)::

        h<t> = g(W_x x<t> + u h<t-1> + b),    g = relu or tanh

    Units meet in the layer above: each has one recurrent weight, whose power bounds how long it remembers.

    Shapes: ``W_x [n, k]``, ``u [n]``, ``b [n]``; state ``h [B, n]``.

    Start values: u is drawn evenly from 0 to 1, so that units remember for one step up to any number of them.

    Deviations: u is not held below 2^(1/T) in training, which the paper does for sequences of T steps; no batch norm.

    Args:
        nonlinearity: ``"relu"`` or ``"tanh"``.
    """

    nonlinearity: str = "relu"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f'IndRNNCell: expected nonlinearity "relu" or "tanh", got {self.nonlinearity!r}')

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {"W_x": input_matrix(n, k), "u": uniform_vector(n, 0.0, 1.0), "b": bias(n)}

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        g = torch.tanh if self.nonlinearity == "tanh" else torch.relu
        return {"h": g(p.W_x @ x + p.u * s.h + p.b)}
