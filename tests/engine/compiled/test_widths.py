"""Vectors of other processors' widths, which LLVM writes for this one, too: the same values and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from throughtime.cells import CELLS
from throughtime.engine.compiled import cellcode
from throughtime.engine.compiled.llvm.vectors import Target

WIDTHS = {"AVX2": (32, 6), "SSE": (16, 6), "NEON": (16, 14)}
"""Bytes of a vector, and rows that a kernel holds."""


@pytest.fixture(params=WIDTHS)
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    width, rows = WIDTHS[request.param]
    pause = cellcode.target("float").pause

    def target(kind: str) -> Target:
        return Target(kind, width // (4 if kind == "float" else 8), rows, pause)

    monkeypatch.setattr(cellcode, "target", target)
    cellcode.compile_cell.cache_clear()
    yield
    cellcode.compile_cell.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("name", "heads"), [("lstm", 1), ("gru-full", 1), ("lstm", 3)])
def test_other_widths_agree_with_the_reference(
    name: str, heads: int, dtype: torch.dtype, processor: None, draw: Any, agree: Any
) -> None:
    cell = CELLS[name](5, 19 if heads == 1 else 66, heads=heads)
    lengths = torch.tensor([4, 0, 3, 4, 1, 2, 4, 4, 4, 1, 4, 4, 4, 2, 4, 4])
    agree(cell, draw(cell, 16, 4, dtype), lengths=lengths)
