"""The undamped oscillators that see their own past alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import Cell, Parameter, bias, check_number, input_matrix, uniform_vector


@dataclass(frozen=True)
class UnICORNNCell(Cell):
    """The undamped independent controlled oscillatory network, UnICORNN (Rusch and Mishra 2021, arXiv:2103.05487)::

        d    = Δt σ(c)                                  a step's length, unit by unit
        z<t> = z<t-1> - d (tanh(w h<t-1> + W_x x<t> + b) + α h<t-1>)
        h<t> = h<t-1> + d z<t>

    ``h`` is the paper's y, where its oscillators are; ``z`` is how fast they move. The pair of steps is symplectic:
    no energy fades by the step itself.

    Shapes: ``W_x [n, k]``, ``w [n]``, ``c [n]``, ``b [n]``; state ``h [B, n]``, ``z [B, n]``.

    Start values: w is drawn evenly from 0 to 1 and c from ±0.1, as in the authors' code.

    Deviations: W_x is Glorot-uniform, where the authors' code draws it evenly from ±√(6 / 65k); no residual connection
    over layers, which ``residual=True`` of the layer adds.

    Args:
        dt: Greatest length of a step, Δt.
        alpha: Strength of what pulls an oscillator back, α.
    """

    dt: float = 0.2
    alpha: float = 1.0

    state: ClassVar[tuple[str, ...]] = ("h", "z")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "dt", above=0)
        check_number(self, "alpha", least=0)

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k),
            "w": uniform_vector(n, 0.0, 1.0),
            "c": uniform_vector(n, -0.1, 0.1),
            "b": bias(n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        d = self.dt * torch.sigmoid(p.c)
        z = s.z - d * (torch.tanh(p.w * s.h + p.W_x @ x + p.b) + self.alpha * s.h)
        return {"h": s.h + d * z, "z": z}
