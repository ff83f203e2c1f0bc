"""What each kind of dropout multiplies, seen from where the engines stand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from familiar import FAMILIAR
from throughtime import Recurrent
from throughtime.cells import CELLS, GRUCell
from throughtime.engine import ENGINES, Noise, unroll
from throughtime.engine.call import Call, Result


class Listener:
    """Stands in front of every engine, writes down each call, and serves none."""

    name = "listener"

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def refuses(self, call: Call) -> str | None:
        self.calls.append(call)
        return "it only listens"

    def run(self, call: Call) -> Result:
        raise AssertionError("it refused")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    listener = Listener()
    monkeypatch.setattr("throughtime.engine.ENGINES", (listener, *ENGINES))
    return listener.calls


def recurrent_names(name: str) -> set[str]:
    declared = CELLS[name](3, 4).parameters()
    return {n for n, p in declared.items() if p.role == "recurrent"}


def assert_mask(mask: Tensor, dropped: float) -> None:
    """Zeros, and what makes up for them."""
    kept = mask != 0
    torch.testing.assert_close(mask[kept], torch.full_like(mask[kept], 1 / (1 - dropped)))
    spread = math.sqrt(dropped * (1 - dropped) / mask.numel())
    assert float(kept.float().mean()) == pytest.approx(1 - dropped, abs=4 * spread)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("name", FAMILIAR)
def test_recurrent_dropout_multiplies_what_recurrent_matrices_see(name: str, reverse: bool, calls: list[Call]) -> None:
    torch.manual_seed(0)
    layer = Recurrent(name, 3, 4, bidirectional=True, recurrent_dropout=0.5).double()
    directed, x = layer.directed[reverse], torch.randn(3, 6, 3, dtype=torch.float64)
    lengths = [4, 0, 6]
    outputs, final = directed(x, lengths=torch.tensor(lengths))
    masks = calls[0].noise.products
    assert masks.keys() == recurrent_names(name)
    weights = directed.values()
    gradients = torch.autograd.grad(outputs.square().sum(), list(weights.values()))
    expected = torch.zeros((), dtype=torch.float64)
    for b, length in enumerate(lengths):
        # A factor on a column of the matrix is a factor on the feature that the column multiplies.
        scaled = {n: w * masks[n][b] if n in masks else w for n, w in weights.items()}
        alone, end = unroll(directed.cell, scaled, x[b : b + 1, :length], reverse=directed.reverse, engine="reference")
        torch.testing.assert_close(outputs[b : b + 1, :length], alone, rtol=1e-10, atol=1e-12)
        for s, value in end.items():
            torch.testing.assert_close(final[s][b : b + 1], value, rtol=1e-10, atol=1e-12)
        expected = expected + alone.square().sum()
    for got, other in zip(gradients, torch.autograd.grad(expected, list(weights.values())), strict=True):
        torch.testing.assert_close(got, other, rtol=1e-9, atol=1e-11)


def test_recurrent_dropout_leaves_the_leak_of_a_gru_alone() -> None:
    cell = GRUCell(1, 1)
    weights = {
        "W_x": torch.zeros(3, 1),
        "W_h": torch.full((3, 1), 5.0),
        "b": torch.tensor([0.0, 0.0, 0.3]),
        "b_hc": torch.tensor([0.4]),
    }
    dropped = Noise(products={"W_h": torch.zeros(1, 1)})
    outputs, _ = unroll(cell, weights, torch.zeros(1, 1, 1), state={"h": torch.tensor([[0.8]])}, noise=dropped)
    # Gates see nothing of the past: r = z = 1/2. But half of the past itself stays.
    assert outputs.item() == pytest.approx(0.5 * math.tanh(0.3 + 0.5 * 0.4) + 0.5 * 0.8)


@pytest.mark.parametrize("name", FAMILIAR)
def test_recurrent_dropout_draws_for_every_row_matrix_and_call(name: str, calls: list[Call]) -> None:
    torch.manual_seed(0)
    layer = Recurrent(name, 3, 40, recurrent_dropout=0.3)
    x = torch.zeros(50, 1, 3)
    layer(x)
    layer(x)
    first, second = (call.noise.products for call in calls)
    for key, mask in first.items():
        assert_mask(mask, 0.3)
        assert mask.shape == (50, layer.directed[0].values()[key].shape[1])
        assert not torch.equal(mask[0], mask[1])
        assert not torch.equal(mask, second[key])
    if name == "gru-full":
        assert not torch.equal(first["W_h"], first["W_hc"])


@pytest.mark.parametrize("name", FAMILIAR)
def test_weight_drop_zeroes_recurrent_weights_in_training_only(name: str, calls: list[Call]) -> None:
    torch.manual_seed(0)
    layer, x = Recurrent(name, 30, 40, weight_drop=0.4), torch.randn(2, 5, 30)
    directed = layer.directed[0]
    with torch.no_grad():  # no weight is zero of itself
        for parameter in directed.parameters():
            parameter.normal_(std=0.1)
    outputs, _ = layer(x)
    dropped = calls[0].parameters
    own = dict(directed.named_parameters())
    for key, value in dropped.items():
        if key in recurrent_names(name):
            assert_mask((value / own[key]).detach(), 0.4)
        else:
            assert value is own[key]
    expected, _ = unroll(directed.cell, dropped, x, engine="reference")
    torch.testing.assert_close(outputs, expected)
    outputs.square().sum().backward()
    for key in recurrent_names(name):
        gradient = own[key].grad
        assert gradient is not None
        assert gradient[dropped[key] == 0].eq(0).all()
        assert gradient.ne(0).any()
    layer.eval()
    assert all(value is own[key] for key, value in directed.values().items())


def test_weight_drop_draws_anew_for_every_call(calls: list[Call]) -> None:
    layer = Recurrent("lstm", 3, 8, weight_drop=0.5)
    for _ in range(2):
        layer(torch.zeros(1, 2, 3))
    first, second = (call.parameters["W_h"] != 0 for call in calls)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_input_dropout_holds_its_mask_through_time(bidirectional: bool, calls: list[Call]) -> None:
    torch.manual_seed(0)
    layer = Recurrent("gru", 50, 40, 2, bidirectional=bidirectional, input_dropout=0.25)
    x = torch.randn(20, 6, 50).abs() + 1.0
    layer(x)
    masks = calls[0].inputs / x
    assert torch.equal(masks == 0, (masks[:, :1] == 0).expand_as(masks))
    assert_mask(masks[:, 0], 0.25)
    assert not torch.equal(masks[0], masks[1])
    if bidirectional:
        assert torch.equal(calls[1].inputs, calls[0].inputs)
    below = [unroll(c.cell, c.parameters, c.inputs, reverse=c.reverse)[0] for c in calls[: 1 + bidirectional]]
    above = calls[1 + bidirectional].inputs
    zero = above == 0
    assert torch.equal(zero, zero[:, :1].expand_as(zero))
    torch.testing.assert_close(above[~zero], (torch.cat(below, -1) / 0.75)[~zero])
    assert_mask((~zero[:, 0]).float() / 0.75, 0.25)


def test_dropout_acts_between_layers_and_nowhere_else(calls: list[Call]) -> None:
    torch.manual_seed(0)
    layer, x = Recurrent("lstm", 5, 40, 3, dropout=0.25), torch.randn(10, 8, 5)
    outputs, _ = layer(x)
    assert calls[0].inputs is x
    for lower, upper in itertools.pairwise(list(calls)):
        below, _ = unroll(lower.cell, lower.parameters, lower.inputs)
        zero = upper.inputs == 0
        torch.testing.assert_close(upper.inputs[~zero], (below / 0.75)[~zero])
        assert_mask((~zero).float() / 0.75, 0.25)
        assert not torch.equal(zero[:, 0], zero[:, 1])
    last, _ = unroll(calls[2].cell, calls[2].parameters, calls[2].inputs)
    torch.testing.assert_close(outputs, last)


def test_dropout_of_a_single_layer_drops_nothing() -> None:
    layer, x = Recurrent("lstm", 5, 4, dropout=0.9), torch.randn(3, 8, 5)
    trained, _ = layer(x)
    assert torch.equal(trained, layer.eval()(x)[0])


def test_dropout_stands_before_the_residual() -> None:
    layer = Recurrent("rnn-relu", 4, 4, 2, dropout=0.5, residual=True)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(2, 3, 4)
    assert torch.equal(layer(x)[0], x)


ALL = dict.fromkeys(("dropout", "input_dropout", "recurrent_dropout", "weight_drop"), 0.4)


@pytest.mark.parametrize("name", FAMILIAR)
def test_in_use_nothing_is_dropped(name: str) -> None:
    torch.manual_seed(0)
    layer, plain = Recurrent(name, 3, 4, 2, bidirectional=True, **ALL), Recurrent(name, 3, 4, 2, bidirectional=True)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(3, 6, 3)
    layer.eval()
    results = [layer(x), layer(x), plain(x)]
    for outputs, final in results[1:]:
        assert torch.equal(outputs, results[0][0])
        assert all(torch.equal(final[s], v) for s, v in results[0][1].items())
    assert not torch.equal(layer.train()(x)[0], results[0][0])


@pytest.mark.parametrize("zoneout", [0.0, 0.2])
@pytest.mark.parametrize("name", FAMILIAR)
def test_a_seed_gives_the_same_bits(name: str, zoneout: float) -> None:
    torch.manual_seed(0)
    layer = Recurrent(name, 3, 4, 2, bidirectional=True, zoneout=zoneout, **ALL)
    x, lengths = torch.randn(3, 6, 3), torch.tensor([6, 0, 3])

    def run(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        layer.zero_grad()
        leaf = x.clone().requires_grad_()
        outputs, final = layer(leaf, lengths=lengths)
        F.mse_loss(outputs, torch.ones_like(outputs)).backward()
        gradients = [leaf.grad, *(p.grad for p in layer.parameters())]
        return [outputs, *final.values(), *(g for g in gradients if g is not None)]

    first, again, other = run(1), run(1), run(2)
    assert len(first) == 1 + len(layer.cell.state) + 1 + len(list(layer.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
