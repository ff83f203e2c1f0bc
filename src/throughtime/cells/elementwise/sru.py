"""The simple recurrent unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.cells.base import GatedCell, Parameter, input_matrix, uniform_vector

ROOT = math.sqrt(1.5)


@dataclass(frozen=True)
class SRUCell(GatedCell):
    """The simple recurrent unit (Lei et al. 2018, arXiv:1709.02755v5, equations 1–4)::

        f    = σ(W_f x<t> + v_f c<t-1> + b_f)
        c<t> = f c<t-1> + (1 - f) W_c x<t>
        r    = σ(W_r x<t> + v_r c<t-1> + b_r)
        h<t> = r c<t> + (1 - r) x<t> √3

    Each unit sees its own memory alone, and a highway leads past it. Where the input has not n features, W_s x<t>
    stands for x<t> √3, as in the authors' code.

    Gate order in the stacked parameters: f, r, c, and s where k is not n. Shapes: ``W_x [3n, k]`` or ``[4n, k]``,
    ``v_f [n]``, ``v_r [n]``, ``b [2n]``; state ``h [B, n]``, ``c [B, n]``.

    Start values: v is drawn evenly from ±√1.5, variance 1/2, as the paper has it; b is 0. √3 keeps the variance from
    layer to layer for such gates (the paper's section 3.2).

    Deviations: W is Glorot-uniform, as every input matrix here.
    """

    state: ClassVar[tuple[str, ...]] = ("h", "c")

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_x": input_matrix(n, k, gates=3 if k == n else 4),
            "v_f": uniform_vector(n, -ROOT, ROOT),
            "v_r": uniform_vector(n, -ROOT, ROOT),
            "b": self.gate_biases(0.0, 0.0, keep=0),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        square = self.input_size == self.hidden_size
        parts = (p.W_x @ x).chunk(3 if square else 4, -1)
        f, r, c = parts[0], parts[1], parts[2]
        b_f, b_r = p.b.chunk(2, -1)
        f = torch.sigmoid(f + p.v_f * s.c + b_f)
        r = torch.sigmoid(r + p.v_r * s.c + b_r)
        c = f * s.c + (1 - f) * c
        past = x * math.sqrt(3.0) if square else parts[3]
        h = r * c + (1 - r) * past
        return {"h": h, "c": c, "f": f, "r": r}
