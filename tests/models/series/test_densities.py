"""Densities: beside SciPy's, their quantiles in order, what is missing without loss, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from throughtime.models.series.densities import LEVELS, Density, DensityKind, NegativeBinomial, Normal, StudentT

ALL = DensityKind.names


def drawn(name: str, shape: tuple[int, ...] = (5,), seed: int = 0, wide: float = 1.0) -> tuple[torch.Tensor, Density]:
    kind = DensityKind(name)
    raw = wide * torch.randn((*shape, kind.size), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    raw.requires_grad_()
    return raw, kind(raw, torch.linspace(1, 3, shape[-1], dtype=torch.float64).expand(shape))


def theirs(density: Density) -> Any:
    if isinstance(density, Normal):
        return stats.norm(density.loc.detach().numpy(), density.scale.detach().numpy())
    if isinstance(density, StudentT):
        loc, scale, freedom = (each.detach().numpy() for each in (density.loc, density.scale, density.freedom))
        return stats.t(freedom, loc, scale)
    assert isinstance(density, NegativeBinomial)
    mean, r = density.mean.detach().numpy(), density.shape.detach().numpy()
    return stats.nbinom(r, r / (r + mean))


@pytest.mark.parametrize("name", ["normal", "student-t", "negative-binomial"])
def test_a_density_is_that_of_scipy(name: str) -> None:
    _, density = drawn(name)
    values = torch.tensor([0.0, 1.0, 2.0, 5.0, 9.0], dtype=torch.float64)
    peer = theirs(density)
    log = peer.logpmf(values.numpy()) if name == "negative-binomial" else peer.logpdf(values.numpy())
    np.testing.assert_allclose(density.losses(values).detach().numpy(), -log, rtol=1e-9)
    np.testing.assert_allclose(density.cdf(values).numpy(), peer.cdf(values.numpy()), rtol=1e-9, atol=1e-12)
    levels = [0.001, 0.1, 0.5, 0.77, 0.999]
    found = density.quantile(levels).detach().numpy()
    np.testing.assert_allclose(found, np.stack([peer.ppf(level) for level in levels], -1), rtol=1e-7, atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(ALL), st.integers(0, 1000), st.sampled_from([0.1, 1.0, 30.0]))
def test_quantiles_never_cross(name: str, seed: int, wide: float) -> None:
    _, density = drawn(name, (3, 4), seed, wide)
    levels = [0.001, 0.01, *LEVELS, 0.99, 0.999]
    found = density.quantile(sorted(levels)).detach()
    assert found.isfinite().all()
    assert (found.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("name", ALL)
def test_a_missing_number_has_no_loss_and_no_gradient(name: str) -> None:
    raw, density = drawn(name)
    values = torch.tensor([1.0, torch.nan, 2.0, torch.nan, 4.0], dtype=torch.float64)
    losses = density.losses(values)
    losses.sum().backward()
    assert raw.grad is not None
    assert losses[1] == losses[3] == 0
    assert (raw.grad[[1, 3]] == 0).all()
    assert raw.grad.isfinite().all()
    assert (raw.grad[[0, 2, 4]].abs().sum(-1) > 0).all()


@pytest.mark.parametrize("name", ALL)
def test_gradients_are_those_of_differences(name: str) -> None:
    kind = DensityKind(name, (0.1, 0.5, 0.9))
    raw = torch.randn(2, kind.size, dtype=torch.float64, requires_grad=True)
    values = torch.tensor([1.0, 7.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda given: kind(given, torch.ones(2, dtype=torch.float64)).losses(values), raw)


def test_quantiles_learn_those_of_the_data() -> None:
    values = torch.randn(1000, generator=torch.Generator().manual_seed(1))
    kind = DensityKind("quantiles")
    raw = torch.zeros(kind.size, requires_grad=True)
    optimiser = torch.optim.Adam([raw], lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        kind(raw.expand(1000, -1)).losses(values).mean().backward()
        optimiser.step()
    density = kind(raw.detach())
    assert torch.allclose(density.quantile(LEVELS), torch.quantile(values, torch.tensor(LEVELS)), atol=0.1)
    assert torch.allclose(density.cdf(density.quantile(LEVELS)[3]), torch.tensor(0.3), atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_draws_are_spread_as_the_cdf_says(name: str) -> None:
    _, density = drawn(name, (2,))
    draws = density.sample(4000, torch.Generator().manual_seed(0)).detach()
    for at in (0.5, 2.5, 4.5):
        said = density.cdf(torch.full((2,), at, dtype=torch.float64))
        assert torch.allclose((draws <= at).double().mean(-1), said, atol=0.03)


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a density among quantiles, student-t"):
        DensityKind("cauchy")
    with pytest.raises(ValueError, match=r"0\.5 among them"):
        DensityKind("quantiles", (0.1, 0.9))
