"""What a network says of a number that it does not know: a density, made of the raw numbers of a linear layer.

Each kind takes raw numbers ``[…, P]`` to a density of ``[…]`` numbers, whatever the raw numbers are, and knows its
losses, its quantiles and how to draw from it. ``around`` moves a density: its location is what is known already, and
the network tells how far it is off.

Shapes::

    …  as many dimensions as there are        P  raw numbers of a density        Q  levels
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.errors import listed
from throughtime.models.series.beta import beta_share

DensityName = Literal["quantiles", "student-t", "normal", "negative-binomial"]

LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
"""Of the quantiles that are learnt, where nobody says which."""

LEAST = 1e-4
"""The least scale of a density: a number that is known for sure would have an infinite one."""

FREEDOM = 2.0
"""Degrees of freedom that Student's t has at least, so that it has a mean."""

HALVINGS = 60
"""Of the interval in which a quantile is sought."""


class Density(ABC):
    """A distribution of each of ``[…]`` numbers."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {' × '.join(map(str, self.median().shape)) or 'one number'}>"

    @abstractmethod
    def losses(self, values: Tensor) -> Tensor:
        """The loss of each number that came: nats; of quantiles twice the mean pinball loss over the levels.

        Args:
            values: ``[…]``; one that is NaN has no loss and no gradient.
        """

    @abstractmethod
    def cdf(self, values: Tensor) -> Tensor:
        """The probability of at most each of these, ``[…]``; no gradient flows."""

    @abstractmethod
    def quantile(self, levels: Sequence[float] | Tensor) -> Tensor:
        """The numbers that are exceeded with probability 1 - level.

        Args:
            levels: Q of them between 0 and 1; or ``[…, Q]``, for each number its own.

        Returns:
            ``[…, Q]``, never falling where the levels rise.
        """

    def median(self) -> Tensor:
        """``[…]``; of quantiles with its gradient."""
        return self.quantile([0.5])[..., 0]

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws of every number, ``[…, count]``, each by itself; no gradient flows."""
        shape = (*self.median().shape, count)
        levels = torch.rand(shape, generator=generator, dtype=torch.float64).clamp(1e-9, 1 - 1e-9)
        return self.quantile(onto(levels, self.median().device))


