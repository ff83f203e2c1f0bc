"""What holds for every test, and cells made of a function, values for them, and runs of them with their gradients."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from forked import Forked
from throughtime.cells import Cell, Parameter
from throughtime.engine import Noise, unroll
from throughtime.program import Given, derive, interpret, interpret_backward, trace

# What pytest makes of asserts, and the package, are compiled once for every worker, process and run, not anew by each.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Sizes here are small: more threads only wait for each other, all the more beside a second worker.
torch.set_num_threads(1)

# What is remembered of a user must not meet what tests do.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="throughtime-tests-")

RECIPES = Path(__file__).resolve().parents[1] / "benchmarks" / "recipes"


def pytest_collection_finish() -> None:
    """What stands by now stays to the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_disk_is_waited_for() -> Iterator[None]:
    """What tests write need not outlive the machine. That a file is open when it is to be synced still shows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page on a model without its pictures, each of which takes a second: for tests that look at all else."""
    for name in ("draw_gates", "draw_gradients", "draw_history", "draw_memory", "draw_singular_values"):
        monkeypatch.setattr(f"throughtime.inspection.panels.{name}", lambda *_: None)
    monkeypatch.setattr("throughtime.inspection.page.save_figure", lambda figure, path: path.write_bytes(b""))


@pytest.fixture(scope="session")
def stick_figures() -> Any:
    """The recipe that draws and encodes videos."""
    pytest.importorskip("av")
    spec = importlib.util.spec_from_file_location("stick_figures", RECIPES / "stick_figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["stick_figures"] = module  # a dataclass looks its own module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Forked]]:
    """``forked(call, *arguments, **environment)``: a process of its own, killed at the end of the test."""
    begun: list[Forked] = []

    def begin(call: Callable[..., object], *arguments: Any, **options: Any) -> Forked:
        begun.append(Forked(tmp_path_factory.mktemp("process"), call, *arguments, **options))
        return begun[-1]

    yield begin
    for one in begun:
        one.process.kill()
        one.process.join()
        one.process.close()


Values = dict[str, Tensor]


def _make(
    declared: Mapping[str, Parameter], step: Callable[..., Any], widths: Mapping[str, int], input_size: int = 2
) -> Cell:
    body = {
        "state": tuple(widths),
        "parameters": lambda self: declared,
        "widths": lambda self: dict(widths),
        "step": lambda self, x, s, p: step(x, s, p),
    }
    return type("Made", (Cell,), body)(input_size, next(iter(widths.values())))


def _draw(cell: Cell, batch: int, time: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Values:
    source = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        # drawn as doubles, so that both number types run on the same values
        return torch.randn(*shape, generator=source, dtype=torch.float64).to(dtype)

    return {
        "inputs": random(batch, time, cell.input_size),
        **{f"initial {n}": random(batch, width) for n, width in cell.widths().items()},
        **{n: random(*p.shape) / max(cell.hidden_size, 4) ** 0.5 for n, p in cell.parameters().items()},
    }


def _call(cell: Cell, values: Values, engine: str, **options: Any) -> tuple[Tensor, Values]:
    return unroll(
        cell,
        {n: values[n] for n in cell.parameters()},
        values["inputs"],
        state={n: values[f"initial {n}"] for n in cell.state},
        engine=engine,
        **options,
    )


def _weights(results: Mapping[str, Tensor]) -> list[Tensor]:
    """What the loss weighs results with."""
    source = torch.Generator().manual_seed(99)
    return [torch.randn(v.shape, generator=source, dtype=torch.float64).to(v) for v in results.values()]


def _run(cell: Cell, values: Values, engine: str, **options: Any) -> Values:
    """Outputs, final states, what a ``look`` saw, and the gradient of a weighted sum of them by every value."""
    leaves = {n: v.detach().clone().requires_grad_() for n, v in values.items()}
    outputs, final = _call(cell, leaves, engine, **options)
    results = {"outputs": outputs, **{f"final {n}": final[n] for n in cell.state}}
    look = options.get("look")
    results |= {f"seen {n}": look.values(n) for n in sorted(look.names)} if look is not None else {}
    loss = sum((value * weight).sum() for value, weight in zip(results.values(), _weights(results), strict=True))
    loss = loss + sum(leaf.sum() for leaf in leaves.values()) * 0.0  # there may be a cell that depends on nothing
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    named = dict(zip((f"gradient of {n}" for n in leaves), gradients, strict=True))
    return {**{n: v.detach() for n, v in results.items()}, **named}


def _interpreted(
    cell: Cell,
    values: Values,
    *,
    noise: Noise | None = None,
    lengths: Tensor | None = None,
    reverse: bool = False,
    outer: bool = True,
) -> Values:
    """What :func:`_run` gives, of the traced program and its derivative, run by the interpreter."""
    noise = noise or Noise()
    keep = {n: None if isinstance(share, Tensor) else share for n, share in noise.keep.items()}
    derived = derive(trace(cell, sorted(noise.products), keep, outer=outer))
    given = Given(
        {n: values[n].numpy() for n in cell.parameters()},
        values["inputs"].numpy(),
        {n: values[f"initial {n}"].numpy() for n in cell.state},
        None if lengths is None else lengths.numpy(),
        reverse,
        {n: mask.numpy() for n, mask in noise.products.items()},
        {n: drawn.numpy() for n, drawn in noise.keep.items() if isinstance(drawn, Tensor)},
    )
    ran = interpret(derived.forward, given)
    finals = {f"final {n}": torch.from_numpy(ran.state[n]) for n in cell.state}
    results = {"outputs": torch.from_numpy(ran.outputs), **finals}
    outputs, *last = (weight.numpy() for weight in _weights(results))
    gradients = interpret_backward(derived, given, ran, outputs, dict(zip(cell.state, last, strict=True)))
    named = {"inputs": gradients.inputs, **{f"initial {n}": value for n, value in gradients.state.items()}}
    named |= gradients.parameters
    return {**results, **{f"gradient of {n}": torch.from_numpy(named[n]) for n in values}}


def _same(got: Values, expected: Values, rtol: float = 0.0, atol: float = 0.0) -> None:
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(
            got[key], value, rtol=rtol, atol=atol, equal_nan=True, msg=lambda m, key=key: f"{key}: {m}"
        )


@pytest.fixture(scope="session")
def make() -> Callable[..., Cell]:
    """``make(parameters, step, widths)``: a cell of a function."""
    return _make


@pytest.fixture(scope="session")
def draw() -> Callable[..., Values]:
    """``draw(cell, batch, time, dtype, seed)``: inputs, initial states and parameters by name."""
    return _draw


@pytest.fixture(scope="session")
def unrolled() -> Callable[..., tuple[Tensor, Values]]:
    """``unrolled(cell, values, engine, …)``: outputs and final states."""
    return _call


@pytest.fixture(scope="session")
def run() -> Callable[..., Values]:
    """``run(cell, values, engine, …)``: outputs, final states and every gradient by name."""
    return _run


@pytest.fixture(scope="session")
def interpreted() -> Callable[..., Values]:
    """``interpreted(cell, values, …)``: the same of the program that the cell is traced into, by the interpreter."""
    return _interpreted


@pytest.fixture(scope="session")
def same() -> Callable[..., None]:
    """``same(got, expected, rtol, atol)``: the same bits, if nothing else is said."""
    return _same
