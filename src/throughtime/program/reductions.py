"""How PyTorch's functions of whole rows are written in a :class:`Program`: sums, means, norms, softmax.

Each is along the features, dimension -1, and stable where its textbook form is not: variances are of differences from
the mean, exponentials of differences from the largest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from throughtime.program.values import CannotTrace, Number, Tracer, Value


class Largest(NamedTuple):
    """What ``max`` and ``min`` along a dimension give; indices are not known."""

    values: Value
    indices: None = None


def _features(name: str, value: Any, dim: Any) -> Value:
    """The value, if its features are what a function goes along."""
    if not isinstance(value, Value):
        raise CannotTrace(f"the step calls {name} of {type(value).__name__}")
    dims = list(dim) if isinstance(dim, (list, tuple)) else [dim]
    if dims not in ([-1], [1]) or isinstance(dims[0], bool):
        along = "all dimensions, the batch too" if dim is None or not dims else f"dimension {dim}"
        raise CannotTrace(f"the step calls {name} along {along}; features are dimension -1")
    if value.squeezed:
        raise CannotTrace(f"the step calls {name} of what has no features; keepdim=True keeps them")
    if value.flag:
        raise CannotTrace(f"the step calls {name} of truth values")
    return value


def _plain(dtype: Any) -> None:
    if dtype is not None:
        raise CannotTrace("the step computes in a number type of its own")


def _kept(t: Tracer, value: Value, keepdim: bool) -> Value:
    return value if keepdim else t.squeeze(value)


def _sum(t: Tracer, x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    _plain(dtype)
    return _kept(t, t.reduce("total", _features("sum", x, dim)), keepdim)


def _average(t: Tracer, x: Value) -> Value:
    return t.apply("div", t.reduce("total", x), t.count(x.width))


def _mean(t: Tracer, x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    _plain(dtype)
    return _kept(t, _average(t, _features("mean", x, dim)), keepdim)


def _spread_of(t: Tracer, x: Value, mean: Value, correction: float) -> Value:
    """The variance about a mean; ``correction`` is what the divisor is less than the number of features."""
    if x.width < correction:
        raise CannotTrace(f"the step takes a variance of {x.width} features with a correction of {correction}")
    total = t.reduce("total", t.apply("apart", x, mean))
    return t.apply("div", total, t.apply("sub", t.count(x.width), correction))


def _correction(name: str, dim: Any, unbiased: Any, correction: Any) -> float:
    if isinstance(dim, bool) or (unbiased is not None and correction is not None):
        raise CannotTrace(f"the step calls {name} with arguments that are not known")
    return float(correction if correction is not None else unbiased is None or unbiased)


def _var(
    t: Tracer, x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Value:
    less = _correction("var", dim, unbiased, correction)
    x = _features("var", x, dim)
    return _kept(t, _spread_of(t, x, _average(t, x), less), keepdim)


def _std(
    t: Tracer, x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Value:
    less = _correction("std", dim, unbiased, correction)
    x = _features("std", x, dim)
    return _kept(t, t.apply("sqrt", _spread_of(t, x, _average(t, x), less)), keepdim)


def _var_mean(
    t: Tracer, x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Value, Value]:
    less = _correction("var_mean", dim, unbiased, correction)
    x = _features("var_mean", x, dim)
    mean = _average(t, x)
    return _kept(t, _spread_of(t, x, mean, less), keepdim), _kept(t, mean, keepdim)


def _std_mean(t: Tracer, *args: Any, **options: Any) -> tuple[Value, Value]:
    variance, mean = _var_mean(t, *args, **options)
    return t.apply("sqrt", variance), mean


def _amax(t: Tracer, x: Any, dim: Any = None, keepdim: bool = False) -> Value:
    return _kept(t, t.reduce("peak", _features("amax", x, dim)), keepdim)


def _amin(t: Tracer, x: Any, dim: Any = None, keepdim: bool = False) -> Value:
    return t.apply("neg", _amax(t, t.apply("neg", _features("amin", x, dim)), dim, keepdim))


def _first(t: Tracer, x: Value) -> Value:
    """The largest feature, whose gradient goes to the first of those that are the largest together."""
    peak = t.reduce("peak", x)
    place = t.index(x.width)
    # the smallest number is the largest of their negatives
    first = t.reduce("peak", t.apply("where", t.apply("eq", x, peak), t.apply("neg", place), -math.inf))
    there = t.apply("eq", t.apply("neg", place), first)
    found = t.reduce("total", t.apply("where", there, x, 0.0))
    return t.apply("where", t.apply("eq", peak, peak), found, peak)  # NaN is no one's equal


def _max(t: Tracer, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    if isinstance(dim, Value):
        return t.apply("max", x, dim)
    return Largest(_kept(t, _first(t, _features("max", x, dim)), keepdim))


def _min(t: Tracer, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    if isinstance(dim, Value):
        return t.apply("min", x, dim)
    least = t.apply("neg", _first(t, t.apply("neg", _features("min", x, dim))))
    return Largest(_kept(t, least, keepdim))


def _shifted(t: Tracer, x: Value) -> tuple[Value, Value]:
    """The row less its largest feature, and that; it changes no softmax, so no gradient goes through it."""
    peak = t.apply("detach", t.reduce("peak", x))
    return t.apply("sub", x, peak), peak


def _softmax(t: Tracer, x: Any, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> Value:
    _plain(dtype)
    shifted, _ = _shifted(t, _features("softmax", x, dim))
    powers = t.apply("exp", shifted)
    return t.apply("div", powers, t.reduce("total", powers))


def _log_softmax(t: Tracer, x: Any, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> Value:
    _plain(dtype)
    shifted, _ = _shifted(t, _features("log_softmax", x, dim))
    return t.apply("sub", shifted, t.apply("log", t.reduce("total", t.apply("exp", shifted))))


def _logsumexp(t: Tracer, x: Any, dim: Any = None, keepdim: bool = False) -> Value:
    x = _features("logsumexp", x, dim)
    peak = t.apply("detach", t.reduce("peak", x))
    peak = t.apply("where", t.apply("eq", t.apply("abs", peak), math.inf), 0.0, peak)
    total = t.reduce("total", t.apply("exp", t.apply("sub", x, peak)))
    return _kept(t, t.apply("add", t.apply("log", total), peak), keepdim)


def _normalised(name: str, x: Any, shape: Any) -> Value:
    row = _features(name, x, -1)
    sizes = [shape] if isinstance(shape, int) else list(shape)
    if sizes != [row.width]:
        raise CannotTrace(f"the step calls {name} over {sizes} of rows of {row.width} features")
    return row


def _layer_norm(
    t: Tracer,
    input: Any,
    normalized_shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Value:
    x = _normalised("layer_norm", input, normalized_shape)
    mean = _average(t, x)
    deviation = t.apply("sqrt", t.apply("add", _spread_of(t, x, mean, 0.0), eps))
    y = t.apply("mul", t.apply("sub", x, mean), t.apply("div", 1.0, deviation))
    y = y if weight is None else t.apply("mul", y, weight)
    return y if bias is None else t.apply("add", y, bias)


def _rms_norm(
    t: Tracer, input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None
) -> Value:
    x = _normalised("rms_norm", input, normalized_shape)
    if not isinstance(eps, Number):
        raise CannotTrace("the step calls rms_norm without eps, which is then another for every number type; give one")
    size = t.apply("sqrt", t.apply("add", _average(t, t.apply("mul", x, x)), eps))
    y = t.apply("mul", x, t.apply("div", 1.0, size))
    return y if weight is None else t.apply("mul", y, weight)


def _unsqueeze(t: Tracer, x: Any, dim: int) -> Value:
    if not isinstance(x, Value) or not x.squeezed or dim not in (-1, 1):
        raise CannotTrace(f"the step gives a value a dimension more: unsqueeze({dim})")
    return t.unsqueeze(x)


ROWS: dict[str, Callable[..., Any]] = {
    "sum": _sum,
    "mean": _mean,
    "var": _var,
    "std": _std,
    "var_mean": _var_mean,
    "std_mean": _std_mean,
    "amax": _amax,
    "amin": _amin,
    "max": _max,
    "min": _min,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "unsqueeze": _unsqueeze,
    "detach": lambda t, x: t.apply("detach", x),
}
