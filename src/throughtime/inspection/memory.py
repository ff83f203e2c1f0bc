"""Effective memory: how far back a change of one input still moves the output."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.data.progress import counted
from throughtime.layers import Recurrent

LEFT = 0.05
"""An input is remembered while a change of it moves the output by this share of what a change of the last one does."""

DISTANCES = 32


@dataclass(frozen=True)
class Memory:
    """What a change of one input does.

    Attributes:
        distances: Steps from the changed input to the output, ``[D]``.
        moved: How far the output moves, as a share of what a change of the last input does, ``[D]``.
    """

    distances: Tensor
    moved: Tensor

    @property
    def length(self) -> int:
        """The longest distance at which the output still moves by :data:`LEFT`."""
        far = self.distances[self.moved >= LEFT]
        return int(far.max()) if len(far) else 0

    @property
    def whole(self) -> bool:
        """Whether that is as far as was looked."""
        return self.length == int(self.distances.max())


@torch.no_grad()
def effective_memory(layer: Recurrent, inputs: Tensor, lengths: Tensor, seed: int = 0) -> Memory:
    """Replaces the input of one step by that of another, drawn at random, and compares the last step's output.

    Args:
        layer: In evaluation mode.
        inputs: ``[B, T, F]``.
        lengths: Real steps of every row, ``[B]``; distances go to the shortest row's length.
        seed: Of the draw.

    Raises:
        ValueError: If a row is empty.
    """
    if not len(lengths) or int(lengths.min()) < 1:
        raise ValueError("expected sequences of at least one step")
    random = torch.Generator().manual_seed(seed)
    rows = torch.arange(len(inputs))
    last = lengths - 1
    least = int(lengths.min())
    other = (torch.rand(len(inputs), generator=random) * lengths).long()
    plain = layer(inputs, lengths=lengths)[0][rows, last]
    distances = _distances(least)
    moved = []
    for distance in counted(distances.tolist(), "distances"):
        changed = inputs.clone()
        at = last - distance
        # Another step's input; where that is the same one, its neighbour's.
        source = torch.where(other == at, (other + 1) % lengths, other)
        changed[rows, at] = inputs[rows, source]
        moved.append((layer(changed, lengths=lengths)[0][rows, last] - plain).norm(dim=1).mean())
    found = torch.stack(moved).double().cpu()
    return Memory(distances, found / found[0].clamp(min=1e-12))


def _distances(steps: int) -> Tensor:
    """Distances below ``steps``: every one at first, then ever sparser, the last among them."""
    if steps <= DISTANCES:
        return torch.arange(steps)
    sparse = torch.logspace(0, torch.log10(torch.tensor(float(steps - 1))), DISTANCES).round().long()
    return torch.cat([torch.zeros(1, dtype=torch.int64), torch.unique(sparse)])
