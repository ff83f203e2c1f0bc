"""How ``torch.compile`` meets the engines: a loop is one node of its graph, or the graph ends before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from throughtime.cells import Cell
from throughtime.engine.call import Call, Result
from throughtime.engine.compiled import CompiledEngine

P = ParamSpec("P")
R = TypeVar("R")


def compiling() -> bool:
    """Whether ``torch.compile`` writes what runs into a graph."""
    return torch.compiler.is_compiling() and not torch.compiler.is_exporting()


def stops_graph(cell: Cell, tensors: Sequence[Any], engine: str = "auto", masks: Sequence[str] = ()) -> str:
    """Why ``torch.compile`` cannot write a cell's loop into a graph; empty where it can.

    Args:
        cell: The equations.
        tensors: What the loop is to be given: inputs, states, parameters.
        engine: As in :func:`throughtime.engine.unroll`.
        masks: Matrices under recurrent dropout.
    """
    if engine not in ("auto", CompiledEngine.name):
        return f"engine {engine!r} is none that is written into graphs"
    if not all(isinstance(value, Tensor) for value in tensors):
        return "its arguments are not all tensors"
    from throughtime.engine.compiled import operator

    return operator.stops(cell, tensors, masks)


def run_in_graph(call: Call) -> Result:
    """Serves a call that nothing stops by a node of the graph that is being written."""
    from throughtime.engine.compiled import operator

    return operator.run(call)


def _check_may_stop(reason: str) -> None:
    from throughtime.engine.compiled import operator

    operator.check_may_stop(reason)


def out_of_graph(stops: Callable[..., str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Lets ``torch.compile`` stop before a function and go on after it, so that the engines run as they do without.

    Traced into the graph, a loop of PyTorch's operations would be unrolled, and compiled again for other steps.

    Args:
        stops: Takes the function's arguments, says why it cannot be a part of the graph; empty where it can.
    """

    def wrapped(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def called(*args: P.args, **options: P.kwargs) -> R:
            if compiling():
                reason = stops(*args, **options)
                if reason:
                    _check_may_stop(reason)
                    return torch.compiler.disable(function)(*args, **options)  # type: ignore[no-untyped-call,no-any-return]
            return function(*args, **options)

        return called

    return wrapped
