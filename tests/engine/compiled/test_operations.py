"""Every element-wise operation alone against PyTorch: values and gradients at ordinary and at extreme points."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.cells import Cell, bias
from throughtime.engine import unroll
from throughtime.program.reductions import ROWS
from throughtime.program.vocabulary import FUNCTIONS

STRUCTURE = {"chunk", "split", "split_with_sizes", "narrow", "cat", "concat", "concatenate"}
"""What moves features, and is tested with the cells."""

UNARY: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(torch, name) for name in ("neg", "negative", "abs", "absolute", "tanh", "sigmoid", "exp", "log")},
    **{name: getattr(torch, name) for name in ("log1p", "sin", "cos", "erf", "sqrt", "square", "reciprocal", "rsqrt")},
    **{name: getattr(torch, name) for name in ("expm1", "sign", "relu", "clone", "zeros_like", "ones_like")},
    **{name: getattr(F, name) for name in ("leaky_relu", "elu", "softplus", "logsigmoid", "silu", "gelu")},
    **{name: getattr(F, name) for name in ("hardtanh", "hardsigmoid")},
    "contiguous": lambda v: v.contiguous(),
    "clamp": lambda v: torch.clamp(v, -0.5, 0.75),
    "clamp min": lambda v: v.clamp(min=0.25),
    "clip": lambda v: torch.clip(v, max=0.25),
    "pow": lambda v: v**3,
    "pow of -2": lambda v: torch.pow(v, -2),
    "pow of 0.5": lambda v: v**0.5,
    "leaky_relu of 0.3": lambda v: F.leaky_relu(v, 0.3),
    "elu of 0.5": lambda v: F.elu(v, 0.5),
    "softplus of 2": lambda v: F.softplus(v, beta=2, threshold=5),
    "gelu by tanh": lambda v: F.gelu(v, approximate="tanh"),
    "hardtanh of 2": lambda v: F.hardtanh(v, -2.0, 2.0),
    "rsub": lambda v: torch.rsub(v, 1.5),
    "number - v": lambda v: 1.5 - v,
    "number / v": lambda v: 2.0 / v,
    "v / number": lambda v: v / 3.0,
}

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    **{name: getattr(torch, name) for name in ("add", "sub", "subtract", "mul", "multiply", "div", "divide")},
    **{name: getattr(torch, name) for name in ("true_divide", "maximum", "minimum")},
    "truediv": lambda a, b: a / b,
    "add with alpha": lambda a, b: torch.add(a, b, alpha=0.3),
    "sub with alpha": lambda a, b: torch.sub(a, b, alpha=0.3),
    "where": lambda a, b: torch.where(a > b, a * b, a),
    "lerp": lambda a, b: torch.lerp(a, b, 0.3),
    "addcmul": lambda a, b: torch.addcmul(a, a, b),
    # comparisons give no gradient: as a factor they show their value
    "gt": lambda a, b: torch.gt(a, b) * b,
    "greater": lambda a, b: torch.greater(a, b) * b,
    "ge": lambda a, b: (a >= b) * b,
    "lt": lambda a, b: (a < b) * b,
    "less": lambda a, b: torch.less(a, b) * b,
    "le": lambda a, b: torch.le(a, b) * b,
    "eq": lambda a, b: (a == b) * b,
    "ne": lambda a, b: (a != b) * b,
}

POINTS = [
    *(0.0, -0.0, 1e-30, -1e-30, 1e-5, -1e-5, 3e-4, -5e-4, 0.1, -0.1, 0.25, -0.5, 0.75, 1.0, -1.0, 1.5, -2.0, 2.5),
    *(3.0, -3.0, 5.0, -7.0, 7.9, -8.0, 9.5, 10.0, -10.0, 19.0, 20.5, -20.0, 30.0, -40.0, 85.0, -85.0, 1e4, -1e4),
    *(math.inf, -math.inf, math.nan),
]

CANCELLING = {"tanh", "expm1", "elu", "elu of 0.5", "logsigmoid", "sigmoid", "silu", "gelu", "gelu by tanh", "softplus"}
"""Built of sums with 1, they or their derivatives: right to a unit in the last place of 1, not of a tiny result."""


class Operations(Cell):
    """Every operation on states of its own, so that one compilation serves all and no gradient meets another."""

    state = ("h", *(f"{name}|a" for name in (*UNARY, *BINARY)), *(f"{name}|b" for name in BINARY))

    def parameters(self) -> dict[str, Any]:
        return {"b": bias(1)}  # not used

    def step(self, x: Any, s: Any, p: Any) -> dict[str, Any]:
        s = vars(s)
        new = {f"{name}|a": function(s[f"{name}|a"]) for name, function in UNARY.items()}
        new |= {f"{name}|a": function(s[f"{name}|a"], s[f"{name}|b"]) for name, function in BINARY.items()}
        return {**s, **new}


@functools.cache
def results(engine: str, dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Values of all operations, and gradients by their arguments."""
    first = torch.tensor(POINTS, dtype=dtype)
    pairs = torch.cat([first.roll(shift) for shift in (0, 1, 5, 11)]).unsqueeze(0)
    cell = Operations(1, pairs.shape[1])
    both = {"a": first.repeat(4).unsqueeze(0), "b": pairs, "h": pairs}
    state = {name: both[name[-1]].clone().requires_grad_() for name in cell.state}
    _, final = unroll(
        cell, {"b": torch.zeros(1, dtype=dtype)}, torch.zeros(1, 1, 1, dtype=dtype), state=state, engine=engine
    )
    # a state that an operation leaves alone would bring a gradient of its own
    loss = sum(value.sum() for name, value in final.items() if name.endswith("|a"))
    gradients = torch.autograd.grad(loss, list(state.values()), allow_unused=True, materialize_grads=True)
    return {n: v.detach()[0] for n, v in final.items()}, dict(zip(state, (g[0] for g in gradients), strict=True))


