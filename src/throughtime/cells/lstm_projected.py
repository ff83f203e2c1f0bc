"""The LSTM whose output is projected to fewer features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class ProjectedLSTMCell(HeadedCell, GatedCell):
    """The LSTM with a recurrent projection (Sak, Senior and Beaufays 2014, arXiv:1402.1128)::

        i, f, g, o as in the LSTM, of [h<t-1>, x<t>]
        c<t> = f c<t-1> + i g
        h<t> = W_p (o tanh(c<t>))

    A wide memory at the price of a narrow recurrence: the matrices on the past have m columns, not n.

    Gate order in the stacked parameters: i, f, g, o. With m = ``proj_size``: ``W_x [4n, k]``,
    ``W_h [4n, m]``, ``b [4n]``, ``W_p [m, n]``; state ``h [B, m]``, ``c [B, n]``.

    Deviations: no peepholes and no second, non-recurrent projection, as in ``torch.nn.LSTM(proj_size=m)``.
    Start values as in :class:`~throughtime.cells.LSTMCell`.

    Args:
        proj_size: Features of the output, m; by default half the units, rounded up.
    """

    proj_size: int | None = None

    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def __post_init__(self) -> None:
        whole = isinstance(self.proj_size, int) and not isinstance(self.proj_size, bool)
        if self.proj_size is not None and not (whole and self.proj_size >= 1):
            raise ValueError(f"ProjectedLSTMCell: expected proj_size to be a positive integer, got {self.proj_size!r}")
        super().__post_init__()
        if self.proj_size is not None and self.proj_size >= self.hidden_size:
            raise ValueError(
                f"ProjectedLSTMCell: expected proj_size to be less than hidden_size {self.hidden_size}, "
                f"got {self.proj_size}"
            )

    @property
    def m(self) -> int:
        """Features of the output."""
        return self.proj_size or (self.hidden_size + 1) // 2

    def widths(self) -> dict[str, int]:
        return {"h": self.m, "c": self.hidden_size}

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=4),
            "W_h": recurrent_matrix(n, self.m, gates=4, heads=self.heads),
            "b": self.gate_biases(0.0, 1.0, 0.0, 0.0, keep=1, take=0),
            "W_p": input_matrix(self.m, n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        i, f, g, o = (p.W_x @ x + p.W_h @ s.h + p.b).chunk(4, -1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        c = f * s.c + i * g
        h = p.W_p @ (o * torch.tanh(c))
        return {"h": h, "c": c, "i": i, "f": f, "g": g, "o": o}
