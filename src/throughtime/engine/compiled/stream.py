"""A compiled cell that runs one step at a time, with its weights packed once and nothing left to do but the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from throughtime.cells import Cell
from throughtime.engine.compiled.cellcode import Use, compile_cell
from throughtime.engine.compiled.frame import Run
from throughtime.engine.compiled.layout import whole
from throughtime.engine.compiled.llvm.writer import APART, THERE
from throughtime.engine.compiled.loop import TYPES
from throughtime.engine.compiled.team import Shared
from throughtime.engine.stream import Numbers
from throughtime.engine.weights import matrices, shrink

TABLE = 2**28
"""Bytes that products of inputs may fill."""


class CompiledStream:
    """One cell over a stream.

    Args:
        cell: The equations.
        parameters: Parameters by name, as they are now: later changes are not seen.
        batch: Streams side by side.
        keep: Zoneout: the share of each state that stays.
        weights: What matrices are kept in, of :data:`throughtime.engine.weights.WEIGHTS`.
    """

    ahead = False  # whether products with the input are computed before the step

    def __init__(
        self,
        cell: Cell,
        parameters: Mapping[str, Tensor],
        batch: int,
        keep: Mapping[str, float],
        weights: str = "float32",
    ) -> None:
        self.like = next(iter(parameters.values())).detach()
        values = _held(cell, parameters, weights)
        self.compiled = compile_cell(_use(cell, self.like.dtype, keep, weights, self.ahead))
        self.cell, self.side, self.values = cell, self.compiled.forward, self.compiled.once.filled(values)
        self.x, self.table, self.parity = (self.side.index[name] for name in ("x", "table", "turn"))
        self.first: Run | None = None
        self._make_room(batch)
        self._fit(batch)
        for value in self.held.values():
            value.zero_()

    def _make_room(self, rows: int) -> None:
        """Buffers for so many rows, with nothing in them that counts."""
        like, widths = self.like, self.cell.widths()
        self.room = rows
        # A state that a product reads has two places, and every step goes from one to the other
        self.held = {
            name: like.new_zeros((2 if name in self.compiled.histories else 1) * rows, width)
            for name, width in widths.items()
        }
        self.buffers = {f"state {name}": value for name, value in self.held.items()}
        self.buffers["x"] = like.new_zeros(rows, self.cell.input_size)
        self.buffers["tape"] = like.new_zeros(rows, sum(self.compiled.widths))
        self.fits: dict[int, _Fit] = {}

    def _fit(self, batch: int) -> None:
        """Takes so many rows from the next step on."""
        if batch > self.room:
            self._make_room(max(batch, 2 * self.room))
        if batch not in self.fits:
            self.fits[batch] = self._prepared(batch)
        fit = self.fits[batch]
        self.frame, self.shared, self.addresses = fit.run.frame, fit.shared, fit.addresses
        output = self.held[self.cell.state[0]]
        self.outputs = [output[self.room : self.room + batch], output[:batch]]
        self.batch, self.turn = batch, 0

    def _prepared(self, batch: int) -> _Fit:
        places = (0, self.room), (self.room, 0)
        tables = [torch.tensor([[batch, 0, *place]], device="cpu") for place in places]
        run = Run(self.side, whole(batch, 1, False), tables[0], self.first)
        run.rows(self.buffers)
        if self.first is None:
            run.parameters(self.values)
            shared = run.start()  # packs the weights
            if "packed" in self.side.index:
                run.frame[self.side.index["packed"]] = 1
            self.first = run
        else:
            shared = run.share()
        return _Fit(run, shared, [table.data_ptr() for table in tables], tables)

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
        first = {name: self.turn * self.room if name in self.compiled.histories else 0 for name in self.held}
        return {name: value[first[name] : first[name] + self.batch] for name, value in self.held.items()}

    def go_on(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from a state of any number of rows, ``[N, width]`` each, none of them a view of this stream's."""
        rows = len(state[self.cell.state[0]])
        if rows != self.batch:
            self._fit(rows)
        for name, value in self.read().items():
            value.copy_(state[name])


