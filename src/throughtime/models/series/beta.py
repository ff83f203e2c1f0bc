"""The incomplete beta function, which the distributions of Student and of Pascal are made of; no gradient flows."""

from __future__ import annotations

import torch
from torch import Tensor

TERMS = 200
"""Of the continued fraction at most."""

TINY = 1e-300
"""In the place of a zero that would be divided by."""


def beta_share(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The regularised incomplete beta function ``I_x(a, b)``, by Lentz's continued fraction (Press et al., 6.4).

    Args:
        x: From 0 to 1; broadcast with a and b.
        a: Above 0.
        b: Above 0.

    Example:
        >>> beta_share(torch.tensor([0.0, 0.5, 1.0]), torch.tensor(2.0), torch.tensor(2.0)).round(decimals=9)
        tensor([0.0000, 0.5000, 1.0000], dtype=torch.float64)
    """
    x, a, b = (each.detach().double() for each in (x, a, b))
    x, a, b = x + 0 * (a + b), a + 0 * (x + b), b + 0 * (x + a)
    turned = x > (a + 1) / (a + b + 2)
    at, first, second = torch.where(turned, 1 - x, x), torch.where(turned, b, a), torch.where(turned, a, b)
    inside = at.clamp(TINY, 1.0)
    log = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
    log = log + first * inside.log() + second * torch.log1p(-at.clamp(max=1 - 1e-16))
    share = torch.where(at > 0, log.exp() * _fraction(at, first, second) / first, 0.0)
    return torch.where(turned, 1 - share, share)


def _fraction(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The continued fraction, which converges fast where x is below its mean."""
    c = torch.ones_like(x)
    d = 1 / _apart(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, TERMS + 1):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _apart(1 + term * d)
            c = _apart(1 + term / c)
            step = c * d
            found = found * step
        if bool(((step - 1).abs() < 1e-14).all()):
            break
    return found


def _apart(value: Tensor) -> Tensor:
    return torch.where(value.abs() < TINY, TINY, value)
