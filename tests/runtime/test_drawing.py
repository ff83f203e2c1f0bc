"""A seed draws the same without PyTorch as with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from throughtime.runtime.drawing import exponential


@pytest.mark.parametrize("seed", [0, 3, 12_345, 2**32 - 1, 2**40 + 7])
def test_random_numbers_are_those_of_a_generator_of_pytorch(seed: int) -> None:
    theirs, ours = torch.Generator().manual_seed(seed), exponential(seed)
    for count in (5, 5, 1, 300, 5):
        expected = torch.empty(count, dtype=torch.float64).exponential_(generator=theirs)
        np.testing.assert_allclose(ours(count), expected.numpy(), rtol=1e-14)


def test_without_a_seed_they_differ() -> None:
    assert exponential(None)(3).tolist() != exponential(None)(3).tolist()