def _use(cell: Cell, dtype: torch.dtype, keep: Mapping[str, float], weights: str, ahead: bool) -> Use:
    shares = tuple(sorted(keep.items()))
    return Use(cell, TYPES[dtype], trains=False, keep=shares, outer=ahead, stays=ahead, weights=weights)


def _held(cell: Cell, parameters: Mapping[str, Tensor], weights: str) -> dict[str, Tensor]:
    """The parameters as they are at this moment, matrices in fewer bits where that is asked for, with their scales."""
    values = {name: value.detach().contiguous() for name, value in parameters.items()}
    packed = matrices(cell)  # copied when the first step packs them
    values |= {name: value.clone() for name, value in values.items() if name not in packed}
    if weights != "float32":
        for name in packed:
            small = shrink(name, values[name], weights)
            values[name] = small.numbers
            if small.scale is not None:
                values[f"scale {name}"] = small.scale
    return values


class NumberStream(CompiledStream):
    """One cell over a stream of numbers that stand for inputs: what an input is multiplied with, it is once.

    Args:
        cell, parameters, batch, keep, weights: As of a :class:`CompiledStream`.
        numbers: The inputs.
    """

    ahead = True

    def __init__(
        self,
        cell: Cell,
        parameters: Mapping[str, Tensor],
        batch: int,
        keep: Mapping[str, float],
        weights: str = "float32",
        *,
        numbers: Numbers,
    ) -> None:
        super().__init__(cell, parameters, batch, keep, weights)
        self.inputs = numbers.inputs
        # A row of the tape for each number, those below zero first; filled in when one comes for the first time
        self.tapes = self.like.new_empty(numbers.total + 1, sum(self.compiled.widths))
        self.address, self.stride = self.tapes.data_ptr(), self.tapes.stride(0) * self.tapes.element_size()
        self.known = bytearray(numbers.total + 1)
        self.tape, self.source = self.side.index["tape"], self.side.index["inputs"]

    @staticmethod
    def serves(cell: Cell, dtype: torch.dtype, keep: Mapping[str, float], weights: str, numbers: Numbers) -> bool:
        """Whether the cell does nothing with its inputs but multiply them, and the products of all do not fill the
        memory.
        """
        compiled = compile_cell(_use(cell, dtype, keep, weights, ahead=True))
        program = compiled.forward.plan.program
        leaves = [program.nodes[place] for place in program.reachable()]
        if not program.places("outer") or any(n.op == "sequence" and n.name == "x" for n in leaves):
            return False
        return (numbers.total + 1) * sum(compiled.widths) * dtype.itemsize <= TABLE

    def step_of(self, numbers: Sequence[int]) -> Tensor:
        """As :meth:`step`, of inputs by number.

        Raises:
            IndexError: If there is no such number.
        """
        rows = [max(number, -1) + 1 for number in numbers]
        known = all(self.known[row] for row in rows)
        self.frame[self.source] = THERE if known else APART
        if len(rows) == 1:
            self.frame[self.tape] = self.address + rows[0] * self.stride
        else:
            here = self.buffers["tape"][: len(rows)]
            self.frame[self.tape] = here.data_ptr()
            if known:
                torch.index_select(self.tapes, 0, torch.tensor(rows, device="cpu"), out=here)
        if known:
            return self.step(self.buffers["x"])
        output = self.step(self.inputs(torch.tensor(numbers, device="cpu")))
        if len(rows) > 1:
            self.tapes[rows] = here
        for row in rows:
            self.known[row] = True
        return output


class _Fit(NamedTuple):
    """What runs a batch of one size: the run, its call, and the addresses of the tables of both turns."""

    run: Run
    shared: Shared
    addresses: list[int]
    alive: list[Tensor]
