"""What the tests of the compiled engine share: cells made of a function, values for them, a run with its gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from throughtime.cells import Cell, Parameter
from throughtime.engine import Noise, unroll

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


def _run(cell: Cell, values: Values, engine: str, **options: Any) -> Values:
    """Outputs, final states and the gradient of a weighted sum of them by every value."""
    leaves = {n: v.detach().clone().requires_grad_() for n, v in values.items()}
    outputs, final = _call(cell, leaves, engine, **options)
    results = {"outputs": outputs, **{f"final {n}": final[n] for n in cell.state}}
    source = torch.Generator().manual_seed(99)
    weights = [torch.randn(v.shape, generator=source, dtype=torch.float64).to(v) for v in results.values()]
    loss = sum((value * weight).sum() for value, weight in zip(results.values(), weights, strict=True))
    loss = loss + sum(leaf.sum() for leaf in leaves.values()) * 0.0  # there may be a cell that depends on nothing
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    named = dict(zip((f"gradient of {n}" for n in leaves), gradients, strict=True))
    return {**{n: v.detach() for n, v in results.items()}, **named}


def _same(got: Values, expected: Values, rtol: float = 0.0, atol: float = 0.0) -> None:
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(
            got[key], value, rtol=rtol, atol=atol, equal_nan=True, msg=lambda m, key=key: f"{key}: {m}"
        )


def _agree(cell: Cell, values: Values, noise: Noise | None = None, **options: Any) -> None:
    tight = values["inputs"].dtype == torch.float64
    tolerance = {"rtol": 1e-8, "atol": 1e-10} if tight else {"rtol": 2e-3, "atol": 2e-4}
    expected = _run(cell, values, "reference", noise=noise, **options)
    _same(_run(cell, values, "compiled", noise=noise, **options), expected, **tolerance)


@pytest.fixture(scope="session")
def make() -> Callable[..., Cell]:
    """``make(parameters, step, widths)``: a cell of a function."""
    return _make


@pytest.fixture(scope="session")
def draw() -> Callable[..., Values]:
    """``draw(cell, batch, time, dtype, seed)``: inputs, initial states and parameters by name."""
    return _draw


@pytest.fixture(scope="session")
def call() -> Callable[..., tuple[Tensor, Values]]:
    """``call(cell, values, engine, …)``: outputs and final states."""
    return _call


@pytest.fixture(scope="session")
def run() -> Callable[..., Values]:
    """``run(cell, values, engine, …)``: outputs, final states and every gradient by name."""
    return _run


@pytest.fixture(scope="session")
def same() -> Callable[..., None]:
    """``same(got, expected, rtol, atol)``: the same bits, if nothing else is said."""
    return _same


@pytest.fixture(scope="session")
def agree() -> Callable[..., None]:
    """``agree(cell, values, …)``: the compiled engine gives the reference's results."""
    return _agree


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two threads, even for a small call."""
    from throughtime.engine.compiled import frame

    monkeypatch.setattr(frame, "SERIAL", 0)
    monkeypatch.setattr(frame, "MEETING", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
