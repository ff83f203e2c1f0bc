"""Weights go both ways between the layers and torch.nn, and both give the same outputs."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from throughtime import GRU, LSTM, RNN, Recurrent

KINDS: dict[str, tuple[Any, type[nn.RNNBase], dict[str, Any]]] = {
    "rnn-tanh": (RNN, nn.RNN, {"nonlinearity": "tanh"}),
    "rnn-relu": (RNN, nn.RNN, {"nonlinearity": "relu"}),
    "gru": (GRU, nn.GRU, {}),
    "lstm": (LSTM, nn.LSTM, {}),
    "lstm-projected": (LSTM, nn.LSTM, {"proj_size": 2}),
}
TIGHT = {"rtol": 1e-10, "atol": 1e-12}

every_kind = pytest.mark.parametrize("kind", KINDS)
every_shape = pytest.mark.parametrize(
    ("layers", "both", "bias", "batch_first"),
    [(1, False, True, True), (1, True, False, False), (2, False, False, True), (3, True, True, False)],
)


def pair(kind: str, layers: int, both: bool, bias: bool, batch_first: bool) -> tuple[Any, Any, dict[str, Any]]:
    ours, theirs, special = KINDS[kind]
    arguments = {"bias": bias, "batch_first": batch_first, "bidirectional": both, "num_layers": layers, **special}
    return ours, theirs, arguments


def flat(results: Any) -> list[Tensor]:
    outputs, state = results
    return [outputs, *([state] if isinstance(state, Tensor) else state)]


def assert_same_results(layer: Recurrent, module: nn.RNNBase) -> None:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(4, 6, 3, generator=draw, dtype=torch.float64)
    first = flat(module(x))
    torch.testing.assert_close(flat(layer(x)), first, **TIGHT)
    state = tuple(torch.randn(s.shape, generator=draw, dtype=s.dtype) for s in first[1:])
    given = state[0] if len(state) == 1 else state
    torch.testing.assert_close(flat(layer(x, given)), flat(module(x, given)), **TIGHT)
    assert not torch.allclose(flat(layer(x, given))[0], first[0])


@every_shape
@every_kind
def test_from_torch(kind: str, layers: int, both: bool, bias: bool, batch_first: bool) -> None:
    ours, theirs, arguments = pair(kind, layers, both, bias, batch_first)
    torch.manual_seed(0)
    module = theirs(3, 5, **arguments).double()
    layer = ours.from_torch(module)
    assert (layer.num_layers, layer.bidirectional, layer.bias, layer.batch_first) == (layers, both, bias, batch_first)
    assert_same_results(layer, module)


@every_shape
@every_kind
def test_to_torch(kind: str, layers: int, both: bool, bias: bool, batch_first: bool) -> None:
    ours, theirs, arguments = pair(kind, layers, both, bias, batch_first)
    torch.manual_seed(0)
    layer = ours(3, 5, **arguments).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    module = layer.to_torch()
    assert type(module) is theirs
    assert (module.num_layers, module.bidirectional, module.bias, module.batch_first) == (
        layers,
        both,
        bias,
        batch_first,
    )
    assert_same_results(layer, module)


@every_shape
@every_kind
def test_there_and_back_changes_nothing(kind: str, layers: int, both: bool, bias: bool, batch_first: bool) -> None:
    ours, _, arguments = pair(kind, layers, both, bias, batch_first)
    torch.manual_seed(0)
    layer = ours(3, 5, **arguments)
    back = ours.from_torch(layer.to_torch())
    assert layer.state_dict().keys() == back.state_dict().keys()
    assert all(torch.equal(back.state_dict()[n], value) for n, value in layer.state_dict().items())


@pytest.mark.parametrize(("kind", "names"), [("lstm", {"b"}), ("gru", {"b", "b_hc"})])
def test_both_biases_of_torch_count(kind: str, names: set[str]) -> None:
    ours, theirs, _ = KINDS[kind]
    module = theirs(1, 1)
    with torch.no_grad():
        module.bias_ih_l0.copy_(torch.arange(len(module.bias_ih_l0)))
        module.bias_hh_l0.fill_(10.0)
    values = {n: v.tolist() for n, v in ours.from_torch(module).directed[0].values().items() if n in names}
    # Only under the GRU's reset gate are the two apart.
    expected = {"lstm": {"b": [10, 11, 12, 13]}, "gru": {"b": [10, 11, 2], "b_hc": [10]}}
    assert values == expected[kind]


@every_kind
def test_a_conversion_is_a_copy(kind: str) -> None:
    ours, theirs, special = KINDS[kind]
    module = theirs(3, 5, **special)
    layer = ours.from_torch(module)
    before = copy.deepcopy(layer.state_dict())
    back = layer.to_torch()
    with torch.no_grad():
        for parameter in (*module.parameters(), *back.parameters()):
            parameter.fill_(7.0)
    assert all(torch.equal(layer.state_dict()[n], value) for n, value in before.items())


@every_kind
def test_dtype_mode_and_dropout_come_along(kind: str) -> None:
    ours, theirs, special = KINDS[kind]
    module = theirs(3, 5, 2, dropout=0.25, **special).double().eval()
    layer = ours.from_torch(module)
    assert not layer.training
    assert layer.dropout == 0.25
    assert {p.dtype for p in layer.parameters()} == {torch.float64}
    back = layer.to_torch()
    assert not back.training
    assert back.dropout == 0.25
    assert {p.dtype for p in back.parameters()} == {torch.float64}
    assert ours.from_torch(module.train()).training


def test_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.LSTM, got GRU"):
        LSTM.from_torch(nn.GRU(1, 1))
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.GRU, got LSTM"):
        GRU.from_torch(nn.LSTM(1, 1))
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.RNN, got Linear"):
        RNN.from_torch(nn.Linear(1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["recurrent_dropout", "zoneout", "weight_drop", "input_dropout"])
def test_what_torch_cannot_do_is_not_converted(name: str) -> None:
    with pytest.raises(ValueError, match=f"torch.nn has no {name}; build the layer without, then convert"):
        GRU(3, 5, **{name: 0.1}).to_torch()


def test_everything_in_the_way_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"torch\.nn has no zoneout and no residual;"):
        LSTM(3, 3, num_layers=2, zoneout=0.1, residual=True).to_torch()


@every_kind
def test_a_state_may_be_given_by_name(kind: str) -> None:
    ours, _, special = KINDS[kind]
    torch.manual_seed(0)
    layer = ours(3, 5, batch_first=True, **special)
    x = torch.randn(2, 4, 3)
    names = layer.cell.state
    widths = layer.cell.widths()
    state = {n: torch.randn(1, 2, widths[n]) for n in names}
    by_name = flat(layer(x, state))
    in_order = flat(layer(x, state["h"] if len(names) == 1 else tuple(state[n] for n in names)))
    assert all(torch.equal(a, b) for a, b in zip(by_name, in_order, strict=True))


@pytest.mark.parametrize(
    ("layer", "count", "words"),
    [
        (LSTM, 1, "of (h, c), got 1"),
        (LSTM, 3, "of (h, c), got 3"),
        (GRU, 2, "of (h), got 2"),
        (RNN, 0, "of (h), got 0"),
    ],
)
def test_too_few_or_too_many_states_are_counted(layer: Any, count: int, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"expected an initial state {words} tensor(s)")):
        layer(3, 5)(torch.zeros(2, 4, 3), (torch.zeros(1, 2, 5),) * count)


def test_an_lstm_given_its_output_alone_is_told_of_the_memory() -> None:
    with pytest.raises(ValueError, match=re.escape("expected an initial state of (h, c), got 1 tensor(s)")):
        LSTM(3, 5)(torch.zeros(2, 4, 3), torch.zeros(1, 2, 5))
