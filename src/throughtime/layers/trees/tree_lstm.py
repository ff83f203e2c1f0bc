"""The Tree-LSTM in both of its forms: for children in order, and for any number of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import Parameter, bias, input_matrix, recurrent_matrix
from throughtime.layers.trees.base import TreeCell


class BinaryTreeLSTMCell(TreeCell):
    """The N-ary Tree-LSTM with N = 2, for constituency trees (Tai, Socher and Manning 2015, eq. 9–14)::

        i, o = σ(W_i x + b_i), σ(W_o x + b_o)                          leaf
        u    = tanh(W_u x + b_u)
        c    = i u

        i, o = σ(U_i [h_1, h_2] + b'_i), σ(U_o [h_1, h_2] + b'_o)      node above its children 1 and 2
        f_1, f_2 = σ(U_f1 [h_1, h_2] + b'_f), σ(U_f2 [h_1, h_2] + b'_f)
        u    = tanh(U_u [h_1, h_2] + b'_u)
        c    = i u + f_1 c_1 + f_2 c_2

        h    = o tanh(c)                                               both

    Gate order in the stacked parameters: i, o, u, then f_1, f_2. Shapes: ``W [3n, k]``, ``b_x [3n]``, ``U [5n, 2n]``,
    ``b [5n]``; states ``h``, ``c`` ``[B, n]``. A child that is not there counts as zeros.

    Deviations: leaves and nodes have biases of their own, and so have f_1 and f_2; forget gates start at a bias of 1.
    """

    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W": input_matrix(n, k, gates=3),
            "b_x": bias(3 * n),
            "U": recurrent_matrix(n, 2 * n, gates=5),
            "b": bias(n, 0.0, 0.0, 0.0, 1.0, 1.0),
        }

    def leaf(self, x: Tensor, p: Any) -> Mapping[str, Tensor]:
        i, o, u = (p.W @ x + p.b_x).chunk(3, -1)
        c = torch.sigmoid(i) * torch.tanh(u)
        return {"h": torch.sigmoid(o) * torch.tanh(c), "c": c}

    def join(self, x: Tensor | None, s: Any, p: Any) -> Mapping[str, Tensor]:
        n = self.hidden_size
        i, o, u, f = (p.U @ s.h + p.b).split([n, n, n, 2 * n], -1)
        f_1, f_2 = torch.sigmoid(f).chunk(2, -1)
        c_1, c_2 = s.c.chunk(2, -1)
        c = torch.sigmoid(i) * torch.tanh(u) + f_1 * c_1 + f_2 * c_2
        return {"h": torch.sigmoid(o) * torch.tanh(c), "c": c}


class ChildSumTreeLSTMCell(TreeCell):
    """The child-sum Tree-LSTM, for dependency trees (Tai, Socher and Manning 2015, eq. 2–8)::

        h~  = Σ_j h_j                                   over the children j
        i   = σ(W_i x + U_i h~ + b_i)
        o   = σ(W_o x + U_o h~ + b_o)
        u   = tanh(W_u x + U_u h~ + b_u)
        f_j = σ(W_f x + U_f h_j + b_f)                  a gate for every child
        c   = i u + Σ_j f_j c_j
        h   = o tanh(c)

    Gate order in the stacked parameters: i, o, u. Shapes: ``W [3n, k]``, ``U [3n, n]``, ``b [3n]``, ``W_f [n, k]``,
    ``U_f [n, n]``, ``b_f [n]``; states ``h``, ``c`` ``[B, n]``.

    Deviations: forget gates start at a bias of 1.
    """

    arity: ClassVar[int | None] = None
    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W": input_matrix(n, k, gates=3),
            "U": recurrent_matrix(n, n, gates=3),
            "b": bias(n, 0.0, 0.0, 0.0),
            "W_f": input_matrix(n, k),
            "U_f": recurrent_matrix(n, n),
            "b_f": bias(n, 1.0),
        }

    def leaf(self, x: Tensor, p: Any) -> Mapping[str, Tensor]:
        return self._close(p.W @ x + p.b)

    def join(self, x: Tensor | None, s: Any, p: Any) -> Mapping[str, Tensor]:
        gates, forget = p.U @ s.sum(s.h) + p.b, p.U_f @ s.h + p.b_f
        if x is not None:
            gates, forget = gates + p.W @ x, forget + s.each(p.W_f @ x)
        return self._close(gates, s.sum(torch.sigmoid(forget) * s.c))

    def _close(self, gates: Tensor, kept: Tensor | float = 0.0) -> Mapping[str, Tensor]:
        i, o, u = gates.chunk(3, -1)
        c = torch.sigmoid(i) * torch.tanh(u) + kept
        return {"h": torch.sigmoid(o) * torch.tanh(c), "c": c}
