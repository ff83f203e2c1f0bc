"""The page of cells tells of every one of them, by its class and with as many numbers as it has."""

from __future__ import annotations

import math
import re
from pathlib import Path

import throughtime.cells
from familiar import FAMILIAR
from throughtime.cells import CELLS

PAGE = Path(__file__).parents[2] / "docs" / "cells.md"


def rows() -> dict[str, tuple[str, str]]:
    """Class and numbers by name."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.replace("\\|", "").strip("|").split("|")]
        if line.startswith("| `"):
            numbers = next(cell for cell in cells if re.fullmatch(r"[\d.nk²+ ]+", cell))
            found |= {name: (cells[1].strip("`"), numbers) for name in re.findall(r"`([\w-]+)`", cells[0])}
    return found


def count(numbers: str, k: int, n: int) -> float:
    """``"4nk + 7n"`` for k features and n units."""
    values = {"nk": n * k, "n²": n * n, "n": n, "": 1}
    terms = [re.fullmatch(r"([\d.]*)(nk|n²|n|)", term) for term in numbers.split(" + ")]
    return sum(float(term[1] or 1) * values[term[2]] for term in terms if term)


def test_every_cell_has_its_row() -> None:
    told = rows()
    assert told.keys() == CELLS.keys()
    for name, (kind, numbers) in told.items():
        cell = CELLS[name](4, 6)
        assert type(cell) is getattr(throughtime.cells, kind), name
        assert count(numbers, 4, 6) == sum(math.prod(p.shape) for p in cell.parameters().values()), name


def test_every_unfamiliar_cell_tells_its_equations_paper_and_start_values() -> None:
    for name in CELLS.keys() - set(FAMILIAR):
        told = type(CELLS[name](2, 3)).__doc__ or ""
        for part in ("::\n", "h<t>", "Shapes:", "tart values", "Deviations:"):
            assert part in told, (name, part)
        assert re.search(r"(19|20)\d\d", told), name
