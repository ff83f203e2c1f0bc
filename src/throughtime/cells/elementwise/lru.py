"""The linear recurrent unit: a complex diagonal, as pairs of real numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import Cell, Parameter, check_number, input_matrix


def _radii(weight: Tensor, low: float, high: float) -> Tensor:
    """|λ|² of every unit: evenly spaced from low² to high²."""
    places = (torch.arange(len(weight), dtype=weight.dtype, device=weight.device) + 0.5) / len(weight)
    return low**2 + places * (high**2 - low**2)


def _fill_nu(low: float, high: float, weight: Tensor) -> None:
    weight.copy_(torch.log(-0.5 * torch.log(_radii(weight, low, high))))


def _fill_gamma(low: float, high: float, weight: Tensor) -> None:
    weight.copy_(0.5 * torch.log(1 - _radii(weight, low, high)))


def _fill_theta(phase: float, weight: Tensor) -> None:
    weight.uniform_(1e-3, 1.0).mul_(phase).log_()


@dataclass(frozen=True)
class LRUCell(Cell):
    """The linear recurrent unit (Orvieto et al. 2023, arXiv:2303.06349, equation 4 and section 3.4)::

        λ    = exp(-exp(ν) + i exp(θ))                  i is the imaginary unit
        z<t> = λ z<t-1> + exp(γ) (B x<t>)               complex, n numbers
        h<t> = Re(C z<t>) + D x<t>

    The recurrence is linear and diagonal; what is not linear stands between layers. It is written in pairs of real
    numbers, z = re + i im, B = B_re + i B_im, C = C_re + i C_im::

        re<t> = exp(-exp ν) (cos(exp θ) re<t-1> - sin(exp θ) im<t-1>) + exp(γ) B_re x<t>
        im<t> = exp(-exp ν) (sin(exp θ) re<t-1> + cos(exp θ) im<t-1>) + exp(γ) B_im x<t>
        h<t>  = C_re re<t> - C_im im<t> + D x<t>

    Shapes: ``ν: nu [n]``, ``θ: theta [n]``, ``γ: gamma [n]``, ``B_re [n, k]``, ``B_im [n, k]``, ``C_re [n, n]``,
    ``C_im [n, n]``, ``D [n, k]``; state ``h [B, n]``, which the step does not read, ``re [B, n]``, ``im [B, n]``.

    Start values: |λ|² is spread evenly from ``fastest``² to ``slowest``² and the phase drawn evenly up to ``phase``,
    so that λ lies in a ring of the unit disc; exp(γ) = √(1 - |λ|²), which gives every unit's state the same variance.

    Deviations: |λ| is spaced evenly over the units instead of drawn, so that γ can start from it; B and C are
    Glorot-uniform instead of normal; D is a matrix, since k need not be n, where the paper has a number a feature.

    Args:
        slowest: Greatest |λ| at the start, less than 1; a state fades to 1/e in -1 / ln |λ| steps.
        fastest: Least |λ| at the start.
        phase: Greatest phase of λ at the start, in radians a step; the paper lessens it for long sequences.
    """

    slowest: float = 0.999
    fastest: float = 0.5
    phase: float = math.tau

    state: ClassVar[tuple[str, ...]] = ("h", "re", "im")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("slowest", "fastest", "phase"):
            check_number(self, name, least=0)
        if not self.fastest < self.slowest < 1:
            raise ValueError(
                f"LRUCell: expected fastest < slowest < 1, got fastest={self.fastest!r} and slowest={self.slowest!r}"
            )
        if not 0 < self.phase <= math.tau:
            raise ValueError(f"LRUCell: expected phase to be more than 0 and at most 2π, got {self.phase!r}")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        ring = (self.fastest, self.slowest)
        return {
            "nu": Parameter((n,), "vector", partial(_fill_nu, *ring)),
            "theta": Parameter((n,), "vector", partial(_fill_theta, self.phase)),
            "gamma": Parameter((n,), "vector", partial(_fill_gamma, *ring)),
            "B_re": input_matrix(n, k),
            "B_im": input_matrix(n, k),
            "C_re": input_matrix(n, n),
            "C_im": input_matrix(n, n),
            "D": input_matrix(n, k),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        size, angle, scale = torch.exp(-torch.exp(p.nu)), torch.exp(p.theta), torch.exp(p.gamma)
        right, up = size * torch.cos(angle), size * torch.sin(angle)
        re = right * s.re - up * s.im + scale * (p.B_re @ x)
        im = up * s.re + right * s.im + scale * (p.B_im @ x)
        h = p.C_re @ re - p.C_im @ im + p.D @ x
        return {"h": h, "re": re, "im": im}
