"""Cells and calls that a compiler easily gets wrong, each as small as it goes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from forked import Forked, execute
from throughtime.cells import CELLS, Cell, bias, input_matrix, recurrent_matrix, vector
from throughtime.engine import EngineError, unroll

I, M = input_matrix, recurrent_matrix  # noqa: E741
tanh, sigmoid, cat = torch.tanh, torch.sigmoid, torch.cat


def swapped_gates(x: Any, s: Any, p: Any) -> dict[str, Any]:
    r, z = (p.U @ s.h).chunk(2, -1)
    second, first = (p.V @ s.m).chunk(2, -1)
    return {"h": tanh(r + first + p.W @ x), "m": tanh(z + second)}


def shared_gate(x: Any, s: Any, p: Any) -> dict[str, Any]:
    a, b, c = (p.U @ s.h).chunk(3, -1)
    return {"h": tanh(b + p.V @ s.m + p.W @ x), "m": tanh(a) * sigmoid(c)}


def both_halves(x: Any, s: Any, p: Any) -> dict[str, Any]:
    a, b = (p.U @ s.h).chunk(2, -1)
    return {"h": tanh(a + b + p.W @ x)}


def delay_line(x: Any, s: Any, p: Any) -> dict[str, Any]:
    r = sigmoid(p.A @ s.h)
    return {"h": tanh(p.U @ (r * s.h) + s.c), "c": s.m, "m": tanh(p.W @ x)}


def swapped_states(x: Any, s: Any, p: Any) -> dict[str, Any]:
    r = sigmoid(p.A @ s.h)
    return {"h": tanh(p.U @ (r * s.h) + s.c + p.W @ x), "c": s.m, "m": s.c}


Case = tuple[dict[str, Any], dict[str, int], Callable[[Any, Any, Any], dict[str, Any]]]
THREE = {"h": 3, "c": 3, "m": 3}
SHORT, WIDE = {"h": 3, "m": 3}, {"h": 3, "m": 5}
CASES: dict[str, Case] = {
    # x is read, and its gradient written, from the block's column on
    "x joined after a state": ({"W": M(3, 5)}, {"h": 3}, lambda x, s, p: {"h": tanh(p.W @ cat([s.h, x], -1))}),
    # a spread vector is known by its name alone: sums and the expanded buffer are of one width only
    "a scalar for two widths": (
        {"W": I(3, 2), "V": I(5, 2), "s": vector(1)},
        WIDE,
        lambda x, s, p: {"h": tanh(p.W @ x + p.s * s.h), "m": tanh(p.V @ x + p.s * s.m)},
    ),
    # operands (g1, g2) and (g2, g1): the second group has its slots already, and not side by side
    "gates in two orders": ({"W": I(3, 2), "U": M(6, 3), "V": M(6, 3)}, SHORT, swapped_gates),
    # the operand (g2) of V has its slot before (g1, g2, g3) of U
    "a gate's gradient alone and among others": ({"W": I(3, 2), "U": M(9, 3), "V": M(3, 3)}, SHORT, shared_gate),
    # the operand (g, g) has one slot
    "two gates of one gradient": ({"W": I(3, 2), "U": M(6, 3)}, {"h": 3}, both_halves),
    # a slot's readers are counted without products: that of V @ x is taken before W reads it
    "a product of a product of x": (
        {"W": M(3, 3), "V": I(3, 2), "U": M(3, 3)},
        {"h": 3},
        lambda x, s, p: {"h": tanh(p.W @ (p.V @ x) + sigmoid(p.U @ s.h))},
    ),
    # c = m is written in a later stage than m
    "a delay line": ({"W": I(3, 2), "U": M(3, 3), "A": M(3, 3)}, THREE, delay_line),
    "swapped states": ({"W": I(3, 2), "U": M(3, 3), "A": M(3, 3)}, THREE, swapped_states),
    # the gradient of a product is the leaf d m: once it has a slot it is read from there, before it is written
    "a product that is a state": (
        {"W": I(3, 2), "U": M(3, 3)},
        SHORT,
        lambda x, s, p: {"h": tanh(p.W @ x + s.m), "m": p.U @ s.h},
    ),
    "the input as a state": (
        {"U": M(2, 2)},
        {"h": 2, "m": 2},
        lambda x, s, p: {"h": x, "m": p.U @ s.h},
    ),
    # names that mean something else inside
    "a state named x": ({"W": I(3, 2), "U": M(3, 3)}, {"x": 3}, lambda x, s, p: {"x": tanh(p.U @ s.x + p.W @ x)}),
    "no parameters": ({}, {"h": 2}, lambda x, s, p: {"h": tanh(s.h + x)}),
    "logsigmoid": ({"W": I(3, 2)}, {"h": 3}, lambda x, s, p: {"h": F.logsigmoid(p.W @ x + s.h)}),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str, make: Any, draw: Any, agree: Any) -> None:
    declared, widths, step = CASES[name]
    cell = make(declared, step, widths)
    agree(cell, draw(cell, 3, 4))


NO_ROWS: dict[str, tuple[Any, str]] = {
    # truth values add up to truth, not to two
    "a sum of truths": (lambda x, s, p: {"h": tanh(p.W @ x + s.h) * ((s.h > -9) + (s.h > -8))}, "add of truth values"),
    "an attribute": (
        lambda x, s, p: {"h": p.W @ x if x.is_cuda else tanh(p.W @ x + s.h)},
        "asks for a value's is_cuda",
    ),
}


@pytest.mark.parametrize("name", NO_ROWS)
def test_left_to_the_reference(name: str, make: Any, draw: Any, call: Any) -> None:
    step, reason = NO_ROWS[name]
    cell = make({"W": I(3, 2)}, step, {"h": 3})
    values = draw(cell, 3, 4)
    assert torch.equal(call(cell, values, "auto")[0], call(cell, values, "reference")[0])
    with pytest.raises(EngineError, match=reason):
        call(cell, values, "compiled")


@pytest.mark.parametrize("name", CASES)
def test_values_in_use(name: str, make: Any, draw: Any, call: Any, same: Any) -> None:
    declared, widths, step = CASES[name]
    cell = make(declared, step, widths)
    values = draw(cell, 3, 4)
    (got, final), (expected, right) = call(cell, values, "compiled"), call(cell, values, "reference")
    same({"outputs": got, **final}, {"outputs": expected, **right}, rtol=1e-9, atol=1e-11)


def test_backward_twice_of_a_state_without_a_history(forked: Callable[..., Forked]) -> None:
    # c is needed by nothing backward, so it has no history, and the forward run is repeated without it: a null pointer
    code = """
    import torch
    from throughtime.cells import Cell, input_matrix
    from throughtime.engine import unroll
    class Sum(Cell):
        state = ("h", "c")
        def parameters(self):
            return {"W": input_matrix(3, 2)}
        def step(self, x, s, p):
            h = torch.tanh(p.W @ x + s.c)
            return {"h": h, "c": s.c * 0.5 + h}
    W, x = torch.ones(3, 2, requires_grad=True), torch.ones(2, 4, 2)
    outputs, _ = unroll(Sum(2, 3), {"W": W}, x, engine="compiled")
    outputs.sum().backward(retain_graph=True)
    once = W.grad.clone()
    outputs.sum().backward()
    assert torch.equal(W.grad, 2 * once)
    """
    ended = forked(execute, code).end()
    assert ended.status == 0, ended.err


def test_outputs_cannot_be_changed_in_place_unseen(draw: Any, call: Any) -> None:
    # they are what the gradient is computed from
    cell = CELLS["rnn"](2, 3)
    leaves = {n: v.requires_grad_() for n, v in draw(cell, 3, 4).items()}
    outputs, _ = call(cell, leaves, "compiled")
    with pytest.raises(RuntimeError, match="inplace"):
        outputs.mul_(2.0)


def test_joined_values_are_not_mistaken_for_others(
    make: Any, draw: Any, agree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the tracer knows them by id() and does not keep them alive: another value may get the same id. Here it does
    known: list[weakref.ref[Any]] = []

    def recycled(value: Any) -> int:
        for number, reference in enumerate(known):
            if reference() is value:
                return number
        free = next((number for number, reference in enumerate(known) if reference() is None), len(known))
        known[free : free + 1] = [weakref.ref(value)]
        return free

    def step(x: Any, s: Any, p: Any) -> dict[str, Any]:
        joined = tanh(p.W @ cat([x, s.h], -1))
        return {"h": joined * (p.V @ tanh(s.m)), "m": s.m * 0.5 + tanh(p.Z @ x)}

    monkeypatch.setattr("throughtime.program.values.id", recycled, raising=False)
    cell = make({"W": M(3, 5), "V": M(3, 5), "Z": I(5, 2)}, step, WIDE)
    agree(cell, draw(cell, 3, 4))


def test_a_parameter_named_inputs(make: Any) -> None:
    cell = make({"W": I(3, 2), "inputs": bias(3)}, lambda x, s, p: {"h": tanh(s.h + p.W @ x + p.inputs)}, {"h": 3})
    slopes = []
    for engine in ("compiled", "reference"):
        leaves = {"W": torch.ones(3, 2).requires_grad_(), "inputs": torch.ones(3).requires_grad_()}
        x = torch.ones(2, 4, 2).requires_grad_()
        outputs, _ = unroll(cell, leaves, x, engine=engine)
        slopes.append(torch.autograd.grad(outputs.sum(), [x, *leaves.values()]))
    for got, expected in zip(*slopes, strict=True):
        torch.testing.assert_close(got, expected)


REFUSED: dict[str, Callable[[Any, Any, Any], Any]] = {
    "&": lambda x, s, p: torch.where((s.h > 0) & (s.h < 1), s.h, p.W @ x),
    "~": lambda x, s, p: torch.where(~(s.h > 0), s.h, p.W @ x),
    "%": lambda x, s, p: s.h % 1 + p.W @ x,
    "//": lambda x, s, p: s.h // 1 + p.W @ x,
    "len": lambda x, s, p: s.h / len(x) + p.W @ x,
    "float": lambda x, s, p: s.h * float(p.b) + p.W @ x,
    "T": lambda x, s, p: s.h.T.T + p.W @ x,
    "set a part": lambda x, s, p: s.h + set_part(p.W @ x),
}


def set_part(value: Any) -> Any:
    value[..., :1] = 0
    return value


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_falls_back(name: str, make: Any, draw: Any, call: Any) -> None:
    # and no TypeError or AttributeError leaves engine="auto"
    cell = make({"W": I(3, 2), "b": bias(1)}, lambda x, s, p: {"h": REFUSED[name](x, s, p)}, {"h": 3})
    values = draw(cell, 3, 4)
    assert torch.equal(call(cell, values, "auto")[0], call(cell, values, "reference")[0])


@dataclass(frozen=True)
class Listed(Cell):
    """An option that has no hash."""

    scales: list[float] | None = None

    def parameters(self) -> dict[str, Any]:
        return {"W": input_matrix(3, 2)}

    def step(self, x: Any, s: Any, p: Any) -> dict[str, Any]:
        return {"h": tanh(p.W @ x) * (self.scales or [1.0])[0] + s.h}


def test_a_cell_with_a_list_among_its_options(draw: Any, call: Any) -> None:
    cell = Listed(2, 3, [0.5])
    values = draw(cell, 3, 4)
    torch.testing.assert_close(call(cell, values, "auto")[0], call(cell, values, "reference")[0])


# Functions.


class Saturating(Cell):
    """Functions that have an end."""

    state = ("tanh", "sigmoid", "silu", "gelu")

    def parameters(self) -> dict[str, Any]:
        return {"b": bias(1)}

    def step(self, x: Any, s: Any, p: Any) -> dict[str, Any]:
        gelu = F.gelu(s.gelu, approximate="tanh")
        return {
            "tanh": tanh(s.tanh),
            "sigmoid": sigmoid(s.sigmoid),
            "silu": F.silu(s.silu),
            "gelu": gelu,
        }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_functions_reach_their_ends(dtype: torch.dtype) -> None:
    # float32 tanh stops at 1 - 2.4e-7, so sigmoid(-inf) is 1.2e-7, and silu and gelu grow with x where they end at 0
    cell = Saturating(1, 8)
    points = torch.tensor([[20.0, -20.0, 1e4, -1e4, 1e10, -1e10, 85.0, -85.0]], dtype=dtype)
    found = []
    for engine in ("compiled", "reference"):
        state = {name: points.clone().requires_grad_() for name in cell.state}
        x, b = torch.zeros(1, 1, 1, dtype=dtype), torch.zeros(1, dtype=dtype)
        _, final = unroll(cell, {"b": b}, x, state=state, engine=engine)
        slopes = torch.autograd.grad(sum(v.sum() for v in final.values()), list(state.values()))
        found.append({**final, **{f"slope of {n}": g for n, g in zip(state, slopes, strict=True)}})
    for key, value in found[1].items():
        # sigmoid is right to a unit in the last place of 1
        torch.testing.assert_close(found[0][key], value, rtol=1e-6, atol=1e-7, msg=lambda m, key=key: f"{key}: {m}")
    assert found[0]["tanh"][0, 2] == 1.0
    assert found[0]["sigmoid"][0, 3] == 0.0


def test_the_slope_of_softplus_at_its_threshold(make: Any) -> None:
    # a minimum hands each of two equals one half
    cell = make({"b": bias(1)}, lambda x, s, p: {"h": F.softplus(s.h)}, {"h": 1})
    start = torch.full((1, 1), 20.0, dtype=torch.float64, requires_grad=True)
    b, x = torch.zeros(1, dtype=torch.float64), torch.zeros(1, 1, 2, dtype=torch.float64)
    outputs, _ = unroll(cell, {"b": b}, x, state={"h": start}, engine="compiled")
    torch.testing.assert_close(torch.autograd.grad(outputs.sum(), start)[0], torch.ones_like(start))
