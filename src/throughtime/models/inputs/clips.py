"""What a recurrent stack reads of clips: features of every frame, or key points made relative.

Shapes::

    B  sequences        T  steps        N  real steps of all sequences        F  features of a step
    C  channels of a frame        S  side of a frame        D  numbers of a step of key points
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.data.ragged import RaggedBatch
from throughtime.engine import real_steps

CHANNELS = (8, 16, 32, 64)
"""Of the convolutions, each of which halves the side."""

GROUP = 4
"""Channels that are normalised together."""

DARK = 0.01
"""Deviation of light, as a share of its range, below which a clip is not made much brighter."""


class FrameInput(nn.Module):
    """Features of every frame, by a small convolutional network: four times convolve, normalise, rectify.

    A clip is first brought to mean 0 and deviation 1, all of its frames together: light and contrast tell nothing of an
    action. A frame is then read together with its difference to the one before (zero at the first), which shows what
    moves. Groups of channels are normalised within a frame (Wu and He 2018), so that a clip reads the same whatever
    stands beside it in a batch. What the last convolution gives keeps its place: where something is matters as much
    as what.

    Args:
        channels: C.
        size: S.
        features: F.
    """

    def __init__(self, channels: int, size: int, features: int) -> None:
        super().__init__()
        self.channels, self.size = channels, size
        layers: list[nn.Module] = []
        width, side = 2 * channels, size
        for out in CHANNELS:
            layers += [nn.Conv2d(width, out, 3, stride=2, padding=1), nn.GroupNorm(out // GROUP, out), nn.ReLU()]
            width, side = out, -(-side // 2)
        self.convolutions = nn.Sequential(*layers)
        self.project = nn.Linear(width * side * side, features)
        self.output_size = features

    def forward(self, batch: RaggedBatch) -> Tensor:
        """Frames ``[B, T, C, S, S]`` of bytes to ``[B, T, F]``, zeros past a sequence's end."""
        frames = onto(batch.values, self.project.weight.device)
        real = _real(batch, frames.device)
        light = even(frames.to(self.project.weight.dtype) / 255, real)
        moved = torch.zeros_like(light)
        moved[:, 1:] = light[:, 1:] - light[:, :-1]
        pictures = torch.cat([light[real], moved[real]], 1)
        seen = self.convolutions(pictures.contiguous(memory_format=torch.channels_last))  # a quarter faster so
        found = F.relu(self.project(seen.flatten(1)))
        outputs = found.new_zeros(*real.shape, self.output_size)
        outputs[real] = found
        return outputs


def even(light: Tensor, real: Tensor) -> Tensor:
    """Frames ``[B, T, C, S, S]`` less the mean of their clip's real ones, ``real [B, T]``, by their deviation.

    Example:
        >>> clip = torch.tensor([1.0, 3.0, 9.0]).view(1, 3, 1, 1, 1)  # the last frame is past the clip's end
        >>> [round(value, 1) for value in even(clip, torch.tensor([[True, True, False]])).flatten().tolist()[:2]]
        [-1.0, 1.0]
    """
    mask = real.view(*real.shape, 1, 1, 1).to(light.dtype)
    count = (mask.sum((1, 2, 3, 4), keepdim=True) * light[0, 0].numel()).clamp(min=1)
    centred = light - (light * mask).sum((1, 2, 3, 4), keepdim=True) / count
    variance = (centred.square() * mask).sum((1, 2, 3, 4), keepdim=True) / count
    return centred / (variance.sqrt() + DARK)


class PointInput(nn.Module):
    """Key points made relative: places from where the points' middle was at first, and how far each moved in a step.

    Both in units of the training data, so that neither the camera's distance nor the place in the picture counts while
    how far a point moves does.

    Args:
        axes: Coordinates of a point; D is a multiple of it.
        numbers: D.
        scales: Units of places and of moves.
    """

    def __init__(self, axes: int, numbers: int, scales: Sequence[float] = (1.0, 1.0)) -> None:
        super().__init__()
        self.axes = axes
        self.output_size = 2 * numbers
        self.register_buffer("scales", torch.tensor(scales))
        self.scales: Tensor

    def forward(self, batch: RaggedBatch) -> Tensor:
        """Points ``[B, T, D]`` to ``[B, T, 2 D]``, zeros past a sequence's end."""
        values = onto(batch.values, self.scales.device).to(self.scales.dtype)
        places, moves = relative(values, self.axes)
        features = torch.cat([places / self.scales[0], moves / self.scales[1]], 2)
        return features * _real(batch, values.device).unsqueeze(2)


def relative(values: Tensor, axes: int) -> tuple[Tensor, Tensor]:
    """Places ``[B, T, D]`` from the middle of the first step's points, and moves since the step before, zero at first.

    Example:
        >>> places, moves = relative(torch.tensor([[[1.0, 5.0], [2.0, 7.0], [2.0, 8.0]]]), axes=2)
        >>> places.tolist(), moves.tolist()
        ([[[0.0, 0.0], [1.0, 2.0], [1.0, 3.0]]], [[[0.0, 0.0], [1.0, 2.0], [0.0, 1.0]]])
    """
    rows, steps, numbers = values.shape
    points = values.view(rows, steps, numbers // axes, axes)
    places = (points - points[:, :1].mean(2, keepdim=True)).reshape(rows, steps, numbers)
    moves = torch.zeros_like(values)
    moves[:, 1:] = values[:, 1:] - values[:, :-1]
    return places, moves


def _real(batch: RaggedBatch, device: torch.device) -> Tensor:
    return onto(real_steps(batch.lengths, batch.values.shape[1]), device)
