"""A compiled cell that runs one step at a time, with its weights packed once and nothing left to do but the step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from throughtime.cells import Cell
from throughtime.engine.compiled.cellcode import Use, compile_cell
from throughtime.engine.compiled.frame import Run
from throughtime.engine.compiled.layout import whole
from throughtime.engine.compiled.loop import TYPES


class CompiledStream:
    """One cell over a stream.

    Args:
        cell: The equations.
        parameters: Parameters by name, as they are now: later changes are not seen.
        batch: Streams side by side.
        keep: Zoneout: the share of each state that stays.
    """

    def __init__(self, cell: Cell, parameters: Mapping[str, Tensor], batch: int, keep: Mapping[str, float]) -> None:
        values = {name: value.detach().contiguous().clone() for name, value in parameters.items()}
        like = next(iter(values.values()))
        shares = tuple(sorted(keep.items()))
        compiled = compile_cell(Use(cell, TYPES[like.dtype], trains=False, keep=shares, outer=False))
        side = compiled.forward
        run = Run(side, whole(batch, 1, False), torch.tensor([[batch, 0, 0, batch]], device="cpu"))
        # A state that a product reads has two places, and every step goes from one to the other
        self.held = {
            name: like.new_zeros((2 if name in compiled.histories else 1) * batch, width)
            for name, width in cell.widths().items()
        }
        for name, value in self.held.items():
            run.rows(f"state {name}", value)
        run.rows("x", like.new_zeros(batch, cell.input_size))
        run.rows("tape", like.new_zeros(batch, sum(compiled.widths)))
        run.parameters(values)
        self.shared = run.start()  # packs the weights
        self.frame = run.frame
        if "packed" in side.index:
            self.frame[side.index["packed"]] = 1
        self.tables = [torch.tensor([[batch, 0, *places]], device="cpu") for places in ((0, batch), (batch, 0))]
        self.addresses = [table.data_ptr() for table in self.tables]
        self.x, self.table, self.parity = side.index["x"], side.index["table"], side.index["turn"]
        self.alive = (run, values)
        self.batch, self.shape, self.dtype = batch, torch.Size((batch, cell.input_size)), like.dtype
        output = self.held[cell.state[0]]
        self.outputs = [output[batch:], output[:batch]]
        self.turn = 0
        for value in self.held.values():
            value.zero_()

    def step(self, inputs: Tensor) -> Tensor:
        """``[B, k]``, contiguous and of the parameters' type, to the output ``[B, width]``, which the second next step
        writes over.
        """
        turn = self.turn
        self.turn = 1 - turn
        frame = self.frame
        frame[self.x] = inputs.data_ptr()
        frame[self.table] = self.addresses[turn]
        frame[self.parity] = turn
        self.shared()
        return self.outputs[turn]

    def read(self) -> dict[str, Tensor]:
        """The state by name, ``[B, width]`` each; writing to it sets it."""
        start = self.turn * self.batch
        return {n: v[start : start + self.batch] if len(v) > self.batch else v for n, v in self.held.items()}
