"""accelerate where weights are computed, and where the very class of a module is asked for."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

import throughtime

accelerated: Any = import_module("throughtime.layers.accelerated")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
NAME = "weight_hh_l0"


class WeightDrop(nn.Module):
    """As the authors of AWD-LSTM have it: the weight is set before every call."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.register_parameter("raw", nn.Parameter(getattr(module, NAME).detach().clone()))
        del module._parameters[NAME]
        setattr(module, NAME, self.raw * 1.0)

    def forward(self, *arguments: Any) -> Any:
        setattr(self.module, NAME, F.dropout(self.raw, 0.5, self.training) * 1.0)
        return self.module(*arguments)


class Dropped(nn.Module):
    """A parametrization whose values differ from call to call."""

    def forward(self, weight: Tensor) -> Tensor:
        return F.dropout(weight, 0.5, self.training)


def parametrized(module: nn.Module) -> nn.Module:
    parametrize.register_parametrization(module, NAME, Dropped())
    parametrize.register_parametrization(module, "weight_ih_l0", nn.Softplus())
    return module


COMPUTED: dict[str, Callable[[nn.Module], nn.Module]] = {
    "weight drop by hand": WeightDrop,
    "parametrize": parametrized,
    "weight norm": lambda m: parametrizations.weight_norm(m, NAME),
    "spectral norm": lambda m: parametrizations.spectral_norm(m, NAME),
    "weight norm by a hook": lambda m: weight_norm(m, NAME),
    "spectral norm by a hook": lambda m: spectral_norm(m, NAME),
    "pruning": lambda m: prune.l1_unstructured(m, NAME, 0.5),
}
KINDS: list[Any] = [nn.RNN, nn.GRU, nn.LSTM]
X = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Cells that were run by an engine; every engine counts as faster than PyTorch."""
    seen: list[Any] = []
    unroll = accelerated.unroll
    monkeypatch.setattr(accelerated, "unroll", lambda cell, *a, **k: seen.append(cell) or unroll(cell, *a, **k))
    monkeypatch.setattr(accelerated, "_gains", lambda *_, **__: True)
    return seen


def made(kind: Any, case: str, swap: bool) -> nn.Module:
    torch.manual_seed(0)
    model = COMPUTED[case](kind(3, 4, 2, bidirectional=True).double())
    if swap:
        assert len(throughtime.accelerate(model).swapped) == 1
    return model


def outcome(model: nn.Module) -> dict[str, Any]:
    """Values and gradients of steps of training and of one in use, and the weights after them."""
    optimiser = torch.optim.SGD(model.parameters(), 0.5)
    found: dict[str, Any] = {}
    for turn, training in enumerate((True, False, True)):
        model.train(training)
        torch.manual_seed(turn)
        optimiser.zero_grad()
        outputs, _ = model(X)
        outputs.pow(2).sum().backward()
        found[f"outputs {turn}"] = outputs.detach()
        found |= {f"gradient {turn} {name}": p.grad.clone() for name, p in model.named_parameters()}
        optimiser.step()
    return found | dict(model.state_dict())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", COMPUTED)
def test_values_and_gradients_are_torch_s(case: str, kind: Any, runs: list[Any]) -> None:
    expected = outcome(made(kind, case, swap=False))
    assert not runs
    got = outcome(made(kind, case, swap=True))
    assert len(runs) == 3 * 4
    assert list(got) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-9, atol=1e-11, msg=lambda m, name=name: f"{name}: {m}")


def attempt(function: Callable[[], Any]) -> Any:
    """What a function gives, or the error it ends with."""
    try:
        return function()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("case", COMPUTED)
def test_copies_and_pickles_go_as_far_as_torch_s(case: str, called: bool, runs: list[Any]) -> None:
    for function in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        found = []
        for swap in (False, True):
            model = made(nn.LSTM, case, swap).eval()
            if called:
                model(X)
            other = attempt(lambda: function(model))  # noqa: B023
            found.append(other if isinstance(other, type) else other(X)[0])
        if isinstance(found[0], type):
            assert found[1] is found[0]
        else:
            torch.testing.assert_close(found[1], found[0])


def test_a_parametrization_goes_and_the_module_stays_swapped() -> None:
    model: Any = made(nn.GRU, "parametrize", swap=True)
    again = copy.deepcopy(model)
    assert type(again) is type(model)
    assert throughtime.decelerate(again) == ("",)
    assert (type(again).__name__, type(model).__name__) == ("ParametrizedGRU", "ParametrizedAcceleratedGRU")
    parametrize.remove_parametrizations(model, NAME)
    parametrize.remove_parametrizations(model, "weight_ih_l0")
    assert type(model) is accelerated.AcceleratedGRU
    assert throughtime.accelerate(again).swapped


def test_a_subclass_of_the_user_s_is_left_though_parametrized() -> None:
    class Own(nn.GRU):
        """May have another forward."""

    report = throughtime.accelerate(parametrizations.weight_norm(Own(3, 4), NAME))
    assert report.left == (("", "GRU", "of a class of its own, Own, which may compute something else"),)


def quantised(model: nn.Module, which: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model, which)


@pytest.mark.parametrize(
    "which", [None, {nn.LSTM}, {nn.GRU, nn.LSTM, nn.Linear}, {"0": torch.ao.quantization.default_dynamic_qconfig}]
)
def test_dynamic_quantisation_finds_what_it_finds_with_torch(which: Any) -> None:
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.LSTM(3, 4), nn.ModuleDict({"gru": nn.GRU(4, 4), "head": nn.Linear(4, 2)}))
    ours = copy.deepcopy(theirs)
    assert len(throughtime.accelerate(ours).swapped) == 2
    expected, got = quantised(theirs, which), quantised(ours, which)
    kinds = [[type(m) for m in model.modules()] for model in (expected, got)]
    assert kinds[0] == kinds[1] != [type(m) for m in theirs.modules()]
    assert torch.equal(got[0](X.float())[0], expected[0](X.float())[0])
    assert type(ours[0]) is accelerated.AcceleratedLSTM


@pytest.mark.parametrize("kind", [*KINDS, nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_a_class_counts_as_the_one_that_it_stands_for(kind: Any) -> None:
    ours: Any = accelerated.SWAPS[kind]
    others = [other for other in accelerated.SWAPS if other is not kind]
    assert ours == kind
    assert kind == ours
    assert {kind: 1}[ours] == {ours: 1}[kind] == 1
    assert ours not in others
    assert ours is not kind

    class Own(ours):
        """A subclass is another class."""

    assert kind != Own != ours
    saved = io.BytesIO()
    torch.save(ours(2, 3), saved)
    saved.seek(0)
    assert type(torch.load(saved, weights_only=False)) is ours