class Quantiles(Density):
    """The quantiles at some levels, which the pinball loss teaches; between them lines, beyond them exponential tails.

    The median is a raw number itself; each further quantile is the one nearer to the median and a step that cannot be
    negative, so that they never cross (Park et al. 2022).

    Args:
        values: ``[…, Q]``, rising.
        levels: Q of them, rising.
    """

    def __init__(self, values: Tensor, levels: Sequence[float]) -> None:
        self.values = values
        self.levels = torch.tensor(levels, dtype=torch.float64, device=values.device)

    @classmethod
    def of(cls, raw: Tensor, around: Tensor, levels: Sequence[float]) -> Quantiles:
        """Of ``[…, Q]`` raw numbers."""
        middle = levels.index(0.5)
        steps = F.softplus(raw - 1)
        up = steps[..., middle + 1 :].cumsum(-1)
        down = steps[..., :middle].flip(-1).cumsum(-1).flip(-1)
        median = (around + raw[..., middle]).unsqueeze(-1)
        return cls(torch.cat([median - down, median, median + up], -1), levels)

    def losses(self, values: Tensor) -> Tensor:
        """Twice the pinball loss, a mean over the levels; of the median alone it is the absolute error."""
        known = ~values.isnan()
        errors = torch.where(known, values, 0.0).unsqueeze(-1) - self.values
        levels = self.levels.to(errors.dtype)
        found = 2 * torch.maximum(levels * errors, (levels - 1) * errors).mean(-1)
        return torch.where(known, found, 0.0)

    @torch.no_grad()
    def cdf(self, values: Tensor) -> Tensor:
        """Between quantiles by lines, beyond them by exponential tails."""
        known, levels, at = self.values.double(), self.levels, values.double()
        place = (at.unsqueeze(-1) >= known).sum(-1)
        left, right = (place - 1).clamp(0, len(levels) - 2), place.clamp(1, len(levels) - 1)
        low, high = known.gather(-1, left.unsqueeze(-1))[..., 0], known.gather(-1, right.unsqueeze(-1))[..., 0]
        share = ((at - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
        inside = levels[left] + share * (levels[right] - levels[left])
        first, last = self._tails()
        below = levels[0] * torch.exp(-(known[..., 0] - at).clamp(min=0) / first)
        above = 1 - (1 - levels[-1]) * torch.exp(-(at - known[..., -1]).clamp(min=0) / last)
        return torch.where(place == 0, below, torch.where(place == len(levels), above, inside)).to(values.dtype)

    def quantile(self, levels: Sequence[float] | Tensor) -> Tensor:
        """By the same lines and tails; those that were learnt are exact."""
        known, own = self.values, self.levels
        asked = torch.as_tensor(levels, dtype=torch.float64, device=known.device)
        asked = asked.expand(*known.shape[:-1], asked.shape[-1]).contiguous()
        place = torch.searchsorted(own, asked, right=True)
        left, right = (place - 1).clamp(0, len(own) - 2), place.clamp(1, len(own) - 1)
        share = ((asked - own[left]) / (own[right] - own[left])).clamp(0, 1).to(known.dtype)
        low, high = known.gather(-1, left), known.gather(-1, right)
        inside = low + share * (high - low)
        first, last = (tail.unsqueeze(-1) for tail in self._tails())
        below = known[..., :1] + first * (asked / own[0]).clamp(max=1).log()
        above = known[..., -1:] - last * ((1 - asked) / (1 - own[-1])).clamp(max=1).log()
        return torch.where(asked < own[0], below, torch.where(asked > own[-1], above, inside)).to(known.dtype)

    def median(self) -> Tensor:
        """As it was learnt."""
        return self.quantile([0.5])[..., 0]

    def _tails(self) -> tuple[Tensor, Tensor]:
        """The means of both exponential tails, by which the density goes on evenly behind the last two quantiles."""
        levels = self.levels
        gaps = self.values.detach().double().diff(dim=-1).clamp(min=1e-12)
        first = gaps[..., 0] * levels[0] / (levels[1] - levels[0])
        last = gaps[..., -1] * (1 - levels[-1]) / (levels[-1] - levels[-2])
        return first, last


class Normal(Density):
    """Gauss's: ``exp(-((y - loc) / scale)² / 2) / (scale √2π)``."""

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale

    @classmethod
    def of(cls, raw: Tensor, around: Tensor, levels: Sequence[float]) -> Normal:
        """Of 2 raw numbers: location, scale."""
        return cls(around + raw[..., 0], F.softplus(raw[..., 1]) + LEAST)

    def losses(self, values: Tensor) -> Tensor:
        """The negative logarithm of the density."""
        known, z = _standard(values, self.loc, self.scale)
        return torch.where(known, z.square() / 2 + self.scale.log() + math.log(2 * math.pi) / 2, 0.0)

    @torch.no_grad()
    def cdf(self, values: Tensor) -> Tensor:
        """By the error function."""
        found: Tensor = torch.special.ndtr((values - self.loc) / self.scale)
        return found

    def quantile(self, levels: Sequence[float] | Tensor) -> Tensor:
        """By its inverse."""
        asked = torch.as_tensor(levels, dtype=self.loc.dtype, device=self.loc.device)
        found: Tensor = self.loc.unsqueeze(-1) + self.scale.unsqueeze(-1) * torch.special.ndtri(asked)
        return found

    def median(self) -> Tensor:
        """The location."""
        return self.loc


class StudentT(Density):
    """Student's, with heavy tails: ``∝ (1 + ((y - loc) / scale)² / ν)^(-(ν + 1) / 2)``."""

    def __init__(self, loc: Tensor, scale: Tensor, freedom: Tensor) -> None:
        self.loc, self.scale, self.freedom = loc, scale, freedom

    @classmethod
    def of(cls, raw: Tensor, around: Tensor, levels: Sequence[float]) -> StudentT:
        """Of 3 raw numbers: location, scale, degrees of freedom."""
        freedom = FREEDOM + F.softplus(raw[..., 2]) + LEAST
        return cls(around + raw[..., 0], F.softplus(raw[..., 1]) + LEAST, freedom)

    def losses(self, values: Tensor) -> Tensor:
        """The negative logarithm of the density."""
        known, z = _standard(values, self.loc, self.scale)
        half = self.freedom / 2
        front = torch.lgamma(half) - torch.lgamma(half + 0.5) + 0.5 * (math.pi * self.freedom).log()
        found = front + self.scale.log() + (half + 0.5) * torch.log1p(z.square() / self.freedom)
        return torch.where(known, found, 0.0)

    @torch.no_grad()
    def cdf(self, values: Tensor) -> Tensor:
        """By the incomplete beta function."""
        z = ((values - self.loc) / self.scale).double()
        freedom = self.freedom.double()
        tail = beta_share(freedom / (freedom + z.square()), freedom / 2, torch.full_like(freedom, 0.5)) / 2
        return torch.where(z > 0, 1 - tail, tail).to(values.dtype)

    @torch.no_grad()
    def quantile(self, levels: Sequence[float] | Tensor) -> Tensor:
        """By Newton's steps within what halving would leave."""
        loc, scale, freedom = (each.unsqueeze(-1).double() for each in (self.loc, self.scale, self.freedom))
        asked = torch.as_tensor(levels, dtype=torch.float64, device=loc.device)
        asked, freedom = asked + 0 * freedom, freedom + 0 * asked
        middling = asked == 0.5  # which is known
        tail = torch.where(middling, 0.25, torch.minimum(asked, 1 - asked))
        low, high, half = torch.zeros_like(asked), torch.ones_like(asked), torch.full_like(asked, 0.5)
        front = torch.lgamma(freedom / 2 + half) - torch.lgamma(freedom / 2) - math.lgamma(0.5)
        share = half
        for _ in range(HALVINGS):  # of ν / (ν + z²), which rises with the tail from 0 to 1
            over = beta_share(share, freedom / 2, half) / 2 - tail
            low, high = torch.where(over < 0, share, low), torch.where(over < 0, high, share)
            slope = (front + (freedom / 2 - 1) * share.log() - torch.log1p(-share) / 2).exp() / 2
            newton, before = share - over / slope, share
            share = torch.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
            if bool(((share - before).abs() <= 1e-10 * torch.minimum(share, 1 - share)).all()):
                break
        z = (freedom * (1 / share.clamp(min=1e-300) - 1).clamp(min=0)).sqrt()
        return (loc + scale * torch.where(middling, 0.0, torch.where(asked < 0.5, -z, z))).to(self.loc.dtype)

    def median(self) -> Tensor:
        """The location."""
        return self.loc


class NegativeBinomial(Density):
    """Counts whose variance is above their mean: ``Γ(y + r) / (y! Γ(r)) (1 - p)^r p^y`` with mean ``r p / (1 - p)``."""

    def __init__(self, mean: Tensor, shape: Tensor) -> None:
        self.mean, self.shape = mean, shape

    @classmethod
    def of(cls, raw: Tensor, around: Tensor, levels: Sequence[float]) -> NegativeBinomial:
        """Of 2 raw numbers: the mean is as many times what is known as the first says; and the dispersion 1 / r."""
        mean = (around.clamp(min=LEAST) * raw[..., 0].clamp(-8, 8).exp()).clamp(min=LEAST)
        return cls(mean, 1 / (F.softplus(raw[..., 1]) + LEAST))

    def losses(self, values: Tensor) -> Tensor:
        """The negative logarithm of the probability; of a number below 0 that of 0."""
        known = ~values.isnan()
        y, r = torch.where(known, values, 0.0).clamp(min=0), self.shape
        found = torch.lgamma(r) + torch.lgamma(y + 1) - torch.lgamma(y + r)
        found = found + r * torch.log1p(self.mean / r) + y * (torch.log1p(r / self.mean))
        return torch.where(known, found, 0.0)

    @torch.no_grad()
    def cdf(self, values: Tensor) -> Tensor:
        """By the incomplete beta function."""
        r, mean = self.shape.double(), self.mean.double()
        count = values.double().floor()
        found = beta_share(r / (r + mean), r, count.clamp(min=0) + 1)
        return torch.where(count < 0, 0.0, found).to(values.dtype)

    @torch.no_grad()
    def quantile(self, levels: Sequence[float] | Tensor) -> Tensor:
        """The least count whose CDF reaches the level."""
        r, mean = self.shape.unsqueeze(-1).double(), self.mean.unsqueeze(-1).double()
        asked = torch.as_tensor(levels, dtype=torch.float64, device=r.device)
        asked, r, mean = asked + 0 * mean, r + 0 * asked, mean + 0 * asked
        low = torch.full_like(mean, -1.0)
        spread = (mean + mean.square() / r).sqrt()
        high = (mean + spread / (1 - asked).clamp(min=1e-12).sqrt() + 1).floor()  # Chebyshev's inequality, one-sided
        for _ in range(HALVINGS):
            if bool((high - low <= 1).all()):
                break
            middle = ((low + high) / 2).ceil()
            enough = beta_share(r / (r + mean), r, middle.clamp(min=0) + 1) >= asked
            low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
        return high.to(self.mean.dtype)


def _standard(values: Tensor, loc: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Which numbers there are, and how many scales they are from where they are expected; 0 where there is none."""
    known = ~values.isnan()
    return known, torch.where(known, (torch.where(known, values, 0.0) - loc) / scale, 0.0)


KINDS: dict[str, type[Any]] = {
    "quantiles": Quantiles,
    "student-t": StudentT,
    "normal": Normal,
    "negative-binomial": NegativeBinomial,
}
"""Every kind of density by name."""

RAW: dict[str, int] = {"student-t": 3, "normal": 2, "negative-binomial": 2}


class DensityKind:
    """A kind of density: how many raw numbers it takes, and what it makes of them.

    Args:
        name: ``"quantiles"``, ``"student-t"``, ``"normal"`` or ``"negative-binomial"``.
        levels: Of quantiles: rising, 0.5 among them.

    Raises:
        ValueError: If there is no such kind, or levels do not rise from above 0 to below 1 through 0.5.

    Example:
        >>> kind = DensityKind("normal")
        >>> density = kind(torch.zeros(4, kind.size), around=torch.tensor([1.0, 2.0, 3.0, 4.0]))
        >>> density.median(), density.quantile([0.1, 0.9]).shape
        (tensor([1., 2., 3., 4.]), torch.Size([4, 2]))
    """

    names: ClassVar[tuple[str, ...]] = get_args(DensityName)

    def __init__(self, name: str, levels: Sequence[float] = LEVELS) -> None:
        if name not in KINDS:
            raise ValueError(f"expected a density among {listed(KINDS)}, got {name!r}")
        rising = all(low < high for low, high in zip([0.0, *levels], [*levels, 1.0], strict=True))
        if name == "quantiles" and not (rising and 0.5 in levels and len(levels) > 1):
            raise ValueError(f"expected levels that rise between 0 and 1, 0.5 among them, got {list(levels)}")
        self.name, self.levels = name, tuple(levels)
        self.size = RAW.get(name, len(self.levels))
        self.counts = name == "negative-binomial"

    def __repr__(self) -> str:
        return f"DensityKind({self.name!r})"

    def __call__(self, raw: Tensor, around: Tensor | None = None) -> Density:
        """The density of raw numbers.

        Args:
            raw: ``[…, size]``.
            around: What is known of each number, ``[…]``; None: 0, of counts a mean of 1.
        """
        if around is None:
            around = torch.full_like(raw[..., 0], float(self.name == "negative-binomial"))
        found: Density = KINDS[self.name].of(raw, around, self.levels)
        return found
