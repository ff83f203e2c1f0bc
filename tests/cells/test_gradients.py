"""Every cell's gradient through time against finite differences."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime.cells import CELLS
from throughtime.engine import unroll

RAGGED = (2, 0, 3)
CASES = [
    *itertools.product(FAMILIAR, (None, RAGGED), (False, True)),
    *((name, RAGGED, True) for name in CELLS if name not in FAMILIAR),
]
STEP = 1e-6


@pytest.mark.parametrize(("name", "lengths", "reverse"), CASES, ids=str)
def test_gradients_equal_differences(name: str, lengths: tuple[int, ...] | None, reverse: bool) -> None:
    """By every number of the inputs, the initial states and the parameters, of a sum of all results at random weights:
    no single entry of the Jacobian can be wrong unseen.
    """
    batch, time = (2, 2) if lengths is None else (3, 3)
    cell = CELLS[name](2, 3)
    source = torch.Generator().manual_seed(11)
    declared = cell.parameters()
    shapes = [(batch, time, 2), *((batch, width) for width in cell.widths().values())]
    shapes += [parameter.shape for parameter in declared.values()]
    sizes = [math.prod(shape) for shape in shapes]
    values = torch.randn(sum(sizes), generator=source, dtype=torch.float64)

    def run(values: Tensor) -> Tensor:
        inputs, *rest = (part.view(shape) for part, shape in zip(values.split(sizes), shapes, strict=True))
        outputs, final = unroll(
            cell,
            dict(zip(declared, rest[len(cell.state) :], strict=True)),
            inputs,
            state=dict(zip(cell.state, rest, strict=False)),
            lengths=None if lengths is None else torch.tensor(lengths),
            reverse=reverse,
            engine="reference",
        )
        return torch.cat([value.flatten() for value in (outputs, *final.values())])

    results = run(values.requires_grad_())
    weights = torch.randn(len(results), generator=source, dtype=torch.float64)
    (found,) = torch.autograd.grad(results @ weights, values)
    values = values.detach()
    moved = STEP * torch.eye(len(values), dtype=torch.float64)
    above, below = (torch.func.vmap(run)(values + change) @ weights for change in (moved, -moved))
    torch.testing.assert_close(found, (above - below) / (2 * STEP), rtol=1e-5, atol=1e-7)
