"""The long expressive memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import HeadedCell, Parameter, bias, check_number, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class LEMCell(HeadedCell):
    """The long expressive memory, LEM (Rusch et al. 2022, arXiv:2110.04744, equation 3)::

        d    = Δt σ(W_d x<t> + U_d h<t-1> + b_d)        a step's length for z
        e    = Δt σ(W_e x<t> + U_e h<t-1> + b_e)        a step's length for h
        z<t> = (1 - d) z<t-1> + d tanh(W_z x<t> + U_z h<t-1> + b_z)
        h<t> = (1 - e) h<t-1> + e tanh(W_y x<t> + U_y z<t> + b_y)

    ``h`` is the paper's y. Two states on time scales of their own, which are learnt unit by unit.

    Gate order in the stacked parameters: d, e, z, y. Shapes: ``W_x [4n, k]``, ``W_h [3n, n]`` (U_d, U_e, U_z),
    ``W_z [n, n]`` (U_y), ``b [4n]``; state ``h [B, n]``, ``z [B, n]``.

    Start values: biases are 0, so that a step goes half of Δt.

    Deviations: matrices on the past are orthogonal, where the authors' code draws all from ±1/√n.

    Args:
        dt: Greatest length of a step, Δt; at most 1 keeps the states within ±1.
    """

    dt: float = 1.0

    state: ClassVar[tuple[str, ...]] = ("h", "z")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "dt", above=0)

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=4),
            "W_h": recurrent_matrix(n, n, gates=3, heads=self.heads),
            "W_z": recurrent_matrix(n, n, heads=self.heads),
            "b": bias(n, 0.0, 0.0, 0.0, 0.0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        d, e, z, y = (p.W_x @ x + p.b).chunk(4, -1)
        past_d, past_e, past_z = (p.W_h @ s.h).chunk(3, -1)
        d, e = self.dt * torch.sigmoid(d + past_d), self.dt * torch.sigmoid(e + past_e)
        z = (1 - d) * s.z + d * torch.tanh(z + past_z)
        h = (1 - e) * s.h + e * torch.tanh(y + p.W_z @ z)
        return {"h": h, "z": z, "d": d, "e": e}
