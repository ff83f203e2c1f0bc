"""Accelerated modules against untouched copies: every kind of call, its values and gradients, and who ran it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import throughtime

accelerated: Any = import_module("throughtime.layers.accelerated")

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

KINDS: dict[str, tuple[type[nn.RNNBase], dict[str, Any]]] = {
    "rnn-tanh": (nn.RNN, {}),
    "rnn-relu": (nn.RNN, {"nonlinearity": "relu"}),
    "gru": (nn.GRU, {}),
    "lstm": (nn.LSTM, {}),
    "lstm-projected": (nn.LSTM, {"proj_size": 2}),
}
TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-11}, torch.float32: {"rtol": 1e-4, "atol": 2e-5}}
K, N, B, T = 3, 4, 3, 5


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Cells that were run by an engine; every engine counts as faster than PyTorch."""
    seen: list[Any] = []
    unroll = accelerated.unroll

    def counting(cell: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(cell)
        return unroll(cell, *arguments, **options)

    monkeypatch.setattr(accelerated, "unroll", counting)
    monkeypatch.setattr(accelerated, "_gains", lambda *_, **__: True)
    return seen


def layer(kind: str, *, dtype: torch.dtype = torch.float64, **options: Any) -> nn.RNNBase:
    theirs, special = KINDS[kind]
    torch.manual_seed(0)
    return theirs(K, N, **special, **options).to(dtype)


def pair(module: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The module and an accelerated copy."""
    ours = copy.deepcopy(module)
    assert throughtime.accelerate(ours).swapped
    return module, ours


def initial(module: nn.RNNBase, rows: list[int], dtype: torch.dtype) -> Any:
    count = module.num_layers * (1 + module.bidirectional)
    widths = [module.proj_size or N, *([N] if isinstance(module, nn.LSTM) else [])]
    states = tuple(torch.randn(count, *rows, width, dtype=dtype) for width in widths)
    return states if isinstance(module, nn.LSTM) else states[0]


def leaves(value: Any) -> list[Tensor]:
    """All tensors of real numbers in an argument or a result."""
    if value is None:
        return []
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, PackedSequence):
        return [value.data]
    return [leaf for part in value for leaf in leaves(part)]


def outcome(module: nn.Module, make: Callable[[], tuple[Any, ...]], seed: int = 1) -> dict[str, Any]:
    """Values, strides and every gradient of a call on fresh arguments."""
    arguments = make()
    for leaf in leaves(arguments):
        leaf.requires_grad_()
    module.zero_grad()
    torch.manual_seed(seed)
    result = module(*arguments)
    found = leaves(result)
    torch.manual_seed(2)
    sum((value * torch.randn(value.shape, dtype=value.dtype)).sum() for value in found).backward()
    got: dict[str, Any] = {f"value {j}": value.detach() for j, value in enumerate(found)}
    got |= {f"gradient {j}": leaf.grad for j, leaf in enumerate(leaves(arguments))}
    got |= {f"gradient {name}": p.grad for name, p in module.named_parameters()}
    got["strides"] = [value.stride() for value in found]
    got["types"] = [type(result), type(result[1])]
    if isinstance(result[0], PackedSequence):
        got["packing"] = list(result[0][1:])
    return got


def same(got: dict[str, Any], expected: dict[str, Any], dtype: torch.dtype = torch.float64) -> None:
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        if key in ("strides", "types"):
            assert got[key] == value
        elif isinstance(value, Tensor):
            torch.testing.assert_close(got[key], value, **TOLERANCE[dtype], msg=lambda m, key=key: f"{key}: {m}")
        elif value is None:
            assert got[key] is None
        else:
            assert all(a is b is None or torch.equal(a, b) for a, b in zip(got[key], value, strict=True))


def form(name: str, module: nn.RNNBase, given: bool, dtype: torch.dtype) -> Callable[[], tuple[Any, ...]]:
    """Makes the arguments of a call, the same at every call."""

    def make() -> tuple[Any, ...]:
        torch.manual_seed(3)
        if name == "unbatched":
            return torch.randn(T, K, dtype=dtype), initial(module, [], dtype) if given else None
        hx = initial(module, [B], dtype) if given else None
        x = torch.randn(*((B, T) if module.batch_first else (T, B)), K, dtype=dtype)
        if name == "dense":
            return x, hx
        lengths = {"sorted": [5, 3, 1], "unsorted": [2, 5, 3], "whole": [5, 5, 5]}[name]
        packed = pack_padded_sequence(x, torch.tensor(lengths), module.batch_first, enforce_sorted=name == "sorted")
        return PackedSequence(packed.data.clone(), *packed[1:]), hx

    return make


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
@pytest.mark.parametrize("name", ["dense", "sorted", "unsorted", "whole", "unbatched"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_call_gives_what_torch_gives(kind: str, name: str, dtype: torch.dtype, runs: list[Any]) -> None:
    """One layer where an odd number of switches is on, else two: any four of the five meet in all their ways."""
    for switches in range(16) if dtype is torch.float64 else (0, 6, 9, 15):
        batch_first, both, bias, given = (bool(switches >> bit & 1) for bit in range(4))
        layers = 2 - switches.bit_count() % 2
        options = {"batch_first": batch_first, "bidirectional": both, "bias": bias}
        module = layer(kind, dtype=dtype, num_layers=layers, **options)
        make = form(name, module, given, dtype)
        theirs, ours = pair(module)
        expected = outcome(theirs, make)
        runs.clear()
        same(outcome(ours, make), expected, dtype)
        assert len(runs) == layers * (1 + both)


@pytest.mark.parametrize("name", ["dense", "unsorted", "whole", "unbatched"])
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_draws_the_same_mask(kind: str, name: str, runs: list[Any]) -> None:
    # Where nothing is kept there is no order of draws that steps or rows first could change.
    for batch_first, share in ((False, 0.4), (True, 0.4), (True, 1.0)):
        module = layer(kind, num_layers=3, bidirectional=True, batch_first=batch_first, dropout=share)
        make = form(name, module, True, torch.float64)
        theirs, ours = pair(module)
        same(outcome(ours, make), outcome(theirs, make))
        theirs.eval(), ours.eval()
        same(outcome(ours, make, seed=5), outcome(theirs, make, seed=6))
    assert len(runs) == 3 * 2 * 6


def test_dropout_differs_from_seed_to_seed() -> None:
    module = layer("gru", num_layers=2, dropout=0.5)
    make = form("dense", module, False, torch.float64)
    _, ours = pair(module)
    assert not torch.equal(outcome(ours, make, seed=1)["value 0"], outcome(ours, make, seed=2)["value 0"])


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_parameters_get_no_gradient(kind: str, runs: list[Any]) -> None:
    module = layer(kind, num_layers=2)
    module.weight_hh_l0.requires_grad_(False)  # type: ignore[union-attr]
    module.bias_ih_l1.requires_grad_(False)  # type: ignore[union-attr]
    make = form("dense", module, True, torch.float64)
    theirs, ours = pair(module)
    got = outcome(ours, make)
    same(got, outcome(theirs, make))
    assert got["gradient weight_hh_l0"] is got["gradient bias_ih_l1"] is None
    assert runs


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("kind", KINDS)
def test_without_gradients(kind: str, mode: Callable[[], Any], runs: list[Any]) -> None:
    module = layer(kind, num_layers=2, bidirectional=True)
    theirs, ours = pair(module)
    arguments = form("unsorted", module, True, torch.float64)()
    with mode():
        expected, got = leaves(theirs(*arguments)), leaves(ours(*arguments))
    for mine, value in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, value, **TOLERANCE[torch.float64])
        assert mine.is_inference() == value.is_inference()
        assert not mine.requires_grad
    assert runs


@pytest.mark.parametrize("kind", ["rnn-tanh", "rnn-relu", "gru"])
def test_results_may_be_changed_in_place(kind: str, runs: list[Any]) -> None:
    # As with torch.nn, where an in-place dropout or relu often follows.
    module = layer(kind)
    gradients = []
    for each in pair(module):
        outputs, state = each(*form("dense", module, False, torch.float64)())
        outputs.mul_(2.0)
        state.add_(1.0)
        (outputs.sum() + (state * state).sum()).backward()
        gradients.append([p.grad for p in each.parameters()])
    for mine, theirs in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(mine, theirs, **TOLERANCE[torch.float64])
    assert runs


BAD: dict[str, Callable[[nn.RNNBase], tuple[Any, ...]]] = {
    "features": lambda m: (torch.randn(T, B, K + 1),),
    "dimensions": lambda m: (torch.randn(2, T, B, K),),
    "one dimension": lambda m: (torch.randn(K),),
    "dtype": lambda m: (torch.randn(T, B, K, dtype=torch.float64),),
    "integers": lambda m: (torch.ones(T, B, K, dtype=torch.int64),),
    "rows of the state": lambda m: (torch.randn(T, B, K), initial(m, [B + 1], torch.float32)),
    "unbatched state": lambda m: (torch.randn(T, B, K), initial(m, [], torch.float32)),
    "batched state": lambda m: (torch.randn(T, K), initial(m, [B], torch.float32)),
    "dtype of the state": lambda m: (torch.randn(T, B, K), initial(m, [B], torch.float64)),
    "no steps": lambda m: (torch.randn(0, B, K),),
    "a list": lambda m: ([1.0, 2.0],),
    "a packed sequence of another width": lambda m: (
        pack_padded_sequence(torch.randn(T, B, K + 1), torch.tensor([5, 3, 1])),
    ),
    "a packed sequence that lacks rows": lambda m: (PackedSequence(torch.randn(4, K), torch.tensor([3, 2])),),
    "rows of the state beside a packed sequence": lambda m: (
        pack_padded_sequence(torch.randn(T, B, K), torch.tensor([5, 3, 1])),
        initial(m, [B + 1], torch.float32),
    ),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("kind", KINDS)
def test_errors_are_those_of_torch(kind: str, case: str, runs: list[Any]) -> None:
    theirs, ours = pair(layer(kind, dtype=torch.float32))
    arguments = BAD[case](theirs)  # type: ignore[arg-type]
    said = []
    for module in (theirs, ours):
        with pytest.raises((ValueError, RuntimeError, TypeError, AttributeError)) as caught:
            module(*arguments)
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]
    assert not runs


@pytest.mark.parametrize("kind", KINDS)
def test_an_lstm_state_may_be_a_list_and_nothing_else_may(kind: str) -> None:
    theirs, ours = pair(layer(kind))
    x, hx = form("dense", theirs, True, torch.float64)()  # type: ignore[arg-type]
    if isinstance(theirs, nn.LSTM):
        torch.testing.assert_close(ours(x, list(hx))[0], theirs(x, list(hx))[0], **TOLERANCE[torch.float64])
        hx = hx[0]
    else:
        hx = (hx, hx)
    for module in (theirs, ours):
        with pytest.raises((RuntimeError, AttributeError, TypeError, IndexError)):
            module(x, hx)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_gives_what_torch_gives(kind: str, runs: list[Any]) -> None:
    theirs, ours = pair(layer(kind, num_layers=2))
    x = torch.randn(T, 0, K, dtype=torch.float64)
    for mine, value in zip(leaves(ours(x)), leaves(theirs(x)), strict=True):
        assert mine.shape == value.shape
    assert not runs


def test_weights_of_another_shape_are_left_to_torch(runs: list[Any]) -> None:
    said = []
    for module in pair(layer("gru")):
        module.weight_ih_l0 = nn.Parameter(torch.randn(5, K, dtype=torch.float64))
        with pytest.raises(RuntimeError) as caught:
            module(torch.randn(T, B, K, dtype=torch.float64))
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert not runs


def test_a_packed_sequence_that_is_mostly_padding_is_left_to_torch(runs: list[Any]) -> None:
    sizes = torch.tensor([100] + [1] * 99)
    packed = PackedSequence(torch.randn(199, K, dtype=torch.float64), sizes)
    theirs, ours = pair(layer("gru"))
    torch.testing.assert_close(ours(packed)[0].data, theirs(packed)[0].data)
    assert not runs


class Fast:
    """Stands for an engine that is faster than PyTorch's own kernels."""

    name = "fast"

    def refuses(self, call: Any) -> str | None:
        return None if call.inputs.dtype == torch.float64 else "float64 alone"


ENGINES = tuple(engine for engine in accelerated.ENGINES if engine.name != "compiled")
GAINS: dict[str, tuple[str, tuple[Any, ...], torch.dtype, str, bool, bool]] = {
    "a faster engine": ("lstm", (Fast(), *ENGINES), torch.float64, "dense", True, True),
    "one that refuses": ("lstm", (Fast(), *ENGINES), torch.float32, "dense", True, False),
    "the same kernels": ("lstm", ENGINES[-2:], torch.float64, "dense", True, False),
    "the same kernels, packed": ("lstm", ENGINES[-2:], torch.float64, "sorted", True, True),
    "the same kernels, packed, no gradients": ("lstm", ENGINES[-2:], torch.float64, "sorted", False, False),
    "a faster engine, projected": ("lstm-projected", (Fast(), *ENGINES), torch.float64, "dense", True, True),
    "the plain loop": ("lstm-projected", ENGINES[-2:], torch.float64, "sorted", True, False),
}


@pytest.mark.parametrize("case", GAINS)
def test_what_gains_nothing_is_left_to_torch(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, engines, dtype, name, gradients, taken = GAINS[case]
    theirs, ours = pair(layer(kind, dtype=dtype))
    arguments = form(name, theirs, True, dtype)()  # type: ignore[arg-type]
    seen: list[Any] = []
    unroll = accelerated.unroll
    monkeypatch.setattr(accelerated, "unroll", lambda cell, *a, **k: seen.append(cell) or unroll(cell, *a, **k))
    monkeypatch.setattr(accelerated, "ENGINES", engines)
    with torch.set_grad_enabled(gradients):
        got, expected = leaves(ours(*arguments)), leaves(theirs(*arguments))
    for mine, value in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, value)
    assert bool(seen) is taken


def test_a_single_step_is_left_to_torch(runs: list[Any]) -> None:
    theirs, ours = pair(layer("lstm"))
    x = torch.randn(2, B, K, dtype=torch.float64)
    assert torch.equal(ours(x[:1])[0], theirs(x[:1])[0])
    assert not runs
    ours(x)
    assert runs


CELLS = {
    "rnn-tanh": nn.RNNCell(K, N),
    "rnn-relu": nn.RNNCell(K, N, nonlinearity="relu"),
    "gru": nn.GRUCell(K, N),
    "lstm": nn.LSTMCell(K, N),
    "lstm without bias": nn.LSTMCell(K, N, bias=False),
    "gru without bias": nn.GRUCell(K, N, bias=False),
}


@pytest.mark.parametrize("kind", CELLS)
def test_cells_are_left_while_a_step_does_not_pay(kind: str) -> None:
    module = copy.deepcopy(CELLS[kind])
    report = throughtime.accelerate(module)
    assert not report.swapped
    assert report.left[0][2].startswith("one step a call; faster over all steps in one: throughtime.")
    assert type(module) is type(CELLS[kind])


@pytest.mark.parametrize("kind", CELLS)
def test_cells_where_a_step_pays(kind: str, runs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerated, "FEWEST_STEPS", 1)
    module = copy.deepcopy(CELLS[kind]).double()
    pairs = isinstance(module, nn.LSTMCell)
    theirs, ours = pair(module)
    for rows in ([B], []):
        for given in (False, True):

            def make(rows: list[int] = rows, given: bool = given) -> tuple[Any, ...]:
                torch.manual_seed(3)
                x, h, c = (torch.randn(*rows, width, dtype=torch.float64) for width in (K, N, N))
                return x, ((h, c) if pairs else h) if given else None

            runs.clear()
            same(outcome(ours, make), outcome(theirs, make))
            assert len(runs) == 1
    for bad in (torch.randn(B, K + 1).double(), torch.randn(1, B, K).double(), torch.randn(B, K)):
        said = []
        for each in (theirs, ours):
            with pytest.raises((RuntimeError, ValueError)) as caught:
                each(bad)
            said.append((type(caught.value), str(caught.value)))
        assert said[0] == said[1]
