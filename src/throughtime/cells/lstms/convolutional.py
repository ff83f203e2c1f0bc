"""The LSTM whose products are convolutions over a frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.cells.base import Cell, Parameter, bias, vector


def _fill_uniform(bound: float, weight: Tensor) -> None:
    weight.uniform_(-bound, bound)


def _fill_orthogonal(weight: Tensor) -> None:
    for gate in weight.chunk(4):
        torch.nn.init.orthogonal_(gate)


@dataclass(frozen=True)
class ConvLSTMCell(Cell):
    """The convolutional LSTM (Shi et al. 2015, arXiv:1506.04214, equation 3), ∗ a convolution over the frame::

        i    = σ(W_i ∗ [h<t-1>, x<t>] + p_i c<t-1> + b_i)
        f    = σ(W_f ∗ [h<t-1>, x<t>] + p_f c<t-1> + b_f)
        g    = tanh(W_g ∗ [h<t-1>, x<t>] + b_g)
        c<t> = f c<t-1> + i g
        o    = σ(W_o ∗ [h<t-1>, x<t>] + p_o c<t> + b_o)
        h<t> = o tanh(c<t>)

    A frame is a row of features here, channel by channel and line by line: ``input_size`` is its channels times its
    places, ``hidden_size`` the state's. :class:`throughtime.layers.ConvLSTM` takes frames as frames.

    Gate order in the stacked parameters: i, f, g, o. Shapes, for C channels of the input and M of the state:
    ``W_x [4M, C, kernel, kernel]``, ``W_h [4M, M, kernel, kernel]``, ``b [4M]``, ``p_i``, ``p_f`` and ``p_o``
    ``[M · height · width]``; state ``h`` and ``c``, ``[B, M · height · width]``. Outside of the frame are zeros.

    Start values as in :class:`~throughtime.cells.LSTMCell`, kernels orthogonal and Glorot-uniform by what a place sees;
    the peepholes start at zero.

    Deviations: none. Weight-drop and recurrent dropout act on matrices, and there are none. It is no program of
    products with matrices, and runs on the reference engine.

    Args:
        height: Lines of a frame.
        width: Places of a line.
        kernel: Places that a convolution sees in each direction, odd.
    """

    height: int = 1
    width: int = 1
    kernel: int = 3

    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("height", "width", "kernel"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"ConvLSTMCell: expected {name} to be a positive integer, got {value!r}")
        if self.kernel % 2 == 0:
            raise ValueError(f"ConvLSTMCell: expected kernel to be odd, got {self.kernel}")
        for name in ("input_size", "hidden_size"):
            size, places = getattr(self, name), self.height * self.width
            if size % places:
                raise ValueError(f"ConvLSTMCell: expected {name} to be a multiple of {places} places, got {size}")

    @property
    def channels(self) -> tuple[int, int]:
        """Of the input and of the state."""
        places = self.height * self.width
        return self.input_size // places, self.hidden_size // places

    def parameters(self) -> Mapping[str, Parameter]:
        taken, made = self.channels
        bound = math.sqrt(6.0 / ((taken + made) * self.kernel**2))
        kernel = (self.kernel, self.kernel)
        return {
            "W_x": Parameter((4 * made, taken, *kernel), "vector", partial(_fill_uniform, bound)),
            "W_h": Parameter((4 * made, made, *kernel), "vector", _fill_orthogonal),
            "b": bias(made, 0.0, 1.0, 0.0, 0.0),
            "p_i": vector(self.hidden_size),
            "p_f": vector(self.hidden_size),
            "p_o": vector(self.hidden_size),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        taken, made = self.channels
        frame, reach = (self.height, self.width), self.kernel // 2
        from_input = F.conv2d(torch.unflatten(x, 1, (taken, *frame)), p.W_x, p.b, padding=reach)
        from_past = F.conv2d(torch.unflatten(s.h, 1, (made, *frame)), p.W_h, padding=reach)
        i, f, g, o = (from_input + from_past).flatten(1).chunk(4, -1)
        i, f, g = torch.sigmoid(i + p.p_i * s.c), torch.sigmoid(f + p.p_f * s.c), torch.tanh(g)
        c = f * s.c + i * g
        o = torch.sigmoid(o + p.p_o * c)
        return {"h": o * torch.tanh(c), "c": c, "i": i, "f": f, "g": g, "o": o}
