"""RNN, GRU and LSTM against torch.nn: outputs, final states and every gradient, on every engine that serves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from throughtime import GRU, LSTM, RNN, Recurrent
from throughtime.engine import ENGINES, zero_state
from throughtime.engine.call import Call

Pair = tuple[Any, type[nn.RNNBase], dict[str, Any]]
KINDS: dict[str, Pair] = {
    "rnn-tanh": (RNN, nn.RNN, {"nonlinearity": "tanh"}),
    "rnn-relu": (RNN, nn.RNN, {"nonlinearity": "relu"}),
    "gru": (GRU, nn.GRU, {}),
    "lstm": (LSTM, nn.LSTM, {}),
    "lstm-projected": (LSTM, nn.LSTM, {"proj_size": 2}),
}
TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-11}, torch.float32: {"rtol": 1e-4, "atol": 2e-5}}


def serving(kind: str) -> list[str]:
    """The engines that serve a kind."""
    ours, _, special = KINDS[kind]
    directed = ours(2, 3, **special).directed[0]
    x = torch.zeros(1, 1, 2)
    call = Call(directed.cell, directed.values(), x, zero_state(directed.cell, x))
    return [engine.name for engine in ENGINES if engine.refuses(call) is None]


CASES = [(kind, engine) for kind in KINDS for engine in serving(kind)]


@dataclass
class Drawn:
    """One comparison: a module of torch.nn with random weights, and what both are run on."""

    module: nn.RNNBase
    inputs: Tensor
    state: list[Tensor]
    lengths: Tensor
    weigh: list[Tensor]


@st.composite
def comparisons(draw: st.DrawFn, kind: str, dtype: torch.dtype) -> Drawn:
    batch, time, k, n = (draw(st.integers(low, high)) for low, high in ((1, 4), (1, 6), (1, 4), (3, 5)))
    layers, both = draw(st.integers(1, 3)), draw(st.booleans())
    lengths = draw(st.lists(st.integers(1, time), min_size=batch, max_size=batch))
    torch.manual_seed(draw(st.integers(0, 999)))
    _, theirs, special = KINDS[kind]
    module = theirs(k, n, layers, bias=draw(st.booleans()), batch_first=True, bidirectional=both, **special)
    runs, width = layers * (1 + both), special.get("proj_size", n)
    shapes = [(runs, batch, width), *([(runs, batch, n)] if theirs is nn.LSTM else [])]
    return Drawn(
        module.to(dtype),
        torch.randn(batch, time, k, dtype=dtype),
        [torch.randn(shape, dtype=dtype) for shape in shapes],
        torch.tensor(lengths),
        [torch.randn(shape, dtype=dtype) for shape in [(batch, time, width * (1 + both)), *shapes]],
    )


def as_torch_takes(state: list[Tensor]) -> Any:
    return state[0] if len(state) == 1 else tuple(state)


def results(outputs: Tensor, state: Any, weigh: list[Tensor], leaves: list[Tensor]) -> dict[str, Tensor]:
    """Values and the gradients of the inputs and the initial state; parameters get theirs in ``grad``."""
    values = [outputs, *([state] if isinstance(state, Tensor) else state)]
    sum((value * w).sum() for value, w in zip(values, weigh, strict=True)).backward()
    gradients = {f"gradient {j}": leaf.grad for j, leaf in enumerate(leaves)}
    return {f"value {j}": value.detach() for j, value in enumerate(values)} | gradients


def run_torch(drawn: Drawn) -> dict[str, Tensor]:
    x, *state = leaves = [value.clone().requires_grad_() for value in (drawn.inputs, *drawn.state)]
    packed = pack_padded_sequence(x, drawn.lengths, batch_first=True, enforce_sorted=False)
    outputs, final = drawn.module(packed, as_torch_takes(state))
    padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
    return results(padded, final, drawn.weigh, leaves)


def run_ours(layer: Recurrent, drawn: Drawn) -> dict[str, Tensor]:
    x, *state = leaves = [value.clone().requires_grad_() for value in (drawn.inputs, *drawn.state)]
    outputs, final = layer(x, as_torch_takes(state), drawn.lengths)
    return results(outputs, final, drawn.weigh, leaves)


def assert_gradients_of_weights(layer: Recurrent, module: nn.RNNBase, tolerance: dict[str, float]) -> None:
    for j, directed in enumerate(layer.directed):
        directions = 2 if module.bidirectional else 1
        suffix = f"_l{j // directions}{'_reverse' if j % directions else ''}"
        theirs = {"W_x": f"weight_ih{suffix}", "W_h": f"weight_hh{suffix}"}
        theirs |= {"W_p": f"weight_hr{suffix}"} if "W_p" in directed.declared else {}
        theirs |= {"b": f"bias_ih{suffix}"} if module.bias else {}
        compared = {name: getattr(module, theirs[name]).grad for name in theirs}
        if module.bias and isinstance(module, nn.GRU):
            compared["b_hc"] = getattr(module, f"bias_hh{suffix}").grad[2 * module.hidden_size :]
        got = {name: value.grad for name, value in directed.named_parameters()}
        assert got.keys() == compared.keys()
        for name, gradient in compared.items():
            torch.testing.assert_close(got[name], gradient, **tolerance, msg=lambda m, n=name, s=suffix: f"{n}{s}: {m}")


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
@pytest.mark.parametrize(("kind", "engine"), CASES)
def test_ragged_and_deep(kind: str, engine: str, dtype: torch.dtype) -> None:
    # Shapes and options go the same ways in both types of numbers: the second one needs a few.
    @settings(deadline=None, derandomize=True, max_examples=12 if dtype is torch.float64 else 4)
    @given(comparisons(kind, dtype))
    def check(drawn: Drawn) -> None:
        layer = KINDS[kind][0].from_torch(drawn.module)
        layer.engine = engine
        expected, got = run_torch(drawn), run_ours(layer, drawn)
        assert got.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(
                got[key], value, **TOLERANCE[dtype], msg=lambda m, key=key: f"{drawn.module} {key}: {m}"
            )
        assert_gradients_of_weights(layer, drawn.module, TOLERANCE[dtype])

    check()


@pytest.mark.parametrize(("kind", "engine"), CASES)
def test_empty_rows_among_others(kind: str, engine: str) -> None:
    # torch.nn refuses empty rows: it runs the others alone.
    ours, theirs, special = KINDS[kind]
    torch.manual_seed(3)
    module = theirs(2, 3, 2, batch_first=True, bidirectional=True, **special).double()
    layer = ours.from_torch(module)
    layer.engine = engine
    width = special.get("proj_size", 3)
    x = torch.randn(4, 5, 2, dtype=torch.float64)
    widths = [width, 3] if theirs is nn.LSTM else [width]
    state = [torch.randn(4, 4, w, dtype=torch.float64) for w in widths]
    lengths, real, empty = torch.tensor([0, 4, 0, 2]), [1, 3], [0, 2]
    weigh = [torch.randn(4, 5, 2 * width, dtype=torch.float64), *(torch.randn_like(s) for s in state)]
    got = run_ours(layer, Drawn(module, x, state, lengths, weigh))
    alone = [weigh[0][real], *(w[:, real] for w in weigh[1:])]
    expected = run_torch(Drawn(module, x[real], [s[:, real] for s in state], lengths[real], alone))
    assert got["value 0"][empty].eq(0).all()
    assert got["gradient 0"][empty].eq(0).all()
    for j, initial in enumerate(state, start=1):
        assert torch.equal(got[f"value {j}"][:, empty], initial[:, empty])
        # Nothing but the loss itself touches the state of an empty row.
        assert torch.equal(got[f"gradient {j}"][:, empty], weigh[j][:, empty])
    for key, value in expected.items():
        rows = got[key][real] if key.endswith(" 0") else got[key][:, real]
        torch.testing.assert_close(rows, value, **TOLERANCE[torch.float64])
    assert_gradients_of_weights(layer, module, TOLERANCE[torch.float64])
