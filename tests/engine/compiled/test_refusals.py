"""What the compiled engine cannot serve: it says what stops it, and engine="auto" goes on without it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from throughtime.cells import CELLS, Cell, Parameter, bias, input_matrix, recurrent_matrix
from throughtime.engine import ENGINES, EngineError, Noise, unroll
from throughtime.engine.call import Call
from throughtime.engine.in_graph import stops_graph

(ENGINE,) = (engine for engine in ENGINES if engine.name == "compiled")

DECLARED = {"W": input_matrix(3, 2), "U": recurrent_matrix(3, 3), "b": bias(3)}


def gate(x: Any, s: Any, p: Any) -> Any:
    return p.W @ x + p.U @ s.h + p.b


STEPS: dict[str, tuple[Callable[[Any, Any, Any], Any], str]] = {
    "batch norm": (lambda x, s, p: gate(x, s, p) - gate(x, s, p).mean(0), "mean along dimension 0"),
    "mean of all": (lambda x, s, p: gate(x, s, p) - torch.mean(gate(x, s, p)), "mean along all dimensions"),
    "two dimensions": (lambda x, s, p: gate(x, s, p) - gate(x, s, p).sum((0, 1)), "sum along dimension (0, 1)"),
    "softmax": (lambda x, s, p: torch.softmax(gate(x, s, p), 0), "softmax along dimension 0"),
    "max": (lambda x, s, p: gate(x, s, p) - gate(x, s, p).max(), "max along all dimensions"),
    "max of the batch": (lambda x, s, p: gate(x, s, p) - gate(x, s, p).max(0).values, "max along dimension 0"),
    "variance of all": (lambda x, s, p: gate(x, s, p) * torch.var(gate(x, s, p), False), "var"),
    "no features": (lambda x, s, p: (gate(x, s, p).T + gate(x, s, p).mean(-1)).T, "T"),
    "truths": (lambda x, s, p: gate(x, s, p) * (s.h > 0).sum(-1, keepdim=True), "sum of truth values"),
    "rms norm": (lambda x, s, p: torch.nn.functional.rms_norm(gate(x, s, p), [3]), "rms_norm without eps"),
    "another number type": (lambda x, s, p: gate(x, s, p).sum(-1, True, dtype=torch.float32), "number type"),
    "norm": (lambda x, s, p: gate(x, s, p) / gate(x, s, p).norm(), "norm"),
    "cumsum": (lambda x, s, p: gate(x, s, p).cumsum(-1), "cumsum"),
    "branch": (lambda x, s, p: gate(x, s, p) if (s.h > 0).all() else s.h, "all"),
    "truth": (lambda x, s, p: gate(x, s, p) if s.h > 0 else s.h, "decides by a tensor's value"),
    "shape": (lambda x, s, p: gate(x, s, p) / x.shape[0], "shape"),
    "size": (lambda x, s, p: gate(x, s, p) / x.size(0), "size"),
    "in place": (lambda x, s, p: gate(x, s, p).add_(1), "add_"),
    "relu_": (lambda x, s, p: torch.relu_(gate(x, s, p)), "relu_"),
    "rows": (lambda x, s, p: gate(x, s, p)[0], "indexes"),
    "every other": (lambda x, s, p: torch.cat([gate(x, s, p)[..., ::2], s.h], -1), "indexes"),
    "walk": (lambda x, s, p: torch.stack([row for row in gate(x, s, p)]), "rows"),  # noqa: C416
    "split rows": (lambda x, s, p: gate(x, s, p).chunk(3)[0], "dimension 0"),
    "transposed": (lambda x, s, p: gate(x, s, p) + s.h @ p.U.weight, "U.weight"),
    "transpose of no square": (lambda x, s, p: p.W.T @ s.h, "W.T @"),
    "transpose by values side by side": (lambda x, s, p: p.U.T @ torch.cat([x, s.h[..., :1]], -1), "side by side"),
    "matrix of another size": (lambda x, s, p: p.U @ x, "U @"),
    "matrix by a tensor": (lambda x, s, p: p.U @ torch.ones(1, 3), "U @"),
    "a part of a state": (lambda x, s, p: p.W @ (s.h[..., :2] * 2.0) + p.b, "part of h"),
    "joined values": (lambda x, s, p: torch.tanh(torch.cat([x, p.b[..., :1]], -1)), "side by side"),
    "power": (lambda x, s, p: gate(x, s, p) ** 2.5, "power"),
    "power of values": (lambda x, s, p: gate(x, s, p) ** s.h, "power"),
    "random": (lambda x, s, p: torch.nn.functional.dropout(gate(x, s, p)), "dropout"),
    "linear": (lambda x, s, p: torch.nn.functional.linear(gate(x, s, p), torch.eye(3)), "linear"),
    "argument": (lambda x, s, p: torch.tanh(gate(x, s, p), out=None), "arguments"),
    "tensor": (lambda x, s, p: gate(x, s, p) * torch.ones(3), "Tensor"),
    "no state": (lambda x, s, p: None, "returns no state 'h'"),
    "another width": (lambda x, s, p: x, "returns no state 'h' of 3"),
}


def call_of(cell: Cell, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Call:
    def some(*shape: int) -> torch.Tensor:
        return torch.full(shape, 0.1, dtype=dtype, device=device)

    return Call(
        cell,
        {n: some(*p.shape) for n, p in cell.parameters().items()},
        some(4, 3, cell.input_size),
        {n: some(4, width) for n, width in cell.widths().items()},
    )


@pytest.mark.parametrize("name", STEPS)
def test_the_operation_that_stops_it_is_named(name: str, make: Any) -> None:
    step, words = STEPS[name]
    cell = make(DECLARED, lambda x, s, p: {"h": step(x, s, p)}, {"h": 3})
    reason = ENGINE.refuses(call_of(cell))
    assert reason is not None
    assert words in reason


@pytest.mark.parametrize("name", ["softmax", "norm", "truth", "size", "tensor"])
def test_auto_falls_back_and_a_name_does_not(name: str, make: Any) -> None:
    step, words = STEPS[name]
    cell = make(DECLARED, lambda x, s, p: {"h": step(x, s, p)}, {"h": 3})
    parameters = {n: torch.randn(p.shape) for n, p in DECLARED.items()}
    x = torch.randn(1, 3, 2) if name == "truth" else torch.randn(4, 3, 2)
    if name != "truth":  # one row alone would have a truth
        expected, _ = unroll(cell, parameters, x, engine="reference")
        assert torch.equal(unroll(cell, parameters, x)[0], expected)
    with pytest.raises(EngineError, match="engine 'compiled' cannot serve this call: ") as caught:
        unroll(cell, parameters, x, engine="compiled")
    assert words in str(caught.value)
    assert str(caught.value).endswith('; pass engine="auto"')


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_numbers_are_refused_and_served_by_another_engine(dtype: torch.dtype) -> None:
    cell = CELLS["gru-full"](2, 3)
    call = call_of(cell, dtype)
    assert str(dtype) in str(ENGINE.refuses(call))
    assert "float32 or float64" in str(ENGINE.refuses(call))
    assert unroll(cell, call.parameters, call.inputs)[0].dtype == dtype


@pytest.mark.parametrize("where", ["inputs", "state", "parameters", "mask", "keep"])
def test_mixed_numbers_are_refused(where: str) -> None:
    cell = CELLS["gru-full"](2, 3)
    call = call_of(cell)
    wide = torch.float64
    changed: dict[str, Any] = {
        "inputs": {"inputs": call.inputs.to(wide)},
        "state": {"state": {"h": call.state["h"].to(wide)}},
        "parameters": {"parameters": {**call.parameters, "b": call.parameters["b"].to(wide)}},
        "mask": {"noise": Noise({"W_h": torch.ones(4, 3, dtype=wide)})},
        "keep": {"noise": Noise(keep={"h": torch.ones(4, 3, 3, dtype=wide)})},
    }[where]
    reason = ENGINE.refuses(replace(call, **changed))
    assert all(name in str(reason) for name in ("one type", "torch.float32", "torch.float64"))


def test_other_devices_are_refused() -> None:
    cell = CELLS["gru-full"](2, 3)
    call = call_of(cell, device="meta")
    assert "on meta" in str(ENGINE.refuses(call))
    assert unroll(cell, call.parameters, call.inputs)[0].shape == (4, 3, 3)


def test_matrices_of_other_ranks_are_refused(make: Any) -> None:
    declared = {**DECLARED, "b": Parameter((1, 3), "bias", torch.nn.init.zeros_)}
    cell = make(declared, lambda x, s, p: {"h": gate(x, s, p)}, {"h": 3})
    assert "parameter b has 2 dimensions" in str(ENGINE.refuses(call_of(cell)))


def test_without_llvmlite_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from throughtime.engine.compiled.llvm import build

    def missing() -> None:
        raise ImportError("llvmlite")

    monkeypatch.setattr(build, "_llvm", missing)
    call = call_of(CELLS["gru-full"](2, 3))
    assert ENGINE.refuses(call) == "llvmlite is not installed: pip install llvmlite"
    assert unroll(call.cell, call.parameters, call.inputs)[0].shape == (4, 3, 3)


def test_without_llvmlite_a_graph_ends_before_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    from throughtime.engine.compiled import cellcode
    from throughtime.engine.compiled.llvm import build

    monkeypatch.setattr(build, "_llvm", lambda: importlib.import_module("no_llvmlite"))
    for kept in (build.processor, build.target, build.shared, cellcode.compile_cell):
        kept.cache_clear()
    cell = CELLS["gru-full"](2, 3)
    assert stops_graph(cell, [call_of(cell).inputs]) == "llvmlite is not installed: pip install llvmlite"


def test_every_built_in_cell_is_served() -> None:
    assert [name for name, factory in CELLS.items() if ENGINE.refuses(call_of(factory(2, 3))) is not None] == []


# Where somebody watches operations, they must be PyTorch's own.


def small_loss(engine: str) -> Callable[[Tensor], Tensor]:
    cell = CELLS["gru-full"](2, 3)
    call = call_of(cell)

    def loss(x: Tensor) -> Tensor:
        return unroll(cell, call.parameters, x, engine=engine)[0].square().sum()

    return loss


def test_function_transforms_go_to_the_reference() -> None:
    x = torch.randn(4, 3, 2, requires_grad=True)
    expected = torch.autograd.grad(small_loss("compiled")(x), x)[0]
    torch.testing.assert_close(torch.func.grad(small_loss("auto"))(x.detach()), expected)
    with pytest.raises(EngineError, match="traced, transformed or replaced"):
        torch.func.grad(small_loss("compiled"))(x.detach())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch scripts its own decompositions
def test_forward_mode_derivatives_go_to_the_reference() -> None:
    x, direction = torch.randn(4, 3, 2), torch.randn(4, 3, 2)
    expected = torch.func.jvp(small_loss("reference"), (x,), (direction,))[1]
    with forward_ad.dual_level():
        slope = forward_ad.unpack_dual(small_loss("auto")(forward_ad.make_dual(x, direction))).tangent
    assert slope is not None
    torch.testing.assert_close(slope, expected)


def test_another_default_device_changes_nothing() -> None:
    x, lengths = torch.randn(4, 3, 2), torch.tensor([3, 0, 2, 1])
    cell = CELLS["gru-full"](2, 3)
    call = call_of(cell)
    for ragged in (None, lengths):
        for reverse in (False, True):
            options = {"lengths": ragged, "reverse": reverse, "engine": "compiled"}
            expected = unroll(cell, call.parameters, x, **options)[0]
            with torch.device("meta"):
                got = unroll(cell, call.parameters, x, state=dict(call.state), **options)[0]
            torch.testing.assert_close(got, unroll(cell, call.parameters, x, state=dict(call.state), **options)[0])
            assert got.shape == expected.shape
