"""An optimiser goes on from its saved state with the same bits; the average of weights is their mean."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from throughtime.training import Averager, OptimiserName, load_tensors, make_optimiser, save_tensors
from throughtime.training.restore import fill_optimiser, flatten_optimiser


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2, bias=False))


def step(network: nn.Module, optimiser: torch.optim.Optimizer, number: int) -> None:
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(number))
    optimiser.zero_grad()
    network(inputs).square().sum().backward()
    optimiser.step()


KINDS: list[tuple[OptimiserName, float, float]] = [
    ("adam", 0.0, 0.0),
    ("adam", 0.0, 0.1),
    ("adamw", 0.0, 0.1),
    ("sgd", 0.0, 0.0),
    ("sgd", 0.9, 0.1),
    ("asgd", 0.0, 0.1),
    ("asgd", 0.5, 0.0),
]


@pytest.mark.parametrize(("name", "momentum", "decay"), KINDS)
@pytest.mark.parametrize("done", [0, 3])
def test_an_optimiser_goes_on_from_a_file(
    name: OptimiserName, momentum: float, decay: float, done: int, tmp_path: Path
) -> None:
    network = model()
    optimiser = make_optimiser(name, network.parameters(), 0.01, decay, momentum)
    for number in range(done):
        step(network, optimiser, number)
    tensors, groups = flatten_optimiser(optimiser)
    save_tensors(tmp_path / "o.safetensors", tensors, {"groups": groups})

    other = copy.deepcopy(network)
    again = make_optimiser(name, other.parameters(), 0.5, 0.0, 0.0)
    stored, data = load_tensors(tmp_path / "o.safetensors")
    fill_optimiser(again, stored, data["groups"])
    for number in range(done, done + 3):
        step(network, optimiser, number)
        step(other, again, number)
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    flat, expected = flatten_optimiser(again)[0], flatten_optimiser(optimiser)[0]
    assert flat.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(flat[key], value)


def test_each_name_is_its_rule() -> None:
    # One weight of 1 with the gradient 2, three steps, by hand.
    def after(name: OptimiserName, steps: int, decay: float = 0.0, momentum: float = 0.0) -> float:
        weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
        optimiser = make_optimiser(name, [weight], 0.1, decay, momentum)
        for _ in range(steps):
            weight.grad = torch.full((1,), 2.0, dtype=torch.float64)
            optimiser.step()
        return weight.item()

    for name in ("sgd", "asgd"):
        assert after(name, 2) == pytest.approx(1 - 0.1 * 2 - 0.1 * 2)  # type: ignore[arg-type]
        assert after(name, 1, decay=0.5) == pytest.approx(1 - 0.1 * (2 + 0.5))  # type: ignore[arg-type]
    assert after("sgd", 2, momentum=0.5) == pytest.approx(1 - 0.1 * 2 - 0.1 * (2 + 0.5 * 2))
    # A constant gradient makes Adam's step the learning rate; its decay goes through the gradient, AdamW's beside it.
    assert after("adam", 3) == pytest.approx(1 - 3 * 0.1, abs=1e-8)
    assert after("adam", 1, decay=0.5) == pytest.approx(1 - 0.1, abs=1e-8)
    assert after("adamw", 1, decay=0.5) == pytest.approx(1 - 0.1 * 0.5 - 0.1, abs=1e-8)


def test_the_average_is_the_mean_of_all_weights_since_its_start() -> None:
    network = model().double()
    averager = Averager(network)
    seen: list[dict[str, torch.Tensor]] = []

    def change(number: int) -> None:
        torch.manual_seed(number)
        for parameter in network.parameters():
            nn.init.normal_(parameter)

    change(1)
    averager.update()  # not started: nothing is kept
    assert not averager.started
    assert averager.count == 0
    for number in range(2, 8):
        change(number)
        if number == 2:
            averager.start()
        else:
            averager.update()
        seen.append({name: value.detach().clone() for name, value in network.named_parameters()})
    assert averager.started
    assert averager.count == 6
    for name, mean in averager.means.items():
        expected = torch.stack([values[name] for values in seen]).mean(0)
        torch.testing.assert_close(mean, expected, rtol=1e-13, atol=1e-15)


def test_the_model_has_its_own_weights_back() -> None:
    network = model()
    averager = Averager(network)
    own = copy.deepcopy(network.state_dict())
    with averager.averaged():  # not started: the model stays as it is
        assert all(torch.equal(value, own[name]) for name, value in network.state_dict().items())
    averager.start()
    for parameter in network.parameters():
        parameter.data.add_(1.0)
    averager.update()
    moved = copy.deepcopy(network.state_dict())
    with averager.averaged():
        for name, value in network.state_dict().items():
            torch.testing.assert_close(value, own[name] + 0.5)
    assert all(torch.equal(value, moved[name]) for name, value in network.state_dict().items())
    with pytest.raises(KeyboardInterrupt), averager.averaged():
        raise KeyboardInterrupt
    assert all(torch.equal(value, moved[name]) for name, value in network.state_dict().items())


def test_an_average_goes_on_from_saved_means() -> None:
    network = model()
    averager, other = Averager(network), Averager(network)
    averager.start()
    other.load(averager.count, {name: value.clone() for name, value in averager.means.items()})
    for parameter in network.parameters():
        parameter.data.mul_(3.0)
    for each in (averager, other):
        each.update()
    assert other.count == averager.count == 2
    assert all(torch.equal(value, averager.means[name]) for name, value in other.means.items())


def test_an_average_that_was_never_started_stays_so() -> None:
    averager = Averager(model())
    averager.load(0, {})
    assert not averager.started


def test_the_average_does_not_follow_later_weights() -> None:
    network = model()
    averager = Averager(network)
    averager.start()
    before = copy.deepcopy(averager.means)
    for parameter in network.parameters():
        parameter.data.zero_()
    assert all(torch.equal(value, before[name]) for name, value in averager.means.items())
