"""How PyTorch's functions are written in the arithmetic of a :class:`Program`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from throughtime.program.reductions import ROWS
from throughtime.program.values import CannotTrace, Number, Tracer, Value


def _plain(op: str) -> Callable[..., Value]:
    return lambda t, *args: t.apply(op, *args)


def _add(t: Tracer, a: Any, b: Any, *, alpha: float = 1) -> Value:
    return t.apply("add", a, b if alpha == 1 else t.apply("mul", b, alpha))


def _sub(t: Tracer, a: Any, b: Any, *, alpha: float = 1) -> Value:
    return t.apply("sub", a, b if alpha == 1 else t.apply("mul", b, alpha))


def _pow(t: Tracer, base: Any, exponent: Any) -> Any:
    if not isinstance(exponent, Number):
        raise CannotTrace("the step raises to a power that is no number")
    if exponent == 0.5:
        return t.apply("sqrt", base)
    if exponent != int(exponent) or not 1 <= abs(exponent) <= 8:
        raise CannotTrace(f"the step raises to the power of {exponent}")
    result = base
    for _ in range(int(abs(exponent)) - 1):
        result = t.apply("mul", result, base)
    return result if exponent > 0 else t.apply("div", 1.0, result)


def _chunk(t: Tracer, value: Value, chunks: int, dim: int = 0) -> list[Value]:
    # as PyTorch does: as many features in each as it takes, fewer in the last
    return _split(t, value, -(-value.width // chunks), dim)


def _split(t: Tracer, value: Value, size: int | Sequence[int], dim: int = 0) -> list[Value]:
    _features(dim)
    sizes = [size] * (value.width // size) if isinstance(size, int) else list(size)
    sizes += [value.width - sum(sizes)] if sum(sizes) < value.width else []
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [t.part(value, end - width, end) for width, end in zip(sizes, ends, strict=True)]


def _narrow(t: Tracer, value: Value, dim: int, start: int, length: int) -> Value:
    _features(dim)
    return t.part(value, start, start + length)


def _cat(t: Tracer, tensors: Sequence[Value], dim: int = 0) -> Value:
    _features(dim)
    return t.join(tensors)


def _features(dim: int) -> None:
    if dim not in (-1, 1):
        raise CannotTrace(f"the step takes a value apart along dimension {dim}; features are dimension -1")


def _where(t: Tracer, condition: Any, a: Any, b: Any) -> Value:
    return t.apply("where", condition, a, b)


# Bounds are written as choices: they hand on NaN, and a gradient at the bound itself as PyTorch does.


def _clamp(t: Tracer, x: Any, min: Any = None, max: Any = None) -> Any:
    x = x if min is None else t.apply("where", t.apply("gt", min, x), min, x)
    return x if max is None else t.apply("where", t.apply("gt", x, max), max, x)


def _hardtanh(t: Tracer, x: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Value:
    x = t.apply("where", t.apply("ge", min_val, x), min_val, x)
    return t.apply("where", t.apply("ge", x, max_val), max_val, x)


def _hardsigmoid(t: Tracer, x: Any, inplace: bool = False) -> Value:
    return t.apply("mul", _hardtanh(t, t.apply("add", x, 3.0), 0.0, 6.0), 1 / 6)


def _relu(t: Tracer, x: Any, inplace: bool = False) -> Value:
    return t.apply("where", t.apply("ge", 0.0, x), 0.0, x)


def _leaky_relu(t: Tracer, x: Any, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    return t.apply("where", t.apply("gt", x, 0.0), x, t.apply("mul", x, negative_slope))


def _elu(t: Tracer, x: Any, alpha: float = 1.0, inplace: bool = False) -> Value:
    # exp of the negative part alone: the other branch must not overflow
    below = t.apply("sub", t.apply("exp", t.apply("where", t.apply("gt", x, 0.0), 0.0, x)), 1.0)
    return t.apply("where", t.apply("gt", x, 0.0), x, t.apply("mul", below, alpha))


def _softplus(t: Tracer, x: Any, beta: float = 1.0, threshold: float = 20.0) -> Value:
    scaled = x if beta == 1 else t.apply("mul", x, beta)
    soft = t.apply("log1p", t.apply("exp", _clamp(t, scaled, max=threshold)))
    soft = soft if beta == 1 else t.apply("mul", soft, 1 / beta)
    return t.apply("where", t.apply("gt", scaled, threshold), x, soft)


def _logsigmoid(t: Tracer, x: Any) -> Value:
    inner = t.apply("log1p", t.apply("exp", t.apply("neg", t.apply("abs", x))))
    return t.apply("sub", t.apply("min", x, 0.0), inner)


def _silu(t: Tracer, x: Any, inplace: bool = False) -> Value:
    return t.apply("mul", x, t.apply("sigmoid", x))


def _gelu(t: Tracer, x: Any, approximate: str = "none") -> Value:
    if approximate == "none":
        inner = t.apply("erf", t.apply("mul", x, math.sqrt(0.5)))
    else:
        near = _clamp(t, x, -10.0, 10.0)  # tanh has reached its end there, and the cube must not overflow
        cubic = t.apply("mul", 0.044715, _pow(t, near, 3))
        inner = t.apply("tanh", t.apply("mul", math.sqrt(2 / math.pi), t.apply("add", near, cubic)))
    return t.apply("mul", t.apply("mul", 0.5, x), t.apply("add", 1.0, inner))


def _lerp(t: Tracer, start: Any, end: Any, weight: Any) -> Value:
    return t.apply("add", start, t.apply("mul", weight, t.apply("sub", end, start)))


def _addcmul(t: Tracer, value: Any, a: Any, b: Any) -> Value:
    return t.apply("add", value, t.apply("mul", a, b))


def _full_like(number: float) -> Callable[..., Value]:
    return lambda t, x: t.number(number, x.width)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{op: _plain(op) for op in ("mul", "div", "neg", "abs", "tanh", "sigmoid", "exp", "log", "log1p", "sin", "cos")},
    **{op: _plain(op) for op in ("erf", "sqrt", "gt", "ge", "eq")},
    "add": _add,
    "sub": _sub,
    "subtract": _sub,
    "rsub": lambda t, a, b: t.apply("sub", b, a),
    "multiply": _plain("mul"),
    "truediv": _plain("div"),
    "divide": _plain("div"),
    "true_divide": _plain("div"),
    "negative": _plain("neg"),
    "absolute": _plain("abs"),
    "maximum": _plain("max"),
    "minimum": _plain("min"),
    "greater": _plain("gt"),
    "lt": lambda t, a, b: t.apply("gt", b, a),
    "less": lambda t, a, b: t.apply("gt", b, a),
    "le": lambda t, a, b: t.apply("ge", b, a),
    "ne": lambda t, a, b: t.apply("eq", 0.0, t.apply("eq", a, b)),
    "pow": _pow,
    "square": lambda t, x: t.apply("mul", x, x),
    "reciprocal": lambda t, x: t.apply("div", 1.0, x),
    "rsqrt": lambda t, x: t.apply("div", 1.0, t.apply("sqrt", x)),
    "expm1": lambda t, x: t.apply("sub", t.apply("exp", x), 1.0),
    "sign": lambda t, x: t.apply("where", t.apply("gt", x, 0.0), 1.0, t.apply("mul", -1.0, t.apply("gt", 0.0, x))),
    "chunk": _chunk,
    "split": _split,
    "split_with_sizes": _split,
    "narrow": _narrow,
    "cat": _cat,
    "concat": _cat,
    "concatenate": _cat,
    "where": _where,
    "clamp": _clamp,
    "clip": _clamp,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "softplus": _softplus,
    "log_sigmoid": _logsigmoid,
    "silu": _silu,
    "gelu": _gelu,
    "hardtanh": _hardtanh,
    "hardsigmoid": _hardsigmoid,
    "lerp": _lerp,
    "addcmul": _addcmul,
    "zeros_like": _full_like(0.0),
    "ones_like": _full_like(1.0),
    "contiguous": lambda t, x: x,
    "clone": lambda t, x: x,
    **ROWS,
}
