"""``RNN``, ``GRU`` and ``LSTM`` in the place of those of ``torch.nn``: the same call is the same model."""

from __future__ import annotations

import copy
import inspect
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import throughtime

KINDS = ["RNN", "GRU", "LSTM"]


def pair(kind: str, **options: Any) -> tuple[Any, Any]:
    torch.manual_seed(1)
    theirs = getattr(nn, kind)(3, 4, 2, **options).double()
    return getattr(throughtime, kind).from_torch(theirs), theirs


def flat(value: Any) -> list[Tensor]:
    if isinstance(value, PackedSequence):
        return [value.data, value.batch_sizes]
    return [value] if isinstance(value, Tensor) else [tensor for part in value for tensor in flat(part)]


def same(got: Any, expected: Any) -> None:
    assert [value.shape for value in flat(got)] == [value.shape for value in flat(expected)]
    for one, other in zip(flat(got), flat(expected), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_may_be_given_by_torch_s_names(kind: str) -> None:
    names = [list(inspect.signature(layer.forward).parameters) for layer in pair(kind)]
    assert names[0][: len(names[1])] == names[1]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_single_sequences_and_packed_ones(kind: str, batch_first: bool) -> None:
    ours, theirs = pair(kind, batch_first=batch_first, bidirectional=True)
    x = torch.randn(5, 6, 3, dtype=torch.float64)
    same(ours(input=x), theirs(input=x))
    state = theirs(x)[1]
    same(ours(x, hx=state), theirs(x, hx=state))
    same(ours(x[:, 0]), theirs(x[:, 0]))
    one = theirs(x[:, 0])[1]
    same(ours(x[:, 0], one), theirs(x[:, 0], one))
    lengths = torch.tensor([2, 5, 1, 4, 5, 3]) if not batch_first else torch.tensor([2, 6, 1, 4, 5])
    packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
    same(ours(packed), theirs(packed))
    same(ours(packed, state), theirs(packed, state))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_through_a_packed_sequence(kind: str) -> None:
    found = []
    for layer in pair(kind):
        x = torch.ones(5, 3, 3, dtype=torch.float64).cumsum(0).requires_grad_()
        packed = pack_padded_sequence(x, [5, 4, 1])
        layer(packed)[0].data.square().sum().backward()
        found.append(x.grad)
    torch.testing.assert_close(found[0], found[1])


def test_what_torch_users_read_and_call() -> None:
    layer = throughtime.LSTM(3, 4, proj_size=2, dtype=torch.float64, device="cpu")
    assert layer.proj_size == 2
    assert layer(torch.zeros(1, 1, 3, dtype=torch.float64))[0].dtype == torch.float64
    assert throughtime.RNN(3, 4, nonlinearity="relu").nonlinearity == "relu"
    layer.flatten_parameters()
    before = [p.clone() for p in layer.parameters()]
    layer.reset_parameters()
    assert not all(torch.equal(a, b) for a, b in zip(before, layer.parameters(), strict=True))


def test_lengths_may_be_a_list() -> None:
    layer, x = throughtime.LSTM(3, 4, batch_first=True), torch.randn(2, 5, 3)
    assert torch.equal(layer(x, lengths=[5, 2])[0], layer(x, lengths=torch.tensor([5, 2]))[0])
    with pytest.raises(ValueError, match="expected lengths, a whole number for every row, got"):
        layer(x, lengths=[5, "two"])
    with pytest.raises(ValueError, match=r"expected lengths of 5 rows of inputs \[time, batch, features\], got 2"):
        throughtime.LSTM(3, 4)(x, lengths=[5, 2])


X = torch.zeros(2, 5, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda layer: layer(X.long()), ValueError, "expected inputs of type float, got torch.int64; embed them"),
        (lambda layer: layer(X.double()), ValueError, "expected inputs of torch.float32 as the weights are, got"),
        (lambda layer: layer(X.numpy()), TypeError, r"expected a tensor of inputs \[time, batch, 3\], got a ndarray"),
        (lambda layer: layer(torch.zeros(2, 5, 7)), ValueError, r"shape \[time, batch, 3\], got \[2, 5, 7\]"),
        (lambda layer: layer(torch.zeros(3)), ValueError, r"shape \[time, batch, 3\], got \[3\]"),
        (lambda layer: layer(X, (torch.zeros(1, 5, 4).double(),) * 2), ValueError, "an initial state of torch.float32"),
        (lambda layer: layer(pack_padded_sequence(X, [2] * 5), lengths=[2] * 5), ValueError, "has its own; leave"),
        (lambda layer: layer(X[0], lengths=[5]), ValueError, "expected no lengths beside one sequence"),
        (lambda layer: throughtime.LSTM(3, 4, proj_size=9), ValueError, "proj_size to be less than hidden_size 4"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_line(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call(throughtime.LSTM(3, 4))
    assert "\n" not in str(caught.value)


def test_a_stack_of_any_cell_is_told_of_a_packed_sequence() -> None:
    with pytest.raises(TypeError, match="got a PackedSequence; pass the padded batch and lengths="):
        throughtime.Recurrent("lstm-peephole", 3, 4)(pack_padded_sequence(X, [2] * 5))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_takes_the_weights_of_a_single_step_and_of_what_is_accelerated(kind: str, bias: bool) -> None:
    torch.manual_seed(0)
    cell, x = getattr(nn, f"{kind}Cell")(3, 4, bias=bias), torch.randn(5, 2, 3)
    outputs, state = [], None
    for step in x:
        state = cell(step, state)
        outputs.append(state[0] if kind == "LSTM" else state)
    layer = getattr(throughtime, kind).from_torch(cell)
    torch.testing.assert_close(layer(x)[0], torch.stack(outputs))
    theirs = getattr(nn, kind)(3, 4, bias=bias)
    expected = theirs(x)[0]
    throughtime.accelerate(theirs)
    torch.testing.assert_close(getattr(throughtime, kind).from_torch(theirs)(x)[0], expected)


OTHERWISE = {
    "weights of the two": r"(weight|bias)_(ih|hh)_l\d",  # ours have one bias; from_torch and to_torch convert
    "checks by parts": r"check_\w+|get_expected_\w+|permute_hidden",  # a call is checked as a whole
}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_torch_s_layers_have_ours_have_too(kind: str) -> None:
    ours, theirs = pair(kind)
    public = {name for name in dir(theirs) if not name.startswith("_")}
    missing = {name for name in public if not hasattr(ours, name)}
    assert {name for name in missing if not any(re.fullmatch(r, name) for r in OTHERWISE.values())} == set()
    accelerated = copy.deepcopy(theirs)
    throughtime.accelerate(accelerated)
    assert [name for name in dir(theirs) if not hasattr(accelerated, name)] == []
    for name in public - missing:
        value = getattr(theirs, name)
        if isinstance(value, (bool, int, float, str)) and not inspect.isroutine(value):
            assert getattr(ours, name) == getattr(accelerated, name) == value, name
        assert callable(getattr(ours, name)) == callable(value), name
    assert [len(weights) for weights in ours.all_weights] == [3 + (kind == "GRU")] * 2
    assert all(a is b for a, b in zip([w for ws in ours.all_weights for w in ws], ours.parameters(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_constructors_take_what_torch_s_take(kind: str) -> None:
    theirs, ours = getattr(nn, kind), getattr(throughtime, kind)
    options = {"bias": False, "batch_first": True, "dropout": 0.2, "bidirectional": True, "dtype": torch.float64}
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    for layer in (theirs(3, 4, 2, device="cpu", **options), ours(3, 4, 2, device="cpu", **options)):
        assert layer(x)[0].shape == (2, 5, 8)
        assert not [name for name, _ in layer.named_parameters() if "b" in name.rsplit(".", 1)[-1].split("_")[0]]
    assert ours(3, 4, nonlinearity="relu").mode == "RNN_RELU" if kind == "RNN" else ours(3, 4).mode == kind
    for layer in (theirs, ours):
        with pytest.warns(UserWarning, match="dropout"):
            layer(3, 4, dropout=0.5)
