"""The recursive neural tensor network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import Parameter, bias, input_matrix
from throughtime.layers.trees.base import TreeCell
from throughtime.layers.trees.recursive import mean_matrix


class RNTNCell(TreeCell):
    """The recursive neural tensor network (Socher et al. 2013)::

        h = tanh(W_x x + b_x)                   leaf
        h = tanh(q' V q + W q + b)              node above its children 1 and 2, q = [h_1, h_2]

    The tensor lets the children multiply: "not" can turn what it stands before. Row u of q' V q is ``q' V[u] q``.
    Shapes: ``W_x [n, k]``, ``W [n, 2n]``, ``V [n, 2n, 2n]``; state ``h [B, n]``. V costs 4n³ products a node: the
    paper's n is 25 to 35. A child that is not there counts as zeros.

    Deviations: the paper's leaves are word vectors of n features themselves. Start values as in
    :class:`RecursiveCell`; V starts near zero.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k),
            "b_x": bias(n),
            "V": Parameter((n, 2 * n, 2 * n), "vector", partial(_fill_small, 1.0 / (4 * n))),
            "W": mean_matrix(n),
            "b": bias(n),
        }

    def leaf(self, x: Tensor, p: Any) -> Mapping[str, Tensor]:
        return {"h": torch.tanh(p.W_x @ x + p.b_x)}

    def join(self, x: Tensor | None, s: Any, p: Any) -> Mapping[str, Tensor]:
        q = s.h
        Vq = (q @ p.V.flatten(0, 1).t()).unflatten(1, (self.hidden_size, -1))
        return {"h": torch.tanh((Vq @ q.unsqueeze(2)).squeeze(2) + p.W @ q + p.b)}


def _fill_small(bound: float, weight: Tensor) -> None:
    weight.uniform_(-bound, bound)
