"""Layers under torch.compile, torch.jit.trace and torch.export: eager's numbers, on other sizes too, or a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
import torch._dynamo.testing
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils._pytree import tree_leaves

import throughtime
from throughtime.cells import Cell, input_matrix
from throughtime.engine import EngineError, unroll
from throughtime.engine.compiled.loop import Job

KINDS = ["RNN", "GRU", "LSTM"]
pytestmark = pytest.mark.filterwarnings("ignore:.*")


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    torch._dynamo.reset()
    torch.manual_seed(0)
    yield
    torch._dynamo.reset()


class Model(nn.Module):
    """Something before and something after a layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.before, self.layer, self.after = nn.Linear(3, 3), layer, nn.Linear(4, 2)

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        ragged = {} if lengths is None else {"lengths": lengths}
        return self.after(torch.tanh(self.layer(torch.tanh(self.before(x)), **ragged)[0])).sum(-1)


def layers() -> dict[str, nn.Module]:
    ours = {kind: getattr(throughtime, kind)(3, 4, batch_first=True) for kind in KINDS}
    swapped: Any = nn.LSTM(3, 4, batch_first=True)
    throughtime.accelerate(swapped)
    both = throughtime.LSTM(3, 2, bidirectional=True, batch_first=True)
    return {**ours, "any cell": throughtime.Recurrent("gru-full", 3, 4), "both": both, "accelerated": swapped}


SIZES = [(2, 5), (2, 6), (3, 7)]


class Leaky(Cell):
    """A cell of a user's own, with an option."""

    def parameters(self) -> Any:
        return {"W_x": input_matrix(self.hidden_size, self.input_size)}

    def step(self, x: Tensor, s: Any, p: Any) -> Any:
        return {"h": 0.5 * s.h + torch.tanh(p.W_x @ x)}


def gradients(model: nn.Module, function: Any, *given: Any, **options: Any) -> list[Tensor]:
    """Results, and their gradients by the model's parameters, from the same random numbers."""
    torch.manual_seed(1)
    results = [value for value in tree_leaves(function(*given, **options)) if isinstance(value, Tensor)]
    loss = sum(value.square().sum() for value in results)
    return [*results, *torch.autograd.grad(loss, list(model.parameters()))]


MARKS = {
    "lengths": torch.tensor([5, 0, 3]),
    "resets": torch.tensor([[0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 1]]).bool(),
    "mask": torch.tensor([[1, 0, 1, 1, 1], [1, 1, 1, 1, 0], [0, 1, 1, 0, 1]]).bool(),
}
NOISE = {"zoneout": 0.3, "recurrent_dropout": 0.3, "input_dropout": 0.2, "weight_drop": 0.2, "dropout": 0.1}
WHOLE: dict[str, tuple[Any, dict[str, Any]]] = {
    "LSTM": (lambda: throughtime.LSTM(3, 4, 2, bidirectional=True, batch_first=True), {}),
    "GRU": (lambda: throughtime.GRU(3, 4, batch_first=True), {"lengths": [5, 1, 3]}),
    "RNN": (lambda: throughtime.RNN(3, 4, bias=False, batch_first=True), {"resets": MARKS["resets"]}),
    "any cell": (lambda: throughtime.Recurrent("gru-full", 3, 3, residual=True, recompute=True), MARKS),
    "noise": (lambda: throughtime.Recurrent("lstm", 3, 4, 2, bidirectional=True, merge="sum", **NOISE), {}),
    "own cell": (lambda: throughtime.Recurrent(Leaky, 3, 4, zoneout=0.2).eval(), {"state": {"h": torch.ones(1, 3, 4)}}),
}


@pytest.mark.parametrize(("name", "backend"), [*((name, "eager") for name in WHOLE), ("any cell", "aot_eager")])
def test_a_layer_is_written_into_one_graph_with_eager_s_bits(name: str, backend: str) -> None:
    make, options = WHOLE[name]
    layer = make()
    x = torch.randn(3, 5, 3)
    expected = gradients(layer, layer, x, **options)
    got = gradients(layer, torch.compile(layer, backend=backend, fullgraph=True), x, **options)
    assert all(map(torch.equal, got, expected))
    assert [value.stride() for value in got[:1]] == [value.stride() for value in expected[:1]]


def test_inductor_takes_a_loop_as_it_is() -> None:
    cell = throughtime.LSTM(3, 4).directed[0]
    given = [value.requires_grad_() for value in (torch.randn(2, 5, 3), torch.randn(2, 4), torch.randn(2, 4))]

    def model(x: Tensor, h: Tensor, c: Tensor) -> Any:  # nothing that inductor would need a C++ compiler for
        return unroll(cell.cell, cell.values(), x, state={"h": h, "c": c})

    expected = gradients(cell, model, *given)
    assert all(map(torch.equal, gradients(cell, torch.compile(model, fullgraph=True), *given), expected))


