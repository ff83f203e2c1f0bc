"""Every cell's gradient through time against finite differences."""

from __future__ import annotations

import itertools

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


@pytest.mark.parametrize(("name", "lengths", "reverse"), CASES, ids=str)
def test_gradcheck(name: str, lengths: tuple[int, ...] | None, reverse: bool) -> None:
    batch, time = (2, 2) if lengths is None else (3, 3)
    cell = CELLS[name](2, 3)
    draw = torch.Generator().manual_seed(11)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64).requires_grad_()

    inputs = random(batch, time, 2)
    states = [random(batch, width) for width in cell.widths().values()]
    declared = cell.parameters()
    parameters = [random(*parameter.shape) for parameter in declared.values()]

    def run(inputs: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        outputs, final = unroll(
            cell,
            dict(zip(declared, rest[len(states) :], strict=True)),
            inputs,
            state=dict(zip(cell.state, rest, strict=False)),
            lengths=None if lengths is None else torch.tensor(lengths),
            reverse=reverse,
            engine="reference",
        )
        return outputs, *final.values()

    assert torch.autograd.gradcheck(run, (inputs, *states, *parameters))
