"""The recurrent Jacobian ``∂s<t>/∂s<t-1>`` along real data, and its singular values.

Where the largest stays below 1, gradients must vanish; above 1 they may explode (Pascanu, Mikolov and Bengio 2013).
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor
from torch.func import jacrev

from throughtime.data.progress import counted
from throughtime.engine import bind
from throughtime.engine.reference import zone_out
from throughtime.inspection.recording import Watched


@torch.no_grad()
def jacobian(cell: Watched, row: int, t: int) -> Tensor:
    """``∂s<t>/∂s<t-1>`` of one sequence, all states joined in the cell's order, ``[N, N]``.

    Args:
        cell: Of a recording.
        row: The sequence.
        t: The step, from 1; against the direction that the cell runs in, it is counted from the end.
    """
    directed = cell.directed
    parameters = bind(directed.cell, {name: value.detach() for name, value in directed.values().items()})
    before, inputs = _before(cell, row, t)
    sizes = [len(value) for value in before.values()]

    def step(joined: Tensor) -> Tensor:
        old = {name: part.unsqueeze(0) for name, part in zip(before, torch.split(joined, sizes), strict=True)}
        new = directed.cell.step(inputs.unsqueeze(0), SimpleNamespace(**old), parameters)
        after = (zone_out(new[name], value, directed.keep.get(name), 0) for name, value in old.items())
        return torch.cat([value.squeeze(0) for value in after])

    found: Tensor = jacrev(step)(torch.cat(list(before.values())))
    return found


def singular_values(cell: Watched, row: int = 0, steps: int = 24) -> tuple[Tensor, Tensor]:
    """The largest, median and smallest singular value along a sequence.

    Args:
        cell: Of a recording.
        row: The sequence.
        steps: Most steps, spread evenly.

    Returns:
        The steps ``[K]`` and the values ``[K, 3]``; none for a sequence of one step.
    """
    length = int(cell.lengths[row])
    if length < 2:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3)
    at = torch.linspace(1, length - 1, min(steps, length - 1)).round().long()
    values = torch.stack([torch.linalg.svdvals(jacobian(cell, row, int(t))) for t in counted(at, "Jacobians")])
    return at, torch.stack([values[:, 0], values.median(1).values, values[:, -1]], 1).cpu()


def _before(cell: Watched, row: int, t: int) -> tuple[dict[str, Tensor], Tensor]:
    """The states before the t-th step of a run, ``[n]`` each, and its input."""
    length = int(cell.lengths[row])
    at, past = (length - 1 - t, length - t) if cell.directed.reverse else (t, t - 1)
    return {name: cell.values(name)[row, past] for name in cell.states}, cell.inputs[row, at]
