"""What a step of a model sees of a series: its values around a place, how they move, and which are missing.

Shapes::

    B  series        T  steps        C  channels        S  frames: steps of the model        D  numbers of a frame
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.data.ragged import RaggedBatch
from throughtime.engine import real_steps


@dataclass(frozen=True)
class Framing:
    """How frames are made of scaled values.

    A frame holds ``window`` rows, each its values, zero where one is missing, their differences to the row before in
    units of the training data, and, with ``masks``, one where a value is there. There is a frame every ``stride``
    rows, the last one cut short; in the middle of its window stand the rows that it is for, or, one-way, at the end.
    Past both ends of a series its first and its last row are repeated.

    Attributes:
        window: Rows of a frame.
        stride: Rows from frame to frame.
        one_way: A frame sees nothing that comes after its own rows.
        masks: Whether it tells which values are there.
        moves: Unit of each channel's differences.
    """

    window: int
    stride: int
    one_way: bool
    masks: bool
    moves: tuple[float, ...]

    @property
    def numbers(self) -> int:
        """D."""
        return self.window * self.row

    @property
    def row(self) -> int:
        """Numbers of a row."""
        return len(self.moves) * (3 if self.masks else 2)

    def count(self, steps: int) -> int:
        """S of a series of T steps."""
        return -(-steps // self.stride)

    def __call__(self, batch: RaggedBatch) -> RaggedBatch:
        """Scaled values ``[B, T, C]``, missing ones not a number, as frames ``[B, S, D]``.

        Example:
            >>> framing = Framing(window=3, stride=2, one_way=True, masks=False, moves=(1.0,))
            >>> framing(RaggedBatch(torch.tensor([[[1.0], [3.0], [6.0]]]), torch.tensor([3]))).values.tolist()
            [[[1.0, 0.0, 1.0, 0.0, 3.0, 2.0], [1.0, 0.0, 3.0, 2.0, 6.0, 3.0]]]
        """
        rows, lengths = self.rows(batch.values), batch.lengths
        frames = -(-lengths // self.stride)
        ends = ((torch.arange(int(frames.max())) + 1) * self.stride).minimum(lengths.unsqueeze(1)).to(rows.device)
        first = ends - self.window + (0 if self.one_way else (self.window - self.stride) // 2)
        at = first.unsqueeze(2) + torch.arange(self.window, device=rows.device)
        at = at.clamp(min=0).minimum((lengths - 1).clamp(min=0).view(-1, 1, 1).to(rows.device))
        found = rows[torch.arange(len(rows), device=rows.device).view(-1, 1, 1), at].flatten(2)
        return RaggedBatch(found * real_steps(frames, found.shape[1]).unsqueeze(2).to(found.device), frames)

    def rows(self, values: Tensor) -> Tensor:
        """What frames are made of, ``[…, T, row]``."""
        there = values.isfinite()
        moved = torch.zeros_like(values)
        moved[..., 1:, :] = (values[..., 1:, :] - values[..., :-1, :]) / values.new_tensor(self.moves)
        parts = [values.nan_to_num(0.0), moved.nan_to_num(0.0), *([there.to(values.dtype)] if self.masks else [])]
        return torch.cat(parts, -1)
