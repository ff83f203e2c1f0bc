"""The network of coupled oscillators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import HeadedCell, Parameter, bias, check_number, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class CoRNNCell(HeadedCell):
    """The coupled oscillatory network, coRNN (Rusch and Mishra 2021, arXiv:2010.00951, equation 3)::

        z<t> = z<t-1> + Δt (tanh(W_h h<t-1> + W_z z<t-1> + W_x x<t> + b) - γ h<t-1> - ε z<t-1>)
        h<t> = h<t-1> + Δt z<t>

    ``h`` is the paper's y, where its oscillators are; ``z`` is how fast they move.

    Shapes: ``W_x [n, k]``, ``W_h [n, n]``, ``W_z [n, n]``, ``b [n]``; state ``h [B, n]``, ``z [B, n]``.

    Start values: both matrices on the past are orthogonal; the defaults of the options are the paper's for images of
    784 steps.

    Deviations: of the two places for the damping that the paper allows it is explicit, as in the authors' code.

    Args:
        dt: Length of a step, Δt.
        gamma: What pulls an oscillator back, γ.
        epsilon: Damping, ε.
    """

    dt: float = 0.042
    gamma: float = 2.7
    epsilon: float = 4.7

    state: ClassVar[tuple[str, ...]] = ("h", "z")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "dt", above=0)
        check_number(self, "gamma", least=0)
        check_number(self, "epsilon", least=0)

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k),
            "W_h": recurrent_matrix(n, n, heads=self.heads),
            "W_z": recurrent_matrix(n, n, heads=self.heads),
            "b": bias(n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        force = torch.tanh(p.W_h @ s.h + p.W_z @ s.z + p.W_x @ x + p.b)
        z = s.z + self.dt * (force - self.gamma * s.h - self.epsilon * s.z)
        return {"h": s.h + self.dt * z, "z": z}
