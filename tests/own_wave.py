"""A cell of the user's own, for tests that name it as ``own_wave:Own``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from throughtime.cells import Cell
from throughtime.cells.base import bias, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class Own(Cell):
    """A cell of the user's own: ``h<t> = sin(W_x x<t> + W_h h<t-1> + b)``."""

    state = ("h",)

    def parameters(self) -> Any:
        """``W_x [n, k]``, ``W_h [n, n]``, ``b [n]``."""
        n, k = self.hidden_size, self.input_size
        return {"W_x": input_matrix(n, k), "W_h": recurrent_matrix(n, n), "b": bias(n)}

    def step(self, x: Any, s: Any, p: Any) -> Any:
        """See above."""
        return {"h": (p.W_x @ x + p.W_h @ s.h + p.b).sin()}
