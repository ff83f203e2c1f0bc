"""What a recurrent stack reads of series: features of every frame and of those around it.

Shapes::

    B  series        S  frames        D  numbers of a frame        F  features of a frame
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.data.ragged import RaggedBatch
from throughtime.engine import real_steps

KERNEL = 5
"""Frames that are seen together."""


class SeriesInput(nn.Module):
    """Features of every frame, and of these those of five frames together: twice weigh, normalise, rectify.

    Rows of the first weights are what the frames of a series are compared with, one after the other, so that both are
    convolutions. What a frame's features are brought to mean 0 and deviation 1 by is its own, so that a series reads
    the same whatever stands beside it in a batch.

    Args:
        numbers: D.
        features: F.
        one_way: No frame sees one that comes after it.
        dropout: Share of the features dropped.
    """

    def __init__(self, numbers: int, features: int, *, one_way: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.project, self.norm = nn.Linear(numbers, features), nn.LayerNorm(features)
        self.around, self.norm_around = nn.Conv1d(features, features, KERNEL), nn.LayerNorm(features)
        self.one_way, self.dropout = one_way, dropout
        self.output_size = features

    @property
    def reach(self) -> int:
        """Frames up to its own, its own among them, that a feature sees."""
        return KERNEL if self.one_way else KERNEL // 2 + 1

    def forward(self, batch: RaggedBatch) -> Tensor:
        """Frames ``[B, S, D]`` to ``[B, S, F]``, zeros past a series' end."""
        frames = onto(batch.values, self.project.weight.device).to(self.project.weight.dtype)
        real = onto(real_steps(batch.lengths, frames.shape[1]).unsqueeze(2), frames.device)
        found = self._dropped(F.relu(self.norm(self.project(frames)))) * real
        before = self.reach - 1
        padded = F.pad(found, (0, 0, before, KERNEL - 1 - before))
        found = self.around(padded.transpose(1, 2)).transpose(1, 2)
        return self._dropped(F.relu(self.norm_around(found))) * real

    def _dropped(self, features: Tensor) -> Tensor:
        return F.dropout(features, self.dropout, self.training)
