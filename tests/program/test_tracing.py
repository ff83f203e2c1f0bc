"""A step is pure: torch.fx can trace it, and the traced graph computes the same."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, fx

from throughtime.cells import CELLS, Cell, Matrix
from throughtime.engine import bind


def flat_step(cell: Cell) -> Callable[..., Any]:
    """The step as a function of x, every state and every parameter, in the order of their declaration."""
    declared, states = cell.parameters(), cell.state

    def step(*args: Any) -> Any:
        # Indexed, not unpacked: under the tracer the whole of ``args`` is one proxy.
        s = {name: args[1 + j] for j, name in enumerate(states)}
        p = {name: args[1 + len(states) + j] for j, name in enumerate(declared)}
        matrices = {name for name, parameter in declared.items() if parameter.role in ("input", "recurrent")}
        wrapped = {name: Matrix(value) if name in matrices else value for name, value in p.items()}
        return cell.step(args[0], SimpleNamespace(**s), SimpleNamespace(**wrapped))

    return step


def writes_in_place(node: fx.Node) -> bool:
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    name = getattr(node.target, "__name__", "")
    return node.op == "call_function" and (name.endswith("_") or name == "setitem" or "out" in node.kwargs)


def random(cell: Cell, batch: int, seed: int) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, cell.input_size, generator=draw)
    state = {name: torch.randn(batch, width, generator=draw) for name, width in cell.widths().items()}
    return x, state, {n: torch.randn(p.shape, generator=draw) for n, p in cell.parameters().items()}


@pytest.mark.parametrize("name", CELLS)
def test_a_traced_step_gives_the_same_values_at_any_batch(name: str) -> None:
    cell = CELLS[name](4, 6)
    traced = fx.symbolic_trace(flat_step(cell))
    for batch in (1, 5):
        x, state, parameters = random(cell, batch, seed=batch)
        expected = cell.step(x, SimpleNamespace(**state), bind(cell, parameters))
        got = traced(x, *state.values(), *parameters.values())
        assert list(got) == list(expected)
        assert all(torch.equal(got[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", CELLS)
def test_a_traced_step_writes_nothing_in_place_and_holds_no_constants(name: str) -> None:
    graph = fx.symbolic_trace(flat_step(CELLS[name](4, 6))).graph
    assert [node.name for node in graph.nodes if writes_in_place(node)] == []
    assert [node.name for node in graph.nodes if node.op == "get_attr"] == []


@pytest.mark.parametrize("name", CELLS)
def test_a_step_leaves_its_arguments_alone(name: str) -> None:
    cell = CELLS[name](4, 6)
    x, state, parameters = random(cell, 3, seed=0)
    given = [x, *state.values(), *parameters.values()]
    before = [value.clone() for value in given]
    cell.step(x, SimpleNamespace(**state), bind(cell, parameters))
    assert all(torch.equal(value, old) for value, old in zip(given, before, strict=True))


def test_the_check_sees_an_in_place_write() -> None:
    def method(a: Tensor) -> Tensor:
        return a.add_(1)

    def function(a: Tensor) -> Tensor:
        return torch.relu_(a)

    def into(a: Tensor) -> Tensor:
        return torch.add(a, 1, out=a)

    for impure in (method, function, into):
        assert any(writes_in_place(node) for node in fx.symbolic_trace(impure).graph.nodes)
