"""Matrices of blocks on the diagonal: the same cell with whole matrices that are zero beside them is the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from throughtime.cells import CELLS, Cell, Parameter
from throughtime.engine import Noise

NAMES = [name for name in CELLS if name != "lstm-layernorm"]
TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-11}, torch.float32: {"rtol": 2e-4, "atol": 2e-5}}


def whole(value: Tensor, declared: Parameter) -> Tensor:
    """The matrix that blocks stand for."""
    gates = value.chunk(declared.gates)
    return torch.cat([torch.block_diag(*gate.chunk(declared.heads)) for gate in gates])


def on_blocks(value: Tensor, declared: Parameter) -> Tensor:
    """What of such a matrix is stored."""
    parts = []
    for gate in value.chunk(declared.gates):
        for head, rows in enumerate(gate.chunk(declared.heads)):
            parts.append(rows.chunk(declared.heads, 1)[head])
    return torch.cat(parts)


def truth(cell: Cell, values: dict[str, Tensor], run: Callable[..., Any], **options: Any) -> dict[str, Tensor]:
    """Results and gradients of the same cell with whole matrices, on the reference engine."""
    headed = {name: p for name, p in cell.parameters().items() if p.heads > 1}
    plain = dataclasses.replace(cell, heads=1)  # type: ignore[call-arg]
    given = values | {name: whole(values[name], p) for name, p in headed.items()}
    found: dict[str, Tensor] = run(plain, given, "reference", **options)
    for name, p in headed.items():
        found[f"gradient of {name}"] = on_blocks(found[f"gradient of {name}"], p)
    return found


def noise(cell: Cell, batch: int, time: int, dtype: torch.dtype) -> Noise:
    source = torch.Generator().manual_seed(5)

    def drawn(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=source, dtype=torch.float64) < 0.6).to(dtype)

    recurrent = {n: p for n, p in cell.parameters().items() if p.role == "recurrent"}
    return Noise(
        {n: drawn(batch, p.features) * 2 for n, p in recurrent.items()},
        {n: drawn(batch, time, width) for n, width in cell.widths().items()},
    )


@pytest.mark.parametrize("noisy", [False, True], ids=["plain", "noisy"])
@pytest.mark.parametrize(("lengths", "reverse"), [(None, False), ((3, 0, 5, 3), False), ((3, 0, 5, 3), True)])
@pytest.mark.parametrize("name", CELLS)
def test_heads_are_a_whole_matrix_that_is_zero_beside_them(
    name: str, lengths: Any, reverse: bool, noisy: bool, draw: Any, run: Any, interpreted: Any, same: Any
) -> None:
    cell = CELLS[name](2, 12, heads=3)
    values = draw(cell, 4, 5)
    given = None if lengths is None else torch.tensor(lengths)
    options = {"lengths": given, "reverse": reverse, "noise": noise(cell, 4, 5, torch.float64) if noisy else None}
    expected = truth(cell, values, run, **options)
    same(run(cell, values, "reference", **options), expected, rtol=1e-12, atol=1e-12)
    if name in NAMES:
        same(interpreted(cell, values, **options), expected, rtol=1e-12, atol=1e-12)
        same(run(cell, values, "compiled", **options), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "hidden", "heads"),
    [
        *(
            ("lstm", hidden, heads)
            for hidden, heads in ((2, 2), (12, 12), (33, 3), (48, 2), (64, 8), (96, 3), (128, 4))
        ),
        *(("gru-full", hidden, heads) for hidden, heads in ((100, 4), (130, 5))),
        ("lstm-projected", 66, 3),
    ],
)
def test_any_size_of_a_head(
    name: str, hidden: int, heads: int, dtype: torch.dtype, draw: Any, run: Any, same: Any
) -> None:
    """Heads that end within a panel of units, with it, and that take several."""
    cell = CELLS[name](3, hidden, heads=heads)
    for batch, lengths in ((1, None), (17, torch.arange(17) % 4)):
        values = draw(cell, batch, 3, dtype)
        same(
            run(cell, values, "compiled", lengths=lengths),
            truth(cell, values, run, lengths=lengths),
            **TOLERANCE[dtype],
        )


@pytest.mark.parametrize(("hidden", "heads"), [(12, 3), (48, 2), (128, 4)])
@pytest.mark.parametrize("name", ["lstm", "gru-full"])
def test_a_row_has_the_same_bits_alone_and_in_any_batch(
    name: str, hidden: int, heads: int, draw: Any, run: Any
) -> None:
    cell = CELLS[name](3, hidden, heads=heads)
    values = draw(cell, 17, 5, torch.float32)
    lengths = torch.arange(17) % 6
    many = run(cell, values, "compiled", lengths=lengths)
    rows = [n for n in values if n == "inputs" or n.startswith("initial")]
    for row in (3, 5, 16):
        own = values | {n: values[n][row : row + 1] for n in rows}
        alone = run(cell, own, "compiled", lengths=lengths[row : row + 1])
        assert torch.equal(alone["outputs"][0], many["outputs"][row])
        assert all(torch.equal(alone[f"final {s}"][0], many[f"final {s}"][row]) for s in cell.state)
