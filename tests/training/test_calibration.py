"""The calibration error, the temperature that lowers it, and that temperature beside the weights of a file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from throughtime.errors import UserError
from throughtime.layers import Recurrent
from throughtime.models import Classifier
from throughtime.models.base import Model, tempered
from throughtime.training import load_model, load_weights, save_tensors, save_weights
from throughtime.training.calibration import COLDEST, EVIDENCE, FEWEST, HOTTEST, calibrate, calibration_error, error_of

CHANCES = st.floats(1 / 64, 1.0, width=32)
SCORES = st.integers(2, 5).flatmap(
    lambda classes: st.lists(
        st.lists(st.floats(-30, 30, width=32), min_size=classes, max_size=classes), min_size=1, max_size=6
    )
)


def by_hand(sure: list[float], right: list[bool]) -> float:
    """Equation 3 of Guo et al. (2017), word for word: fifteen bins ((m - 1) / 15, m / 15]."""
    total = 0.0
    for m in range(1, 16):
        members = [n for n in range(len(sure)) if (m - 1) / 15 < sure[n] <= m / 15]
        if members:
            accuracy = sum(right[n] for n in members) / len(members)
            confidence = sum(sure[n] for n in members) / len(members)
            total += len(members) / len(sure) * abs(accuracy - confidence)
    return 100 * total


def test_the_error_of_a_case_that_is_computed_by_hand() -> None:
    # In a bin 0.55 and 0.58 (two right of three, 0.56 in the mean), in another one 0.95 (one right of two).
    sure, right = [0.55, 0.55, 0.58, 0.95, 0.95], [True, False, True, True, False]
    expected = 100 * (3 / 5 * abs(2 / 3 - 0.56) + 2 / 5 * abs(0.5 - 0.95))
    assert calibration_error(torch.tensor(sure), torch.tensor(right)) == pytest.approx(expected)
    assert expected == pytest.approx(24.4)
    assert calibration_error(torch.empty(0), torch.empty(0, dtype=torch.bool)) == 0.0
    bound = torch.tensor([0.2, 0.19], dtype=torch.float64)  # 3 / 15 is in the bin that ends there
    assert calibration_error(bound, torch.tensor([True, False])) == pytest.approx(100 * (1 - 0.39) / 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CHANCES, st.booleans()), min_size=1, max_size=40))
def test_the_error_is_that_of_its_equation(answers: list[tuple[float, bool]]) -> None:
    sure, right = [chance for chance, _ in answers], [hit for _, hit in answers]
    found = calibration_error(torch.tensor(sure, dtype=torch.float64), torch.tensor(right))
    assert found == pytest.approx(by_hand(sure, right), abs=1e-9)


def test_the_error_of_classes_is_that_of_the_likeliest() -> None:
    log_probs = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]).log()
    assert error_of(log_probs, torch.tensor([0, 1])) == pytest.approx(by_hand([0.7, 0.8], [True, False]), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(SCORES, st.floats(COLDEST, HOTTEST))
def test_a_temperature_changes_no_label(scores: list[list[float]], temperature: float) -> None:
    log_probs = torch.tensor(scores, dtype=torch.float32).log_softmax(1)
    found = tempered(log_probs, temperature)
    assert torch.equal(found.argmax(1), log_probs.argmax(1))
    assert found.exp().sum(1).tolist() == pytest.approx([1.0] * len(scores))
    expected = (log_probs.double() / temperature).exp()
    assert torch.allclose(found.exp(), expected / expected.sum(1, keepdim=True))


def answers(count: int = 2000, off: float = 1.0, seed: int = 0, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Log-probabilities and classes drawn from them; what is said is so many times as sure as what is so."""
    draw = torch.Generator().manual_seed(seed)
    scores = 2 * torch.randn(count, classes, generator=draw, dtype=torch.float64)
    gold = torch.multinomial(scores.softmax(1), 1, generator=draw).squeeze(1)
    return (off * scores).log_softmax(1), gold


@pytest.mark.parametrize("off", [6.0, 3.0, 1.5])
def test_the_temperature_that_was_there_is_found(off: float) -> None:
    log_probs, gold = answers(off=off)
    found = calibrate(log_probs, gold)
    assert found.temperature == pytest.approx(off, rel=0.1)
    assert found.after < found.before / 3
    assert calibrate(log_probs, gold, fit=False).temperature == 1.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.3, 6.0))
