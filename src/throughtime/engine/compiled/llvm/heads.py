"""Products with matrices that have heads: which features a panel of units reads, and how its weights are packed.

A panel multiplies a window of features: those of the heads that its units belong to. Where a head ends within a panel,
the window holds its neighbour, too, and zeros; elsewhere no number is packed but the stored ones. Of a transpose, which
takes the gradients of several gates side by side back to the state, a panel has one window in each gate.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.program import Block


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a product, one a panel.

    Attributes:
        starts: The first feature of each panel's window, ``[panels]``.
        depth: Features of a window.
        gates: Windows of a panel, each in a gate of its own.
        gate: Features from a window to that in the next gate.
        packed: For each packed number its place in the matrix, which a zero follows: panel by panel, gate by gate,
            feature by feature.
    """

    starts: Tensor
    depth: int
    gates: int
    gate: int
    packed: Tensor

    @classmethod
    def of(cls, block: Block, stride: int, rows: int, panel: int) -> Windows:
        """The windows of a product.

        Args:
            block: What it multiplies by.
            stride: Columns of the stored matrix.
            rows: Its rows.
            panel: Units of a panel.
        """
        gate = block.rows // block.gates
        width = gate // block.heads if block.transposed else block.columns  # features of a head
        share = block.columns if block.transposed else gate // block.heads  # units of a head
        units = torch.arange(-(-block.units // panel) * panel, device="cpu").view(-1, panel)
        real = units < block.units
        units = units.clamp(max=block.units - 1)
        low = units // share % block.heads * width
        starts, ends = low.amin(1), low.amax(1) + width
        depth = int((ends - starts).max())
        starts = starts.clamp(max=block.heads * width - depth)
        gates = block.gates if block.transposed else 1
        # [panels, gates, features, units]
        offset = (starts[:, None] + torch.arange(depth, device="cpu"))[:, None, :, None] - low[:, None, None, :]
        if block.transposed:
            row = (
                block.row
                + torch.arange(gates, device="cpu")[None, :, None, None] * gate
                + low[:, None, None, :]
                + offset
            )
            column = block.column + (units % share)[:, None, None, :]
        else:
            row = block.row + units[:, None, None, :]
            column = block.column + offset
        stored = (offset >= 0) & (offset < width) & real[:, None, None, :]
        packed = torch.where(stored, row * stride + column, rows * stride)
        return cls(starts.contiguous(), depth, gates, gate, packed.flatten())
