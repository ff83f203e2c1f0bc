"""The interpreter against the reference engine, for every cell that is traced; and the compiled engine against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from familiar import FAMILIAR
from throughtime.cells import CELLS
from throughtime.engine import Noise
from throughtime.program import derive, trace
from throughtime.program.interpreter import OPERATIONS

BATCH, TIME = 4, 5


def noise(cell: Any, kind: str) -> Noise | None:
    source = torch.Generator().manual_seed(5)

    def drawn(*shape: int) -> torch.Tensor:
        return (torch.rand(*shape, generator=source, dtype=torch.float64) < 0.6).double()

    if kind == "none":
        return None
    recurrent = {n: p for n, p in cell.parameters().items() if p.role == "recurrent"}
    return Noise(
        {n: drawn(BATCH, p.shape[1]) * 2 for n, p in recurrent.items()},
        {n: drawn(BATCH, TIME, w) if kind == "drawn" else 0.3 for n, w in cell.widths().items()},
    )


@pytest.mark.parametrize("outer", [True, False], ids=["beforehand", "in the loop"])
@pytest.mark.parametrize("lengths", [None, (3, 0, 5, 3)], ids=["whole", "ragged"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("kind", ["none", "drawn", "shares"])
@pytest.mark.parametrize("name", FAMILIAR)
def test_every_cell_agrees_with_the_reference(
    name: str,
    kind: str,
    reverse: bool,
    lengths: tuple[int, ...] | None,
    outer: bool,
    draw: Any,
    run: Any,
    interpreted: Any,
    same: Any,
) -> None:
    cell = CELLS[name](2, 3)
    values = draw(cell, BATCH, TIME)
    options = {
        "noise": noise(cell, kind),
        "reverse": reverse,
        "lengths": None if lengths is None else torch.tensor(lengths),
    }
    got = interpreted(cell, values, outer=outer, **options)
    same(got, run(cell, values, "reference", **options), rtol=1e-12, atol=1e-12)
    if outer:
        same(run(cell, values, "compiled", **options), got, rtol=1e-9, atol=1e-11)


def broken(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault == "an operation":
        monkeypatch.setitem(OPERATIONS, "sigmoid", lambda a: 0.5 + a / 4)
    elif fault == "a derivative":
        monkeypatch.setitem(OPERATIONS, "sub", lambda a, b: np.where(np.all(a == 1), a - 0.99 * b, a - b))
    else:
        monkeypatch.setattr("throughtime.program.interpreter.shares", lambda derived: [])


@pytest.mark.parametrize("fault", ["an operation", "a derivative", "no products"])
def test_a_fault_is_seen(
    fault: str, monkeypatch: pytest.MonkeyPatch, draw: Any, run: Any, interpreted: Any, same: Any
) -> None:
    cell = CELLS["lstm"](2, 3)
    values = draw(cell, 2, 3)
    expected = run(cell, values, "reference")
    broken(monkeypatch, fault)
    with pytest.raises(AssertionError, match="outputs" if fault == "an operation" else "gradient of"):
        same(interpreted(cell, values), expected, rtol=1e-12, atol=1e-12)


def test_padding_is_never_read(draw: Any, interpreted: Any) -> None:
    cell = CELLS["gru"](2, 3)
    values = draw(cell, 2, 3)
    values["inputs"][0, 1:] = float("nan")
    got = interpreted(cell, values, lengths=torch.tensor([1, 3]))
    assert all(value.isfinite().all() for value in got.values())


def test_every_operation_of_a_program_is_known() -> None:
    """Of all cells and their derivatives."""
    for name in CELLS:
        derived = derive(trace(CELLS[name](2, 3)))
        for program in (derived.forward, derived.backward):
            used = {program.nodes[p].op for p in program.reachable() if not program.nodes[p].is_leaf} - {"product"}
            assert used <= OPERATIONS.keys()
