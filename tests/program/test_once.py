"""What depends on parameters alone is computed once a call: the same results, the same gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from throughtime import Recurrent
from throughtime.cells import CELLS, Cell, bias, input_matrix, recurrent_matrix, vector
from throughtime.program import Given, Program, derive, hoist, interpret, interpret_backward, program_text, trace

HOISTED = ("lru", "rg-lru", "unicornn", "fastrnn", "fastgrnn")


class Steady(Cell):
    """Numbers and vectors in many functions, of which one is a state's, one is shown, and one is plain."""

    state = ("h", "m")

    def parameters(self) -> Any:
        n, k = self.hidden_size, self.input_size
        vectors = {"a": vector(n, 0.3), "b": bias(n, 0.2), "one": vector(1, 0.7), "two": vector(2 * n, 0.5)}
        return {"W": input_matrix(n, k), "U": recurrent_matrix(n, n), **vectors}

    def step(self, x: Any, s: Any, p: Any) -> Any:
        low, high = p.two.chunk(2, -1)
        share = torch.exp(p.a - p.a.amax(-1, keepdim=True))
        share = share / share.sum(-1, keepdim=True)
        bound = torch.maximum(torch.where(low > p.a, torch.tanh(low), -F.softplus(high)), torch.sin(p.a).abs())
        shown = torch.sigmoid(p.b)
        h = torch.tanh(p.W @ x + p.U @ s.h + p.b) * torch.sigmoid(p.one) + share * s.h * bound / (1 + p.b)
        return {"h": h, "m": s.m + shown * torch.log(p.one + 1) + 0 * s.m, "shown": shown}


def random(cell: Cell, dtype: Any = np.float64) -> Given:
    draw = np.random.default_rng(0)
    values = {n: draw.uniform(0.1, 0.9, p.shape).astype(dtype) for n, p in cell.parameters().items()}
    state = {n: draw.normal(size=(3, w)).astype(dtype) for n, w in cell.widths().items()}
    return Given(values, draw.normal(size=(3, 4, cell.input_size)).astype(dtype), state, np.array([4, 2, 3]))


def gradients(program: Program, given: Given) -> tuple[Any, Any]:
    derived = derive(program)
    ran = interpret(program, given)
    found = interpret_backward(derived, given, ran, np.sin(ran.outputs), {n: np.cos(v) for n, v in ran.state.items()})
    return ran, found


@pytest.mark.parametrize("name", [*HOISTED, "steady"])
def test_the_step_without_it_gives_the_same(name: str) -> None:
    cell = Steady(2, 5) if name == "steady" else CELLS[name](2, 5)
    given = random(cell)
    program = trace(cell)
    short, once = hoist(program)
    ran, expected = gradients(program, given)
    tensors = {n: torch.from_numpy(value) for n, value in given.parameters.items()}
    filled = {n: value.numpy() for n, value in once.filled(tensors).items()}
    again, found = gradients(short, Given(filled, given.inputs, given.state, given.lengths))
    np.testing.assert_allclose(again.outputs, ran.outputs, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(found.inputs, expected.inputs, rtol=1e-12, atol=1e-12)
    arrived = {n: torch.from_numpy(value) for n, value in found.parameters.items()}
    pulled = once.handed_on(arrived, tensors, dict.fromkeys(tensors, True))
    assert pulled.keys() == expected.parameters.keys()
    for n, value in expected.parameters.items():
        np.testing.assert_allclose(pulled[n].numpy(), value, rtol=1e-11, atol=1e-12, err_msg=n)


def test_which_cells_have_it() -> None:
    assert {name for name, make in CELLS.items() if hoist(trace(make(2, 3)))[1].places} == set(HOISTED)


def test_a_step_is_left_with_what_varies() -> None:
    program, once = hoist(trace(Steady(2, 5)))
    left = {program.nodes[place].op for place in program.reachable()}
    assert left == {"state", "outer", "vector", "constant", "product", "add", "mul", "div", "tanh"}
    # of the number that all units share, the share, the bound, what goes into m; 1 + b is as cheap as to read it
    assert len(once.places) == 4
    shown, fewer = hoist(trace(Steady(2, 5), shows=True))
    assert len(fewer.places) == 4
    assert shown.nodes[shown.shown["shown"]].op == "sigmoid"
    text = program_text(program, derive(program), once)
    assert text.startswith("once a call\n")
    assert "\n\nforward\n" in text
    assert "    v" in text


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", [*HOISTED, "steady"])
def test_engines_agree_through_a_layer(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = Recurrent(Steady if name == "steady" else name, 3, 5, bidirectional=True, engine="compiled").to(dtype)
    x = torch.randn(4, 6, 3, dtype=dtype, requires_grad=True)
    found = []
    for engine in ("compiled", "reference"):
        layer.engine = engine
        outputs, state = layer(x, lengths=torch.tensor([6, 0, 3, 5]))
        loss = outputs.sin().sum() + sum(value.cos().sum() for value in state.values())
        found.append([outputs, *torch.autograd.grad(loss, [x, *layer.parameters()], allow_unused=True)])
    rtol = 1e-4 if dtype == torch.float32 else 1e-9
    for got, expected in zip(*found, strict=True):
        expected = torch.zeros_like(got) if expected is None else expected
        torch.testing.assert_close(got, expected, rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("frozen", [(), ("nu", "theta"), ("nu", "theta", "gamma")], ids=str)
def test_frozen_parameters_have_no_gradient_and_windows_the_same(frozen: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    layer = Recurrent("lru", 3, 5, engine="compiled").double()
    for name, value in layer.named_parameters():
        value.requires_grad_(name.rsplit(".", 1)[-1] not in frozen)
    wanted = [value for value in layer.parameters() if value.requires_grad]
    x = torch.randn(2, 40, 3, dtype=torch.float64)
    found = []
    for engine, recompute in (("compiled", False), ("compiled", True), ("reference", False)):
        layer.engine, layer.recompute = engine, recompute
        found.append(torch.autograd.grad(layer(x)[0].sin().sum(), wanted))
    for got in found[:2]:
        torch.testing.assert_close(got, found[2], rtol=1e-9, atol=1e-10)


def test_streams_and_rows_have_the_bits_of_the_batch() -> None:
    torch.manual_seed(0)
    layer = Recurrent("rg-lru", 3, 70, engine="compiled")
    x = torch.randn(5, 4, 3)
    whole = layer(x)[0]
    assert torch.equal(layer(x[2:3])[0], whole[2:3])
    stream = layer.stream()
    assert torch.equal(torch.stack([stream.step(x[3:4, t])[0] for t in range(4)]), whole[3])
