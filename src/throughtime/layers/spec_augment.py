"""Masks over time and frequency: what a network learns from spectrograms when parts of them are hidden.

Shapes::

    B  rows        T  frames        F  features of a frame: neighbouring bands        M  masks
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from throughtime.engine import Lengths, as_lengths

LONGEST = 0.2
"""Most of a row that one mask over time hides (p in the paper)."""


class SpecAugment(nn.Module):
    """Hides some frames, and some bands, of every row while training (Park et al. 2019); what is hidden becomes zero.

    Widths are drawn from 0 to the widest, and places among those where the mask fits. There is no time warping, which
    the paper finds to matter least.

    Args:
        time_masks: Masks over frames.
        time_width: Most frames of a mask; never more than :data:`LONGEST` of a row.
        band_masks: Masks over bands.
        band_width: Most bands of a mask.

    Example:
        >>> hide = SpecAugment(time_masks=1, time_width=4, band_masks=0, band_width=0)
        >>> hide.eval()(torch.ones(1, 3, 2), torch.tensor([3])).sum()
        tensor(6.)
    """

    def __init__(self, *, time_masks: int, time_width: int, band_masks: int, band_width: int) -> None:
        super().__init__()
        self.time_masks, self.time_width = time_masks, time_width
        self.band_masks, self.band_width = band_masks, band_width

    def forward(self, features: Tensor, lengths: Lengths) -> Tensor:
        """``features [B, T, F]`` of rows of ``lengths [B]`` frames, parts of them zero; as they are in evaluation."""
        if not self.training:
            return features
        batch, steps, bands = features.shape
        lengths = as_lengths(lengths, features.device)
        widest = (LONGEST * lengths).clamp(max=self.time_width)
        hidden = _spans(self.time_masks, widest, lengths, steps).unsqueeze(2)
        all_bands = lengths.new_full((batch,), bands)
        hidden = hidden | _spans(self.band_masks, all_bands.clamp(max=self.band_width), all_bands, bands).unsqueeze(1)
        return features.masked_fill(hidden, 0.0)

    def extra_repr(self) -> str:
        """Masks and their widths."""
        return f"time {self.time_masks} × {self.time_width}, bands {self.band_masks} × {self.band_width}"


def _spans(count: int, widest: Tensor, lengths: Tensor, size: int) -> Tensor:
    """``[B, size]``: true inside of ``count`` spans, of up to ``widest [B]`` places among the first ``lengths [B]``."""
    shape = (len(lengths), count)
    widths = (torch.rand(shape, device=lengths.device) * (widest.unsqueeze(1).floor() + 1)).floor()
    starts = (torch.rand(shape, device=lengths.device) * (lengths.unsqueeze(1) - widths + 1)).floor()
    places = torch.arange(size, device=lengths.device).view(1, 1, size)
    inside = (places >= starts.unsqueeze(2)) & (places < (starts + widths).unsqueeze(2))
    return inside.any(1)
