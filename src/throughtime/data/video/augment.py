"""Clips and key points changed a little at every pass, so that a model learns what stays.

The draws are PyTorch's own, whose state a checkpoint holds: a resumed run sees the same changes.

Shapes::

    B  sequences        T  steps        C  channels        H, W  height and width        D  numbers of a step
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.data.ragged import RaggedBatch
from throughtime.engine import real_steps


@dataclass(frozen=True)
class FrameChanges:
    """How far frames ``[B, T, C, H, W]`` of bytes are changed; every sequence draws once for all of its frames.

    Attributes:
        stretch: Share by which a sequence is made longer or shorter in time.
        shift: Share of the side by which frames are moved; what moves in is black.
        flip: Mirror every other sequence.
        brightness: Share of the range by which frames are made lighter or darker, and of the contrast.
        noise: Deviation of the noise on every value, as a share of the range.
    """

    stretch: float = 0.0
    shift: float = 0.0
    flip: bool = False
    brightness: float = 0.0
    noise: float = 0.0

    def __call__(self, batch: RaggedBatch) -> RaggedBatch:
        """A changed batch; the given one stays as it is."""
        batch = stretched(batch, self.stretch)
        values = batch.values
        rows, side = len(values), values.shape[-1]
        if self.shift:
            reach = round(self.shift * side)
            moves = torch.randint(-reach, reach + 1, (rows, 2)).tolist()
            values = torch.stack([_moved(value, *move) for value, move in zip(values, moves, strict=True)])
        if self.flip:
            mirrored = (torch.rand(rows) < 0.5).to(values.device).view(-1, 1, 1, 1, 1)
            values = torch.where(mirrored, values.flip(-1), values)
        if self.brightness or self.noise:
            contrast = 1 + self.brightness * _between(rows).to(values.device)
            lightness = 255 * self.brightness * _between(rows).to(values.device)
            changed = values.float() * contrast.view(-1, 1, 1, 1, 1) + lightness.view(-1, 1, 1, 1, 1)
            changed = changed + 255 * self.noise * torch.randn_like(changed)
            values = changed.round().clamp(0, 255).to(values.dtype)
        return RaggedBatch(values, batch.lengths)


@dataclass(frozen=True)
class PointChanges:
    """How far sequences of key points ``[B, T, D]`` are changed.

    Attributes:
        axes: Coordinates of a point; D is a multiple of it.
        scale: The unit of ``noise``: how far points usually are from the middle.
        stretch: Share by which a sequence is made longer or shorter in time.
        flip: Mirror the first coordinate of every other sequence about its mean.
        noise: Deviation of the noise on every coordinate, in units of ``scale``.
    """

    axes: int
    scale: float
    stretch: float = 0.0
    flip: bool = False
    noise: float = 0.0

    def __call__(self, batch: RaggedBatch) -> RaggedBatch:
        """A changed batch; the given one stays as it is."""
        batch = stretched(batch, self.stretch)
        values = batch.values
        if self.flip:
            first = torch.arange(values.shape[-1], device=values.device) % self.axes == 0
            mirrored = (torch.rand(len(values)) < 0.5).to(values.device).view(-1, 1, 1)
            middle = values[:, :1, :: self.axes].mean(-1, keepdim=True)
            values = torch.where(mirrored & first, 2 * middle - values, values)
        if self.noise:
            values = values + self.noise * self.scale * torch.randn_like(values)
        return RaggedBatch(values, batch.lengths)


def stretched(batch: RaggedBatch, share: float) -> RaggedBatch:
    """Sequences read at another speed: each ``1 - share`` to ``1 + share`` times as long, of the nearest steps."""
    if not share:
        return batch
    lengths = (batch.lengths * (1 + share * _between(len(batch.lengths)))).round().long()
    lengths = torch.where(batch.lengths > 0, lengths.clamp(min=1), 0)
    steps = torch.arange(int(lengths.max())) + 0.5
    source = (steps * (batch.lengths / lengths.clamp(min=1)).unsqueeze(1)).long()
    source = source.minimum((batch.lengths - 1).clamp(min=0).unsqueeze(1))
    rows = torch.arange(len(lengths)).unsqueeze(1)
    values = batch.values[rows, source]
    real = real_steps(lengths, len(steps)).to(values.device)
    return RaggedBatch(values * real.view(*real.shape, *[1] * (values.dim() - 2)), lengths)


def _between(rows: int) -> Tensor:
    """Numbers drawn between -1 and 1."""
    return 2 * torch.rand(rows) - 1


def _moved(frames: Tensor, down: int, right: int) -> Tensor:
    height, width = frames.shape[-2:]
    moved = torch.zeros_like(frames)
    moved[..., max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = frames[
        ..., max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)
    ]
    return moved
