"""Every operation and leaf of a program in ONNX, alone and in equations that use it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from throughtime.export.graph import Graph
from throughtime.export.graph.operations import OPERATIONS
from throughtime.program import interpreter

POINTS = [0.0, -0.0, 1e-30, -1e-8, 1e-5, -0.1, 0.25, -0.5, 1.0, -1.0, 2.5, -3.0, 20.5, -40.0]
ARGUMENTS = {"where": 3, **dict.fromkeys(("add", "sub", "mul", "div", "max", "min", "gt", "ge", "eq", "apart"), 2)}


def test_no_operation_is_without_a_translation() -> None:
    """What is spread needs none: ONNX broadcasts."""
    assert set(OPERATIONS) == set(interpreter.OPERATIONS) - {"spread"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("op", OPERATIONS)
def test_an_operation_is_the_interpreters(op: str, dtype: Any, grid: Any) -> None:
    ends = {"sin": [], "cos": [], "peak": [], "total": []}.get(op, [1e4, -1e4, math.inf, -math.inf, math.nan])
    points = np.array(POINTS + ends, dtype)
    values = [
        np.stack([np.roll(points, number * shift) for shift in (1, 4, 7)]) for number in range(ARGUMENTS.get(op, 1))
    ]
    if op == "where":
        values[0] = (values[0] > 0).astype(dtype)
    graph = Graph("one", dtype)
    names = [graph.input(f"value {number}", ["batch", len(points)]) for number in range(len(values))]
    made = OPERATIONS[op](graph, *names)
    with np.errstate(all="ignore"):
        expected = interpreter.OPERATIONS[op](*values).astype(dtype)
    graph.output(made, "made", ["batch", expected.shape[1]])
    (got,) = grid.opened(graph.model()).run(["made"], dict(zip(names, values, strict=True)))
    exact = 1e-7 if op == "erf" else 4 * np.finfo(dtype).eps
    tiny = np.finfo(dtype).eps if op in ("sigmoid", "sin", "cos") else np.finfo(dtype).tiny
    np.testing.assert_allclose(got, expected, rtol=exact if dtype == np.float64 else 2e-6, atol=max(tiny, exact / 10))
    assert got.dtype == dtype


def test_log1p_keeps_what_is_far_below_one(grid: Any) -> None:
    graph = Graph("one")
    graph.output(OPERATIONS["log1p"](graph, graph.input("a", ["n"])), "made", ["n"])
    points = np.array([1e-30, -1e-9, 3e-8, 1e-4, math.inf, -1.0, math.nan], np.float32)
    (got,) = grid.opened(graph.model()).run(None, {"a": points})
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(got, np.log1p(points), rtol=1e-6)


def test_a_comparison_that_chooses_is_not_made_a_number() -> None:
    pytest.importorskip("onnx")
    graph = Graph("one")
    a, b = graph.input("a", ["n"]), graph.input("b", ["n"])
    chosen = OPERATIONS["where"](graph, OPERATIONS["gt"](graph, a, b), a, b)
    graph.output(OPERATIONS["where"](graph, chosen, a, b), "made", ["n"])
    assert [node.op_type for node in graph.model().graph.node] == ["Greater", "Where", "Cast", "Where", "Identity"]
