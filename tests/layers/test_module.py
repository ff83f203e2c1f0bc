"""A layer as a module: its parameters, its state_dict, biases left out, copies, what it prints."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime import GRU, Recurrent


def biases(layer: Recurrent) -> dict[str, Tensor]:
    declared = layer.directed[0].declared
    return {n: v for n, v in layer.directed[0].values().items() if declared[n].role == "bias"}


@pytest.mark.parametrize("name", FAMILIAR)
def test_without_bias_they_stay_zero_and_out_of_sight(name: str) -> None:
    torch.manual_seed(0)
    layer = Recurrent(name, 3, 4, 2, bidirectional=True, bias=False)
    names = set(biases(layer))
    assert names
    assert all(torch.equal(value, torch.zeros_like(value)) for value in biases(layer).values())
    last_parts = {n.split(".")[-1] for n, _ in layer.named_parameters()}
    assert not names & last_parts
    assert {n.split(".")[-1] for n in layer.state_dict()} == last_parts
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
    before = {n: p.detach().clone() for n, p in layer.named_parameters()}
    layer(torch.randn(2, 5, 3))[0].square().sum().backward()
    optimiser.step()
    layer.directed[0].reset_parameters()
    assert all(torch.equal(value, torch.zeros_like(value)) for value in biases(layer).values())
    assert any(not torch.equal(before[n], p) for n, p in layer.named_parameters())


@pytest.mark.parametrize("name", FAMILIAR)
def test_without_bias_equals_biases_of_zero(name: str) -> None:
    torch.manual_seed(0)
    bare, full = Recurrent(name, 3, 4, bias=False), Recurrent(name, 3, 4)
    full.load_state_dict(bare.state_dict(), strict=False)
    with torch.no_grad():
        for value in biases(full).values():
            value.zero_()
    x = torch.randn(2, 5, 3)
    torch.testing.assert_close(bare(x)[0], full(x)[0])


@pytest.mark.parametrize("name", FAMILIAR)
def test_a_bias_that_is_left_out_moves_with_the_layer(name: str) -> None:
    layer = Recurrent(name, 3, 4, bias=False).double()
    outputs, _ = layer(torch.randn(2, 5, 3, dtype=torch.float64))
    assert outputs.dtype == torch.float64
    assert {value.dtype for value in biases(layer).values()} == {torch.float64}


@pytest.mark.parametrize("name", FAMILIAR)
def test_weights_go_into_another_layer(name: str) -> None:
    first, second = (Recurrent(name, 3, 4, 2, bidirectional=True) for _ in range(2))
    x = torch.randn(2, 5, 3)
    assert not torch.equal(first(x)[0], second(x)[0])
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x)[0], second(x)[0])


@pytest.mark.parametrize("name", FAMILIAR)
def test_every_declared_parameter_is_trained(name: str) -> None:
    torch.manual_seed(0)
    layer = Recurrent(name, 3, 4, 2, bidirectional=True)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    outputs, _ = layer(torch.randn(2, 5, 3))
    outputs.square().sum().backward()
    declared = {n for directed in layer.directed for n in directed.declared}
    assert {n.split(".")[-1] for n, _ in layer.named_parameters()} == declared
    for n, p in layer.named_parameters():
        assert p.grad is not None, n
        assert p.grad.abs().sum() > 0, n


@pytest.mark.parametrize("name", FAMILIAR)
def test_a_layer_can_be_copied_and_pickled(name: str) -> None:
    layer, x = Recurrent(name, 3, 4, 2, zoneout=0.1).eval(), torch.randn(2, 5, 3)
    saved = io.BytesIO()
    torch.save(layer, saved)
    saved.seek(0)
    copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), torch.load(saved, weights_only=False)]
    expected = layer(x)[0]
    for other in copies:
        assert torch.equal(other(x)[0], expected)
    with torch.no_grad():
        next(layer.parameters()).fill_(9.0)
    assert all(torch.equal(other(x)[0], expected) for other in copies)


def test_a_copy_can_draw_its_start_values_again() -> None:
    directed = pickle.loads(pickle.dumps(GRU(3, 4))).directed[0]
    with torch.no_grad():
        directed.W_h.zero_()
    directed.reset_parameters()
    for block in directed.W_h.detach().chunk(3):
        torch.testing.assert_close(block.T @ block, torch.eye(4), rtol=0, atol=1e-5)


def test_what_it_prints_says_what_it_does() -> None:
    layer = Recurrent("lstm", 3, 4, 2, bidirectional=True, residual=True, dropout=0.2, zoneout=0.1)
    text = repr(layer)
    assert "3 -> 8, bidirectional, residual, dropout=0.2" in text
    assert "LSTMCell(input_size=3, hidden_size=4), zoneout=0.1" in text
    assert "LSTMCell(input_size=8, hidden_size=4), reverse, zoneout=0.1" in text
    assert "weight_drop" not in text


def test_training_learns_to_remember_the_first_input() -> None:
    torch.manual_seed(0)
    layer, head = Recurrent("lstm-peephole", 1, 8), torch.nn.Linear(8, 1)
    optimiser = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
    losses = []
    for _ in range(80):
        x = torch.randn(32, 6, 1)
        _, state = layer(x)
        loss = (head(state["h"][0]) - x[:, 0]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) < 0.35 * sum(losses[:10])
