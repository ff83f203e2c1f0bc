"""The arithmetic of a program in ONNX: every operation but ``spread``, which broadcasting does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from throughtime.export.graph.builder import Graph, Value

Operation = Callable[..., Value]
"""Adds the nodes of an operation: of the graph and its arguments, ``[…, width]`` each or what spreads to it."""


def _plain(op: str) -> Operation:
    return lambda graph, *args: graph.add(op, *args)


def _compare(op: str) -> Operation:
    return lambda graph, a, b: graph.cast(graph.add(op, a, b))


def _where(graph: Graph, choice: Value, a: Value, b: Value) -> Value:
    """Truth values are numbers in a program; where one was just made of a comparison, that is taken."""
    cast = graph.maker(choice)
    compared = graph.maker(cast.inputs[0]) if cast and cast.op == "Cast" else None
    known = cast and compared and compared.op in ("Greater", "GreaterOrEqual", "Equal")
    return graph.add("Where", cast.inputs[0] if cast and known else graph.cast(choice, bool), a, b)


def _log1p(graph: Graph, a: Value) -> Value:
    """``ln u + (a - (u - 1)) / u`` with u = 1 + a rounded: what was lost in u is added to first order."""
    u = graph.add("Add", 1.0, a)
    back = graph.add("Sub", u, 1.0)
    lost = graph.add("Div", graph.add("Sub", a, back), u)
    # nothing is lost of ∞, nor of -1, where this would be no number
    return graph.add("Add", graph.add("Log", u), graph.add("Where", graph.add("Equal", back, a), 0.0, lost))


def _erf(graph: Graph, a: Value) -> Value:
    """In 32 bits: ONNX Runtime has no kernel for 64."""
    if graph.dtype == np.float32:
        return graph.add("Erf", a)
    return graph.cast(graph.add("Erf", graph.cast(a, np.float32)))


def _apart(graph: Graph, a: Value, b: Value) -> Value:
    apart = graph.add("Sub", a, b)
    return graph.add("Mul", apart, apart)


OPERATIONS: dict[str, Operation] = {
    "add": _plain("Add"),
    "sub": _plain("Sub"),
    "mul": _plain("Mul"),
    "div": _plain("Div"),
    "neg": _plain("Neg"),
    "abs": _plain("Abs"),
    "tanh": _plain("Tanh"),
    "sigmoid": _plain("Sigmoid"),
    "exp": _plain("Exp"),
    "log": _plain("Log"),
    "log1p": _log1p,
    "sin": _plain("Sin"),
    "cos": _plain("Cos"),
    "erf": _erf,
    "sqrt": _plain("Sqrt"),
    "max": _plain("Max"),
    "min": _plain("Min"),
    "gt": _compare("Greater"),
    "ge": _compare("GreaterOrEqual"),
    "eq": _compare("Equal"),
    "where": _where,
    "apart": _apart,
    "detach": lambda graph, a: a,
    "total": lambda graph, a: graph.add("ReduceSum", a, graph.constant([-1]), keepdims=1),
    "peak": lambda graph, a: graph.add("ReduceMax", a, axes=[-1], keepdims=1),
}
"""By the program's name; a test holds it against the interpreter's."""
