"""The plain recurrent network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import HeadedCell, Parameter, bias, check_number, input_matrix, recurrent_matrix


def _fill_identity(heads: int, weight: Tensor) -> None:
    for block in weight.chunk(heads):
        torch.nn.init.eye_(block)


def _fill_scaled(fill: Callable[[Tensor], object], gain: float, weight: Tensor) -> None:
    fill(weight)
    weight.mul_(gain)


@dataclass(frozen=True)
class RNNCell(HeadedCell):
    """The plain RNN (Elman 1990)::

        h<t> = g(W_x x<t> + W_h h<t-1> + b),    g = tanh or relu

    ``h`` is the course's ``a``, ``W_x`` its ``W_ax``, ``W_h`` its ``W_aa``.

    Shapes: ``W_x [n, k]``, ``W_h [n, n]``, ``b [n]``; state ``h [B, n]``.

    Start values: ``W_h`` orthogonal; with ``relu`` it is the identity, without which the relu network of
    Le, Jaitly and Hinton (2015) explodes or dies.

    Deviations from ``torch.nn.RNN``: one bias instead of two that are only ever added.

    Args:
        nonlinearity: ``"tanh"`` or ``"relu"``.
        gain: Factor on the start value of ``W_h``: above 1 gradients explode, below 1 they vanish.
    """

    nonlinearity: str = "tanh"
    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f'RNNCell: expected nonlinearity "tanh" or "relu", got {self.nonlinearity!r}')
        check_number(self, "gain", least=0)

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        W_h = recurrent_matrix(n, n, heads=self.heads)
        fill = partial(_fill_identity, self.heads) if self.nonlinearity == "relu" else W_h.fill
        W_h = replace(W_h, fill=partial(_fill_scaled, fill, self.gain))
        return {"W_x": input_matrix(n, k), "W_h": W_h, "b": bias(n)}

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        g = torch.tanh if self.nonlinearity == "tanh" else torch.relu
        return {"h": g(p.W_x @ x + p.W_h @ s.h + p.b)}
