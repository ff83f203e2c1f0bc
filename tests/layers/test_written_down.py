"""Layers under torch.compile, torch.jit.trace and torch.export: eager's numbers, on other sizes too, or a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import throughtime
from throughtime.engine import EngineError
from throughtime.engine.compiled import CompiledEngine

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
    deep = throughtime.LSTM(3, 2, 2, bidirectional=True, batch_first=True)
    return {**ours, "any cell": throughtime.Recurrent("gru-full", 3, 4), "deep": deep, "accelerated": swapped}


SIZES = [(2, 5), (2, 6), (3, 7)]


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("LSTM", "aot_eager"),
        ("any cell", "eager"),
        ("accelerated", "aot_eager"),
    ],
)
def test_a_compiled_model_trains_as_it_does_without(name: str, backend: str) -> None:
    model = Model(layers()[name])
    compiled = torch.compile(model, backend=backend)
    for ragged in (False, True) if name != "accelerated" else (False,):
        for batch, steps in SIZES[::2]:
            x = torch.randn(batch, steps, 3)
            lengths = torch.arange(batch) % steps + 1 if ragged else None
            found = [
                torch.autograd.grad(m(x, lengths).square().sum(), list(model.parameters())) for m in (model, compiled)
            ]
            torch.testing.assert_close(compiled(x, lengths), model(x, lengths))
            for got, expected in zip(found[1], found[0], strict=True):
                torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("name", ["deep", "accelerated"])
def test_other_sizes_are_not_compiled_again_and_the_engine_runs_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Any] = []
    run = CompiledEngine.run
    monkeypatch.setattr(CompiledEngine, "run", lambda self, call: served.append(call) or run(self, call))
    monkeypatch.setattr(import_module("throughtime.layers.accelerated"), "_gains", lambda *_, **__: True)
    model = Model(layers()[name])
    counter = torch._dynamo.testing.CompileCounter()  # type: ignore[no-untyped-call]
    compiled = torch.compile(model, backend=counter)
    for batch, steps in SIZES:
        compiled(torch.randn(batch, steps, 3)).sum().backward()
    graphs = counter.frame_count
    for batch, steps in [(4, 2), (5, 9), (6, 30), (7, 11)]:
        compiled(torch.randn(batch, steps, 3)).sum().backward()
    assert counter.frame_count == graphs
    assert len(served) == 7 * (4 if name == "deep" else 1)


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
