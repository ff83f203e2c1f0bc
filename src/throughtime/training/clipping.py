"""Clipping of gradients, and how often it was needed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from throughtime.layers import named_cells


def layer_norms(model: nn.Module) -> dict[str, float]:
    """The norm of the gradient of every recurrent layer and direction, by name; see ``named_cells``."""
    norms = {}
    for cell in named_cells(model):
        gradients = [p.grad for p in cell.directed.parameters() if p.grad is not None]
        norms[cell.name] = float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0
    return norms


class Clipper:
    """Bounds gradients before a step of the optimiser (Pascanu, Mikolov and Bengio 2013).

    Args:
        norm: The norm of all gradients together is scaled down to this; None: not bounded.
        value: Every component is cut to ±value, after the norm; None: not bounded.

    Attributes:
        steps: Steps seen.
        clipped: Steps at which something was changed.

    Example:
        >>> weight = nn.Parameter(torch.zeros(2))
        >>> weight.grad = torch.tensor([3.0, 4.0])
        >>> clipper = Clipper(norm=1.0)
        >>> clipper([weight]), weight.grad, clipper.share
        (5.0, tensor([0.6000, 0.8000]), 1.0)
    """

    def __init__(self, norm: float | None = None, value: float | None = None) -> None:
        self.norm, self.value = norm, value
        self.steps = self.clipped = 0

    @property
    def share(self) -> float:
        """Share of the steps that were clipped."""
        return self.clipped / self.steps if self.steps else 0.0

    def __call__(self, parameters: Iterable[nn.Parameter]) -> float:
        """Clips in place; returns the norm before. Gradients of infinite norm are left as they are."""
        gradients: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        if not math.isfinite(norm):
            return norm
        changed = False
        scale = 1.0
        if self.norm is not None and norm > self.norm:
            scale, changed = self.norm / norm, True
            torch._foreach_mul_(gradients, scale)
        if self.value is not None and any(float(g.abs().max()) > self.value for g in gradients if g.numel()):
            changed = True
            for gradient in gradients:
                gradient.clamp_(-self.value, self.value)
        self.steps += 1
        self.clipped += changed
        return norm
