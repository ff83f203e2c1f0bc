"""The simplified GRU of the course: one gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, HeadedCell, Parameter, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class SimplifiedGRUCell(HeadedCell, GatedCell):
    """The GRU without its reset gate, as the course on sequence models introduces it::

        u    = σ(W_u [h<t-1>, x<t>] + b_u)           update gate Γ_u
        c~   = tanh(W_c [h<t-1>, x<t>] + b_c)        candidate
        h<t> = u c~ + (1 - u) h<t-1>

    ``h`` is the course's ``c`` (a GRU's memory is its output).

    Gate order in the stacked parameters: u, c. Shapes: ``W_x [2n, k]``, ``W_h [2n, n]``, ``b [2n]``;
    state ``h [B, n]``.

    Start values: ``W_h`` orthogonal, ``b`` zero: at u = 1/2 half of the memory is kept from the start, so
    that a GRU does not need the LSTM's forget bias.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=2),
            "W_h": recurrent_matrix(n, n, gates=2, heads=self.heads),
            "b": self.gate_biases(0.0, 0.0, take=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        u, c = (p.W_x @ x + p.W_h @ s.h + p.b).chunk(2, -1)
        u, c = torch.sigmoid(u), torch.tanh(c)
        return {"h": u * c + (1 - u) * s.h, "u": u, "c": c}