def test_no_other_temperature_makes_the_data_likelier(seed: int, off: float) -> None:
    log_probs, gold = answers(200, off, seed)
    found = calibrate(log_probs, gold).temperature

    def nats(temperature: float) -> float:
        return -float((log_probs / temperature).log_softmax(1)[range(200), gold].mean())

    grid = [HOTTEST ** (step / 300) for step in range(301)]
    if found == 1.0:  # none of them does much good
        assert 200 * (nats(1.0) - min(map(nats, grid))) < EVIDENCE
    else:
        assert nats(found) <= min(map(nats, grid)) + 1e-9
        assert 200 * (nats(1.0) - nats(found)) > EVIDENCE


def test_none_is_fitted_where_it_would_be_a_guess() -> None:
    few, gold = answers(FEWEST - 1, off=4.0)
    assert calibrate(few, gold).temperature == 1.0
    log_probs, _ = answers(off=2.0)
    assert calibrate(log_probs, log_probs.argmax(1)).temperature == 1.0  # nothing is wrong: the colder the better
    shy, gold = answers(off=0.3)
    assert calibrate(shy, gold).temperature == 1.0  # it never makes surer
    even, gold = answers(200)
    assert calibrate(even, gold).temperature == 1.0
    assert calibrate(even.fill_(-math.log(3)), gold).temperature == 1.0


def test_a_gain_that_may_be_chance_is_none() -> None:
    """Of 60 that are said at 80 %, 48 would be right; 41 are too few to be chance, 43 are not."""
    said = torch.tensor([0.8, 0.2]).log().repeat(60, 1)
    gold = [(torch.arange(60) >= right).long() for right in (43, 41)]
    assert calibrate(said, gold[0]).temperature == 1.0
    assert calibrate(said, gold[1]).temperature > 1.3


# Beside the weights --------------------------------------------------------------------------------------------------


class Ragged:
    """Steps of two sequences."""

    lengths = torch.tensor([3, 2])
    tokens = 5
    values = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))


def classifier() -> Classifier:
    torch.manual_seed(0)
    stack = Recurrent("gru", 4, 3)
    return Classifier(lambda steps: steps.values, stack, 3, pooling="attention").eval()


def test_what_is_told_has_the_temperature_and_the_loss_has_not() -> None:
    from throughtime.models import ClassBatch

    model, batch = classifier(), ClassBatch(Ragged(), torch.tensor([0, 2]))
    plain, loss, losses = model.log_probs(batch.steps), model.loss(batch, None)[0], model.losses(batch)
    model.temperature = 2.5
    assert torch.equal(model.log_probs(batch.steps), tempered(plain, 2.5))
    assert torch.equal(model.attend(batch.steps)[0], tempered(plain, 2.5))
    assert torch.equal(model.loss(batch, None)[0], loss)
    assert torch.equal(model.losses(batch), losses)


def test_it_comes_back_with_the_weights_and_is_1_where_there_is_none(tmp_path: Path) -> None:
    path, model = tmp_path / "model.safetensors", classifier()
    save_weights(path, model)
    plain = path.read_bytes()
    assert load_model(path, classifier).temperature == 1.0
    save_weights(path, model, 1.0)
    assert path.read_bytes() == plain
    save_weights(path, model, 1.1 / 3.0 * 10)
    other = classifier()
    load_weights(path, other)
    assert load_model(path, classifier).temperature == other.temperature == 1.1 / 3.0 * 10
    assert classifier().temperature == Model.temperature == 1.0


@pytest.mark.parametrize(
    "value", [0, 0.0, -1.5, COLDEST / 2, HOTTEST * 2, 1e300, math.nan, math.inf, True, None, "2", [2.0], {"a": 1}]
)
def test_one_that_is_none_is_refused(value: object, tmp_path: Path) -> None:
    path, model = tmp_path / "model.safetensors", classifier()
    save_tensors(path, model.state_dict(), {"temperature": value})
    for load in (lambda: load_model(path, classifier), lambda: load_weights(path, model)):
        with pytest.raises(UserError, match=r"expected 'temperature' to be a number from 0\.05 to 20") as caught:
            load()
        assert str(path) in str(caught.value)
    assert model.temperature == 1.0