def test_a_compiled_model_with_an_accelerated_module_trains_as_it_does_without() -> None:
    model = Model(layers()["accelerated"])
    compiled = torch.compile(model, backend="aot_eager")
    for batch, steps in SIZES[::2]:
        x = torch.randn(batch, steps, 3)
        torch.testing.assert_close(gradients(model, compiled, x), gradients(model, model, x))


@pytest.mark.parametrize("name", ["both", "accelerated"])
def test_other_sizes_are_not_compiled_again_and_the_engine_runs_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Any] = []
    forward = Job.forward
    monkeypatch.setattr(Job, "forward", lambda self, *given: served.append(self) or forward(self, *given))
    monkeypatch.setattr(import_module("throughtime.layers.accelerated"), "_gains", lambda *_, **__: True)
    model = Model(layers()[name])
    counter = torch._dynamo.testing.CompileCounter()  # type: ignore[no-untyped-call]
    compiled = torch.compile(model, backend=counter, fullgraph=name == "both")
    for batch, steps in SIZES:  # one size, other steps, other rows
        compiled(torch.randn(batch, steps, 3)).sum().backward()
    graphs = counter.frame_count
    assert graphs <= 3 * (1 if name == "both" else 2)
    for batch, steps in [(4, 2), (5, 9), (6, 30), (7, 11)]:
        compiled(torch.randn(batch, steps, 3)).sum().backward()
    assert counter.frame_count == graphs
    assert len(served) == 7 * (2 if name == "both" else 1)


STOPS = {
    "packed": (throughtime.LSTM(3, 4), lambda x: (pack_sequence(list(x)),), {}, "its steps are packed"),
    "shown": (throughtime.GRU(3, 4), lambda x: (x,), {"return_states": True}, "states of every step are asked for"),
    "engine": (throughtime.GRU(3, 4, engine="torch"), lambda x: (x,), {}, "engine 'torch' is none that"),
    "half": (throughtime.GRU(3, 4, dtype=torch.bfloat16), lambda x: (x.bfloat16(),), {}, "float32 or float64, and got"),
}


@pytest.mark.parametrize("name", STOPS)
def test_what_stops_a_graph_is_told_in_the_first_line(name: str) -> None:
    layer, give, options, reason = STOPS[name]
    given = give(torch.randn(5, 2, 3))
    with pytest.raises(Exception, match="EngineError") as caught:
        torch.compile(layer, backend="eager", fullgraph=True)(*given, **options)
    first = str(caught.value).splitlines()[0]
    assert reason in first
    assert "; leave fullgraph out" in first
    torch._dynamo.reset()
    expected = gradients(layer, layer, *given, **options)
    assert all(map(torch.equal, gradients(layer, torch.compile(layer, backend="eager"), *given, **options), expected))


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_holds_for_other_sizes_and_trains(kind: str) -> None:
    layer = getattr(throughtime, kind)(3, 4, 2, bidirectional=True)
    traced = torch.jit.trace(layer, torch.randn(5, 2, 3))
    for steps, batch in ((5, 2), (7, 3), (3, 1), (2, 4)):
        x = torch.randn(steps, batch, 3)
        found = [torch.autograd.grad(m(x)[0].square().sum(), list(layer.parameters())) for m in (layer, traced)]
        torch.testing.assert_close(traced(x), layer(x))
        torch.testing.assert_close(found[1], found[0])


@pytest.mark.parametrize("name", ["LSTM", "any cell"])
def test_an_export_holds_for_other_batches(name: str) -> None:
    layer: Any = layers()[name]
    first = "inputs" if name == "any cell" else "input"
    exported = torch.export.export(
        layer, (torch.randn(2, 5, 3),), dynamic_shapes={first: {0: torch.export.Dim("B", min=2)}}
    )
    for batch in (2, 7):
        x = torch.randn(batch, 5, 3)
        torch.testing.assert_close(exported.module()(x)[0], layer(x)[0])
    with pytest.raises((AssertionError, RuntimeError)):
        exported.module()(torch.randn(2, 6, 3))


class Ragged(nn.Module):
    """Lengths as an input."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.layer(x, lengths=lengths)[0]


@pytest.mark.parametrize("write", [torch.jit.trace, torch.export.export])
def test_lengths_are_refused_in_a_line(write: Any) -> None:
    for name in ("LSTM", "any cell"):
        with pytest.raises(EngineError, match="expected no lengths under") as caught:
            write(Ragged(layers()[name]), (torch.randn(2, 5, 3), torch.tensor([5, 3])))
        assert "\n" not in str(caught.value)


def test_a_trace_of_a_loop_is_refused() -> None:
    with pytest.raises(EngineError, match=r"got FullGRUCell, whose trace .*; use torch\.export\.export"):
        torch.jit.trace(layers()["any cell"], torch.randn(2, 5, 3))
