"""What a layer refuses, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from throughtime import GRU, LSTM, EngineError, Recurrent, UserError


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, float("nan")])
@pytest.mark.parametrize("name", ["dropout", "input_dropout", "recurrent_dropout", "zoneout", "weight_drop"])
def test_a_share_is_at_least_0_and_less_than_1(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"expected {name} to be at least 0 and less than 1, got {value}"):
        Recurrent("lstm", 3, 4, **{name: value})


@pytest.mark.parametrize("layers", [0, -1])
def test_depth_is_at_least_1(layers: int) -> None:
    with pytest.raises(ValueError, match=f"expected num_layers to be at least 1, got {layers}"):
        Recurrent("lstm", 3, 4, layers)


@pytest.mark.parametrize(("sizes", "words"), [((0, 4), "input_size"), ((3, -4), "hidden_size")])
def test_sizes_are_positive(sizes: tuple[int, int], words: str) -> None:
    with pytest.raises(ValueError, match=f"LSTMCell: expected {words} to be a positive integer"):
        Recurrent("lstm", *sizes)


def test_an_unknown_cell_gets_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown cell 'lsmt' \(did you mean 'lstm'\?\)"):
        Recurrent("lsmt", 3, 4)


def test_an_unknown_engine_is_refused_when_the_layer_is_built() -> None:
    with pytest.raises(EngineError, match=r"unknown engine 'refrence' \(did you mean 'reference'\?\)"):
        Recurrent("lstm", 3, 4, engine="refrence")


@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 4), (2, 5, 3, 1)])
def test_inputs_must_be_batch_time_features(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected inputs of shape \[batch, time, 3\], got") as caught:
        Recurrent("lstm", 3, 4, 2)(torch.zeros(shape))
    assert str(list(shape)) in str(caught.value)


@pytest.mark.parametrize(
    "state",
    [
        {"h": torch.zeros(2, 2, 4)},
        {"h": torch.zeros(1, 2, 4), "c": torch.zeros(1, 2, 4)},
        {"h": torch.zeros(2, 3, 4), "c": torch.zeros(2, 3, 4)},
        {"h": torch.zeros(2, 2, 4), "c": torch.zeros(2, 2, 5)},
        {"h": torch.zeros(2, 4), "c": torch.zeros(2, 4)},
    ],
    ids=["missing", "layers", "batch", "width", "flat"],
)
def test_a_state_must_fit(state: dict[str, torch.Tensor]) -> None:
    words = r"expected an initial state of \{'h': \[2, 2, 4\], 'c': \[2, 2, 4\]\}, got"
    with pytest.raises(ValueError, match=words):
        Recurrent("lstm", 3, 4, 2)(torch.zeros(2, 5, 3), state)


def test_widths_of_the_states_are_told_apart() -> None:
    words = r"expected an initial state of \{'h': \[1, 2, 2\], 'c': \[1, 2, 4\]\}, got"
    with pytest.raises(ValueError, match=words):
        LSTM(3, 4, proj_size=2, batch_first=True)(torch.zeros(2, 5, 3), (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)))


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        (torch.tensor([6, 1]), "expected lengths from 0 to 5, got 1 to 6"),
        (torch.tensor([1]), r"expected lengths of shape \[2\] with integers, got \[1\]"),
        (torch.tensor([1.0, 2.0]), r"with integers, got \[2\] of torch.float32"),
    ],
)
def test_lengths_must_fit(lengths: torch.Tensor, words: str, residual: bool) -> None:
    with pytest.raises(ValueError, match=words):
        Recurrent("lstm", 3, 3, residual=residual)(torch.zeros(2, 5, 3), lengths=lengths)


@pytest.mark.parametrize(
    ("cell", "options", "reason"),
    [
        ("lstm-peephole", {}, "PyTorch's kernels serve .* not PeepholeLSTMCell"),
        ("gru-full", {"num_layers": 2}, "PyTorch's kernels serve .* not FullGRUCell"),
        ("lstm", {"zoneout": 0.1}, "PyTorch's kernels have no recurrent dropout and no zoneout"),
        ("gru", {"recurrent_dropout": 0.1}, "PyTorch's kernels have no recurrent dropout and no zoneout"),
    ],
)
def test_a_named_engine_says_why_it_cannot_and_what_to_pass(cell: str, options: dict[str, Any], reason: str) -> None:
    layer = Recurrent(cell, 3, 4, engine="torch", **options)
    words = f"engine 'torch' cannot serve this call: {reason}; pass engine=\"auto\""
    with pytest.raises(EngineError, match=words):
        layer(torch.zeros(2, 5, 3))
    layer.engine = "auto"
    layer(torch.zeros(2, 5, 3))


def test_noise_of_training_alone_does_not_stop_an_engine_in_use() -> None:
    layer, x = GRU(3, 4, recurrent_dropout=0.1, weight_drop=0.1, engine="torch"), torch.randn(2, 5, 3)
    outputs, _ = layer.eval()(x)
    layer.engine = "reference"
    torch.testing.assert_close(outputs, layer(x)[0])


def test_options_of_the_cell_are_checked_by_the_cell() -> None:
    with pytest.raises(ValueError, match='expected nonlinearity "tanh" or "relu"'):
        Recurrent("rnn", 3, 4, nonlinearity="gelu")
    with pytest.raises(ValueError, match="expected proj_size to be a positive integer"):
        Recurrent("lstm-projected", 3, 4, proj_size=-2)
    with pytest.raises(TypeError, match="proj_size"):
        Recurrent("lstm", 3, 4, proj_size=2)
