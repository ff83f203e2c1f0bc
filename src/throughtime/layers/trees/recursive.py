"""The recursive network: one matrix over both children."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from throughtime.cells.base import Parameter, bias, input_matrix
from throughtime.layers.trees.base import TreeCell


class RecursiveCell(TreeCell):
    """The recursive network (Socher et al. 2011; Socher et al. 2013, eq. for RNN)::

        h = tanh(W_x x + b_x)            leaf
        h = tanh(W [h_1, h_2] + b)       node above its children 1 and 2

    Shapes: ``W_x [n, k]``, ``W [n, 2n]``; state ``h [B, n]``. A child that is not there counts as zeros.

    Deviations: the papers' leaves are word vectors of n features themselves. W starts as half of each child
    (identity, with a little noise), as in the authors' code: their mean goes up the tree.
    """

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {"W_x": input_matrix(n, k), "b_x": bias(n), "W": mean_matrix(n), "b": bias(n)}

    def leaf(self, x: Tensor, p: Any) -> Mapping[str, Tensor]:
        return {"h": torch.tanh(p.W_x @ x + p.b_x)}

    def join(self, x: Tensor | None, s: Any, p: Any) -> Mapping[str, Tensor]:
        return {"h": torch.tanh(p.W @ s.h + p.b)}


def mean_matrix(size: int) -> Parameter:
    """A matrix over two children that starts near their mean, ``[size, 2 * size]``."""
    return Parameter((size, 2 * size), "recurrent", _fill_mean)


def _fill_mean(weight: Tensor) -> None:
    size = len(weight)
    weight.uniform_(-0.5 / size**0.5, 0.5 / size**0.5)
    weight += 0.5 * torch.eye(size).repeat(1, 2)
