"""Clipping against PyTorch's own, and the learning rate against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from throughtime.training import Clipper, Schedule, factor
from throughtime.training.schedules import FLOOR

quick = settings(deadline=None, derandomize=True, max_examples=60)


def parameters(*gradients: list[float] | None) -> list[nn.Parameter]:
    made = []
    for gradient in gradients:
        parameter = nn.Parameter(torch.zeros(len(gradient or [0.0]), dtype=torch.float64))
        parameter.grad = None if gradient is None else torch.tensor(gradient, dtype=torch.float64)
        made.append(parameter)
    return made


def gradients(made: list[nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in made if parameter.grad is not None]


numbers = st.floats(-100, 100, allow_subnormal=False)


@quick
@given(
    st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=1, max_size=4),
    st.one_of(st.none(), st.floats(0.01, 50)),
    st.one_of(st.none(), st.floats(0.01, 20)),
)
def test_clipping_is_that_of_pytorch(values: list[list[float]], norm: float | None, value: float | None) -> None:
    ours, theirs = parameters(*values, None), parameters(*values, None)
    before = Clipper(norm, value)(ours)
    expected = float(nn.utils.clip_grad_norm_(theirs, math.inf if norm is None else norm))
    if value is not None:
        nn.utils.clip_grad_value_(theirs, value)
    assert before == pytest.approx(expected, rel=1e-12)
    # PyTorch adds 1e-6 to the norm that it divides by.
    torch.testing.assert_close(gradients(ours), gradients(theirs), rtol=2e-4 if norm else 0, atol=1e-9)
    if norm is not None and value is None and before > norm:
        after = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients(ours)))
        assert after == pytest.approx(norm, rel=1e-12)


def test_the_norm_is_that_of_all_gradients_together() -> None:
    made = parameters([3.0], [4.0, 12.0], None)
    assert Clipper(norm=6.5)(made) == pytest.approx(13.0)
    assert torch.cat(gradients(made)).tolist() == pytest.approx([1.5, 2.0, 6.0])


def test_the_value_is_cut_after_the_norm() -> None:
    made = parameters([30.0, -40.0])
    assert Clipper(norm=5.0, value=3.5)(made) == 50.0
    torch.testing.assert_close(gradients(made)[0], torch.tensor([3.0, -3.5], dtype=torch.float64))


def test_the_share_counts_the_steps_that_were_changed() -> None:
    clipper = Clipper(norm=5.0, value=4.0)
    assert clipper.share == 0.0
    shares = []
    for gradient in ([3.0, 4.0], [6.0, 8.0], [4.5, 0.0], [0.0, 0.0], [0.0, -4.5]):
        clipper(parameters(gradient))
        shares.append(clipper.share)
    assert shares == [0 / 1, 1 / 2, 2 / 3, 2 / 4, 3 / 5]
    assert (clipper.steps, clipper.clipped) == (5, 3)


def test_without_bounds_nothing_is_changed() -> None:
    clipper, made = Clipper(), parameters([300.0, 400.0])
    assert clipper(made) == 500.0
    assert gradients(made)[0].tolist() == [300.0, 400.0]
    assert clipper.share == 0.0


@pytest.mark.parametrize("broken", [math.inf, -math.inf, math.nan])
def test_an_infinite_norm_is_left_as_it_is(broken: float) -> None:
    clipper, made = Clipper(norm=1.0, value=1.0), parameters([broken, 7.0], [8.0])
    assert not math.isfinite(clipper(made))
    first, second = gradients(made)
    assert first[1] == 7.0
    assert second.tolist() == [8.0]
    assert (first[0] == broken) or math.isnan(broken)
    assert clipper.steps == 0


def test_no_gradients() -> None:
    assert Clipper(norm=1.0, value=1.0)(parameters(None, None)) == 0.0


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        ("constant", 0.0, 1.0),
        ("constant", 1.0, 1.0),
        ("linear", 0.0, 1.0),
        ("linear", 0.25, 0.01 + 0.99 * 0.75),
        ("linear", 1.0, 0.01),
        ("cosine", 0.0, 1.0),
        ("cosine", 1 / 3, 0.01 + 0.99 * 0.75),  # cos 60° = 1/2
        ("cosine", 0.5, 0.01 + 0.99 * 0.5),
        ("cosine", 2 / 3, 0.01 + 0.99 * 0.25),
        ("cosine", 1.0, 0.01),
        ("cosine", 1.5, 0.01),
        ("linear", 1.5, 0.01),
    ],
)
def test_a_schedule_in_numbers(schedule: Schedule, progress: float, expected: float) -> None:
    assert factor(schedule, progress, step=1000) == pytest.approx(expected, rel=1e-12)
    # The warm-up multiplies: step 4 is the fifth of ten.
    assert factor(schedule, progress, step=4, warmup=10) == pytest.approx(expected / 2, rel=1e-12)


def test_the_warm_up_rises_from_the_first_step_to_the_peak() -> None:
    rising = [factor("constant", 0.0, step, warmup=4) for step in range(6)]
    assert rising == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_plateau_divides_by_four() -> None:
    assert [factor("plateau", 0.9, 100, drops=drops) for drops in range(4)] == [1.0, 1 / 4, 1 / 16, 1 / 64]
    assert factor("plateau", 0.9, 0, warmup=2, drops=1) == 1 / 8
    assert factor("constant", 0.9, 100, drops=3) == factor("linear", 0.0, 100, drops=3) == 1.0


@quick
@given(st.sampled_from(["constant", "linear", "cosine"]), st.floats(0, 1), st.floats(0, 1))
def test_a_schedule_never_rises(schedule: Schedule, one: float, other: float) -> None:
    early, late = sorted((one, other))
    assert 1.0 >= factor(schedule, early, 9) >= factor(schedule, late, 9) >= FLOOR * (1 - 1e-12)