CASES = [
    pytest.param(name, dtype, id=f"{name}-{str(dtype)[6:]}")
    for name in (*UNARY, *BINARY)
    for dtype in (torch.float64, torch.float32)
]


def check(name: str, got: Tensor, expected: Tensor, inputs: Tensor, what: str) -> None:
    # functions of the C library, of PyTorch and of the engine differ by a few units in the last place
    epsilon = torch.finfo(got.dtype).eps
    size = inputs.abs().clamp(1.0, 1e6).nan_to_num(1.0) if name in CANCELLING else torch.zeros_like(inputs)
    allowed = 6 * epsilon * size + 12 * epsilon * expected.abs() + 4 * torch.finfo(got.dtype).tiny
    close = ((got - expected).abs() <= allowed) | (got == expected) | (got.isnan() & expected.isnan())
    wrong = [(inputs[i].item(), got[i].item(), expected[i].item()) for i in (~close).nonzero().flatten().tolist()]
    assert not wrong, f"{what} of {name}: at, got, expected {wrong[:5]}"


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_an_operation_is_pytorchs(name: str, dtype: torch.dtype) -> None:
    (got, slopes), (expected, right) = results("compiled", dtype), results("reference", dtype)
    inputs = torch.tensor(POINTS, dtype=dtype).repeat(4)
    value = expected[f"{name}|a"]
    # PyTorch's own vectors give NaN for silu and gelu of an infinity
    defined = ~(inputs.isinf() & value.isnan())
    check(name, got[f"{name}|a"][defined], value[defined], inputs[defined], "value")
    for argument in ("a", "b") if name in BINARY else ("a",):
        key = f"{name}|{argument}"
        finite = inputs.isfinite() & value.isfinite() & right[key].isfinite()
        # PyTorch's double hardsigmoid multiplies by a float 1/6
        near = right[key] if name != "hardsigmoid" else slopes[key].where(slopes[key].isclose(right[key]), right[key])
        check(name, slopes[key][finite], near[finite], inputs[finite], f"gradient by {argument}")


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_nan_propagates(name: str, dtype: torch.dtype) -> None:
    (got, slopes), (expected, right) = results("compiled", dtype), results("reference", dtype)
    inputs = torch.tensor(POINTS, dtype=dtype).repeat(4)
    values = [(got[f"{name}|a"], expected[f"{name}|a"])]
    values += [(slopes[k], right[k]) for k in (f"{name}|a", f"{name}|b") if k in slopes]
    for own, pytorchs in values:
        lost = inputs.isnan() & pytorchs.isnan() & ~own.isnan()
        assert not lost.any()


def test_no_operation_is_left_out() -> None:
    tested = {{"logsigmoid": "log_sigmoid"}.get(name, name).split(" ")[0] for name in (*UNARY, *BINARY)}
    assert tested - {"number", "v"} == set(FUNCTIONS) - STRUCTURE - set(ROWS)


class Three(Cell):
    """The functions that the engine computes by itself."""

    state = ("tanh", "sigmoid", "exp")

    def parameters(self) -> dict[str, Any]:
        return {"b": bias(1)}  # not used

    def step(self, x: Any, s: Any, p: Any) -> dict[str, Any]:
        return {"tanh": torch.tanh(s.tanh), "sigmoid": torch.sigmoid(s.sigmoid), "exp": torch.exp(s.exp)}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_the_accuracy_of_tanh_sigmoid_and_exp(dtype: torch.dtype) -> None:
    source = torch.Generator().manual_seed(0)
    spread = torch.randn(20000, generator=source, dtype=torch.float64) * 8
    near = 10 ** torch.linspace(-12, 0.5, 8000, dtype=torch.float64)
    points = torch.cat([spread, near, -near, torch.linspace(-88, 88, 8000, dtype=torch.float64)]).to(dtype)
    cell = Three(1, len(points))
    state = {name: points.unsqueeze(0) for name in cell.state}
    _, final = unroll(
        cell, {"b": torch.zeros(1, dtype=dtype)}, torch.zeros(1, 1, 1, dtype=dtype), state=state, engine="compiled"
    )
    # numpy's long double has 11 bits more than a double
    exact = points.numpy().astype(np.longdouble)
    right = {"tanh": np.tanh(exact), "sigmoid": 1 / (1 + np.exp(-exact)), "exp": np.exp(exact)}
    type_ = np.float64 if dtype == torch.float64 else np.float32
    errors = {}
    for name, value in right.items():
        got = final[name][0].numpy()
        # sigmoid is made of tanh: right in units of the last place of 1/2, and not of a tiny result
        unit = np.spacing(np.abs(value).astype(type_)) if name != "sigmoid" else np.spacing(type_(0.5))
        errors[name] = float(np.max(np.abs(got.astype(np.longdouble) - value) / unit))
    assert errors["exp"] < 2.0, errors
    assert errors["tanh"] < 5.0, errors
    assert errors["sigmoid"] < 3.0, errors
