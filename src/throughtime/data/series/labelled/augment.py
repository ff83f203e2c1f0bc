"""Series changed a little at every pass, so that a model learns what stays.

The draws are PyTorch's own, whose state a checkpoint holds: a resumed run sees the same changes.

Shapes::

    B  series        T  steps        C  channels
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.data.ragged import RaggedBatch
from throughtime.engine import real_steps


@dataclass(frozen=True)
class SeriesChanges:
    """How far scaled series ``[B, T, C]`` are changed; every series draws for itself.

    Attributes:
        stretch: Share by which a series is made longer or shorter.
        warp: Share by which its speed changes on the way: slower at first, or faster in its middle, say.
        crop: Share of its length that is cut off its ends at most.
        magnify: Deviation of what each channel is multiplied by, around 1.
        noise: Deviation of the noise on every value, in units of the training data.
    """

    stretch: float = 0.0
    warp: float = 0.0
    crop: float = 0.0
    magnify: float = 0.0
    noise: float = 0.0

    def __call__(self, batch: RaggedBatch) -> RaggedBatch:
        """A changed batch; the given one stays as it is. What lies beside a missing value may be missing, too."""
        values, lengths = batch.values, batch.lengths
        if self.stretch or self.warp or self.crop:
            values, lengths = self._resampled(values, lengths)
        if self.magnify:
            values = values * (1 + self.magnify * torch.randn(len(values), 1, values.shape[2]))
        if self.noise:
            values = values + self.noise * torch.randn_like(values)
        return RaggedBatch(values, lengths)

    def _resampled(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Values between the steps, drawn on lines from one to the next."""
        rows = len(values)
        new = (lengths * (1 + self.stretch * _between(rows))).round().long().clamp(min=1)
        share = (torch.arange(int(new.max())) / (new - 1).clamp(min=1).unsqueeze(1)).clamp(max=1)
        share = self._warped(share)
        kept = 1 - self.crop * torch.rand(rows, 1)
        place = ((1 - kept) * torch.rand(rows, 1) + kept * share) * (lengths - 1).clamp(min=0).unsqueeze(1)
        below = place.floor().long()
        above = (below + 1).minimum((lengths - 1).clamp(min=0).unsqueeze(1))
        weight = (place - below).unsqueeze(2)
        at = torch.arange(rows).unsqueeze(1)
        found = torch.lerp(values[at, below], values[at, above], weight)
        return found.masked_fill(~real_steps(new, found.shape[1]).unsqueeze(2), 0.0), new

    def _warped(self, share: Tensor) -> Tensor:
        """Places ``[B, T]`` from 0 to 1 moved along by two waves, whose slopes keep them in their order."""
        rows = len(share)
        half = self.warp * _between(rows).unsqueeze(1)
        whole, phase = self.warp / 2 * torch.rand(rows, 1), 2 * math.pi * torch.rand(rows, 1)
        share = share + half * torch.sin(math.pi * share) / math.pi
        share = share + whole * (torch.sin(2 * math.pi * share + phase) - torch.sin(phase)) / (2 * math.pi)
        return share.clamp(0, 1)


def _between(rows: int) -> Tensor:
    """Numbers drawn between -1 and 1."""
    return 2 * torch.rand(rows) - 1
