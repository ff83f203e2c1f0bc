"""A stack of convolutional LSTMs over frames.

Shapes::

    B  rows        C, M  channels of the input, of the state        L  layers times directions
    T  steps       H, W  lines of a frame, places of a line
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from throughtime.cells import ConvLSTMCell
from throughtime.engine import Lengths
from throughtime.layers.recurrent import Recurrent


class ConvLSTM(nn.Module):
    """Convolutional LSTMs (Shi et al. 2015), deep, in one or both directions, over ragged batches of frames.

    Args:
        channels: Of the input, C.
        hidden_channels: Of the state, M.
        size: Lines and places of a frame, ``(H, W)``.
        kernel: Places that a convolution sees in each direction, odd.
        num_layers: Depth.
        options: Those of :class:`throughtime.Recurrent`: ``bidirectional``, ``dropout``, ``zoneout``, ``residual``, ….

    Raises:
        ValueError: If a size does not fit.

    Example:
        >>> import torch
        >>> layer = ConvLSTM(3, 8, (16, 24), num_layers=2)
        >>> outputs, state = layer(torch.randn(2, 5, 3, 16, 24), lengths=[5, 3])
        >>> outputs.shape, state["c"].shape
        (torch.Size([2, 5, 8, 16, 24]), torch.Size([2, 2, 8, 16, 24]))
    """

    def __init__(
        self,
        channels: int,
        hidden_channels: int,
        size: tuple[int, int],
        kernel: int = 3,
        num_layers: int = 1,
        **options: Any,
    ) -> None:
        super().__init__()
        height, width = self.size = size
        places = height * width
        self.channels = channels
        options = {"height": height, "width": width, "kernel": kernel, **options}
        self.stack = Recurrent(ConvLSTMCell, channels * places, hidden_channels * places, num_layers, **options)

    def forward(
        self, frames: Tensor, state: Mapping[str, Tensor] | None = None, lengths: Lengths | None = None, **marks: Any
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Runs the layer over a batch.

        Args:
            frames: ``[B, T, C, H, W]``.
            state: The initial state by name, ``[L, B, M, H, W]`` each; zeros where None.
            lengths: Real steps of every row; None where all are T.
            marks: ``resets``, ``resets_to`` and ``mask`` as in :meth:`throughtime.Recurrent.forward`.

        Returns:
            Outputs ``[B, T, M, H, W]``, zero past a row's length, M twice in both directions; and the final state,
            shaped as the initial.

        Raises:
            ValueError: If shapes do not fit; says what was expected.
        """
        if frames.dim() != 5 or tuple(frames.shape[2:]) != (self.channels, *self.size):
            height, width = self.size
            shape = f"[B, T, {self.channels}, {height}, {width}]"
            raise ValueError(f"expected frames of shape {shape}, got {list(frames.shape)}")
        flat = None if state is None else {name: value.flatten(2) for name, value in state.items()}
        outputs, final = self.stack(frames.flatten(2), flat, lengths, **marks)
        return self._as_frames(outputs), {name: self._as_frames(value) for name, value in final.items()}

    def _as_frames(self, rows: Tensor) -> Tensor:
        return torch.unflatten(rows, 2, (-1, *self.size))
