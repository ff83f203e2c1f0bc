"""What is reduced from all features of a row: every function against PyTorch, and a row's bits wherever it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import throughtime
from throughtime.cells import Cell, Parameter, bias, input_matrix, recurrent_matrix
from throughtime.program.reductions import ROWS

FUNCTIONS: dict[str, Callable[[Any, int], Any]] = {
    "sum": lambda v, n: torch.sum(v, -1, keepdim=True),
    "sum without features": lambda v, n: torch.tanh(v.sum(dim=-1) * 0.5).unsqueeze(-1),
    "mean": lambda v, n: v.mean(1, keepdim=True),
    "mean of a list": lambda v, n: torch.mean(v, dim=[-1], keepdim=True),
    "mean and None": lambda v, n: torch.mean(v, -1)[..., None] + v.sum(-1)[:, None],
    "var": lambda v, n: v.var(-1, keepdim=True),
    "var biased": lambda v, n: torch.var(v, -1, unbiased=False, keepdim=True),
    "var of a flag": lambda v, n: torch.var(v, -1, False, True),
    "var corrected": lambda v, n: torch.var(v, dim=-1, correction=2, keepdim=True),
    "std": lambda v, n: v.std(-1, keepdim=True),
    "var_mean": lambda v, n: sum(torch.var_mean(v, -1, keepdim=True)),
    "std_mean": lambda v, n: sum(torch.std_mean(v, dim=-1, unbiased=False, keepdim=True)),
    "amax": lambda v, n: v.amax(-1, keepdim=True),
    "amax of equals": lambda v, n: v.clamp(-0.2, 0.2).amax(-1, keepdim=True),
    "amin": lambda v, n: torch.amin(v.clamp(-0.2, 0.2), (-1,), True),
    "max": lambda v, n: v.max(-1, keepdim=True).values,
    "max of equals": lambda v, n: torch.max(v.clamp(-0.2, 0.2), dim=-1, keepdim=True)[0],
    "max of two": lambda v, n: torch.max(v, v * v),
    "min": lambda v, n: v.clamp(-0.2, 0.2).min(-1, keepdim=True)[0],
    "min of two": lambda v, n: torch.min(v, v * v),
    "softmax": lambda v, n: F.softmax(200 * v, dim=-1),
    "softmax of the method": lambda v, n: v.softmax(1),
    "log_softmax": lambda v, n: F.log_softmax(200 * v, dim=-1),
    "logsumexp": lambda v, n: torch.logsumexp(200 * v, -1, keepdim=True),
    "layer_norm": lambda v, n: F.layer_norm(v, (n,)),
    "layer_norm far from zero": lambda v, n: F.layer_norm(v + 1000.0, [n], None, None, 1e-3),
    "layer_norm by hand": lambda v, n: (
        (v - v.mean(-1, keepdim=True)) / ((v - v.mean(-1, keepdim=True)) ** 2).mean(-1, keepdim=True).add(1e-3).sqrt()
    ),
    "rms_norm": lambda v, n: F.rms_norm(v, (n,), None, 1e-5),
    "unsqueeze": lambda v, n: (v.amax(-1) * v.sum(-1)).unsqueeze(1),
    "detach": lambda v, n: v.detach() * v + v.mean(-1, keepdim=True).detach(),
}


def every(n: int) -> type[Cell]:
    """Every function on a state of its own, so that one compilation serves all and no gradient meets another."""

    class Rows(Cell):
        state = tuple(FUNCTIONS)

        def parameters(self) -> dict[str, Parameter]:
            return {"W": input_matrix(n, 2), "b": bias(n)}

        def step(self, x: Any, s: Any, p: Any) -> dict[str, Any]:
            own = {name: torch.tanh(value + p.W @ x) for name, value in vars(s).items()}
            return {name: 0.5 * own[name] + 0.1 * function(own[name], n) for name, function in FUNCTIONS.items()}

    return Rows


def test_no_function_is_left_out() -> None:
    assert {name.split(" ")[0] for name in FUNCTIONS} == set(ROWS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_a_function_is_pytorchs(dtype: torch.dtype, draw: Any, run: Any, interpreted: Any) -> None:
    cell = every(37)(2, 37)  # no whole number of vectors
    values = draw(cell, 3, 2, dtype)
    expected = run(cell, values, "reference")
    found = [run(cell, values, "compiled")] + ([interpreted(cell, values)] if dtype == torch.float64 else [])
    for got in found:
        for name, value in expected.items():
            rtol, atol = (1e-9, 1e-10) if dtype == torch.float64 else (5e-3, 1e-3)
            torch.testing.assert_close(got[name], value, rtol=rtol, atol=atol, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("n", [1, 2])
def test_rows_of_few_features(n: int, make: Any, draw: Any, agree: Any) -> None:
    declared = {"W": input_matrix(n, 1), "U": recurrent_matrix(2 * n, n), "b": bias(2 * n), "a": recurrent_matrix(1, n)}

    def step(x: Any, s: Any, p: Any) -> dict[str, Any]:
        a, b = F.layer_norm(p.U @ s.h + p.b, (2 * n,), eps=0.1).chunk(2, -1)
        share = torch.sigmoid(p.a @ s.h + s.m)  # one feature for all, with a state and an input of one feature
        return {
            "h": torch.tanh(a * share + p.W @ x + x) + torch.softmax(b, -1) * s.m,
            "m": s.m * 0.5 + s.h.mean(-1, keepdim=True),
        }

    cell = make(declared, step, {"h": n, "m": 1}, 1)
    agree(cell, draw(cell, 5, 4), lengths=torch.tensor([4, 0, 2, 4, 1]))
    agree(cell, draw(cell, 5, 4), reverse=True, recompute=True)


def rows_of(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    outputs, _ = layer(x)
    outputs.square().sum().backward()
    assert x.grad is not None
    return outputs.detach(), x.grad


@pytest.mark.parametrize("name", ["lstm-layernorm", "gru-layernorm"])
def test_a_rows_bits_are_its_own(name: str, two_threads: None) -> None:
    torch.manual_seed(0)
    layer = throughtime.Recurrent(name, 5, 70)
    x = torch.randn(31, 6, 5)
    outputs, gradient = rows_of(layer, x)
    torch.set_num_threads(1)
    for rows in (slice(0, 31), slice(30, 31), slice(3, 20)):
        alone, own = rows_of(layer, x[rows])
        assert torch.equal(alone, outputs[rows])
        torch.testing.assert_close(own, gradient[rows])  # its last product is PyTorch's, of all rows at once
    stream = layer.stream(31)
    steps = [stream.step(x[:, t].contiguous()).clone() for t in range(6)]
    assert torch.equal(torch.stack(steps, 1), outputs)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_stays_in_its_row(bad: float) -> None:
    layer = throughtime.Recurrent("lstm-layernorm", 3, 20)
    x = torch.randn(4, 3, 3)
    expected = layer(x)[0]
    x[2, 1, 0] = bad
    got = layer(x)[0]
    assert torch.equal(got[[0, 1, 3]], expected[[0, 1, 3]])
    assert torch.equal(got[2, 0], expected[2, 0])
    assert got[2, 1:].isnan().all()


def test_no_product_is_computed_twice() -> None:
    from throughtime.program import derive, trace

    program = trace(throughtime.find_cell("lstm-layernorm")(2, 3))
    blocks = [str(program.nodes[place].block) for op in ("product", "outer") for place in program.places(op)]
    assert len(blocks) == len(set(blocks)) == 8
    back = derive(program).backward
    assert len(back.places("product")) == 1


def test_gradients_of_gradients() -> None:
    torch.manual_seed(0)
    found = []
    for engine in ("compiled", "reference"):
        torch.manual_seed(0)
        layer = throughtime.Recurrent("gru-layernorm", 3, 4, engine=engine).double()
        x = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
        (first,) = torch.autograd.grad(layer(x)[0].sin().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), [x, *layer.parameters()]))
    for got, expected in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)
