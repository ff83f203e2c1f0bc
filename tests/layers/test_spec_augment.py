"""Masks over time and bands: spans of zeros, no wider than they may be, while training alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from throughtime.layers.spec_augment import SpecAugment

LENGTHS = torch.tensor([50, 50, 20, 5])


def hidden(seed: int, **how: int) -> Tensor:
    """Which of ``[4, 50, 12]`` ones became zero."""
    torch.manual_seed(seed)
    masks = {"time_masks": 0, "time_width": 0, "band_masks": 0, "band_width": 0} | how
    return SpecAugment(**masks)(torch.ones(4, 50, 12), LENGTHS) == 0


def runs(line: Tensor) -> list[int]:
    """Lengths of the spans of true."""
    text = "".join("x" if value else " " for value in line.tolist())
    return [len(span) for span in text.split()]


def test_a_mask_over_time_is_one_span_of_whole_frames() -> None:
    widths = []
    for seed in range(60):
        found = hidden(seed, time_masks=1, time_width=6)
        assert torch.equal(found.any(2), found.all(2))
        for row, length in zip(found[..., 0], LENGTHS.tolist(), strict=True):
            spans = runs(row)
            assert len(spans) <= 1
            assert not row[length:].any()  # no part of it falls behind the row's end
            widths.append((length, sum(spans)))
    assert {width for length, width in widths if length == 50} == set(range(7))
    assert {width for length, width in widths if length == 20} == set(range(5))  # a fifth of the row
    assert {width for length, width in widths if length == 5} == {0, 1}


def test_a_mask_over_bands_is_one_span_of_whole_bands() -> None:
    widths = set()
    for seed in range(40):
        found = hidden(seed, band_masks=1, band_width=4)
        assert torch.equal(found.any(1), found.all(1))
        widths |= {sum(runs(row)) for row in found[:, 0]}
        assert all(len(runs(row)) <= 1 for row in found[:, 0])
    assert widths == set(range(5))


def test_masks_stand_everywhere() -> None:
    often = sum(hidden(seed, time_masks=2, time_width=10)[0, :, 0].float() for seed in range(300))
    assert isinstance(often, Tensor)
    assert float(often.min()) > 0
    assert float(often.max()) < 120


def test_rows_are_masked_each_for_itself_and_as_the_seed_says() -> None:
    one, again, other = (hidden(seed, time_masks=2, time_width=10, band_masks=1, band_width=5) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


def test_nothing_is_hidden_in_use() -> None:
    layer = SpecAugment(time_masks=5, time_width=20, band_masks=5, band_width=5).eval()
    features = torch.randn(4, 50, 12)
    assert layer(features, LENGTHS) is features


@pytest.mark.parametrize("how", [{}, {"time_masks": 3}, {"band_masks": 3}])
def test_no_masks_and_masks_of_no_width_hide_nothing(how: dict[str, int]) -> None:
    assert not hidden(0, **how).any()
