"""One cell over a stream: a step a call, with the state held between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from throughtime.cells import Cell
from throughtime.engine.reference import bind, zone_out
from throughtime.engine.weights import widened


class CellStream(Protocol):
    """One cell over a stream: what :func:`throughtime.engine.open_stream` gives."""

    def step(self, inputs: Tensor) -> Tensor:
        """``[B, k]`` to ``[B, width]``."""
        ...

    def read(self) -> dict[str, Tensor]:
        """The state by name, ``[B, width]`` each; writing to it sets it."""
        ...

    def go_on(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from a state of any number of rows, ``[N, width]`` each, none of them a view of this stream's."""
        ...


class Numbers(NamedTuple):
    """Inputs that are known by number, such as the embeddings of tokens.

    Attributes:
        inputs: Gives the inputs ``[B, k]`` that numbers ``[B]`` stand for; below zero, all stand for the same.
        total: How many there are.
    """

    inputs: Callable[[Tensor], Tensor]
    total: int


@runtime_checkable
class NumberedStream(CellStream, Protocol):
    """One cell over a stream of inputs that are known by number."""

    def step_of(self, numbers: Sequence[int]) -> Tensor:
        """As :meth:`step`, of the inputs that the rows' numbers stand for."""
        ...


class ReferenceStream:
    """Calls the cell's step; arguments as in :class:`throughtime.engine.compiled.stream.CompiledStream`."""

    def __init__(
        self,
        cell: Cell,
        parameters: Mapping[str, Tensor],
        batch: int,
        keep: Mapping[str, float],
        weights: str = "float32",
    ) -> None:
        self.cell, self.keep = cell, dict(keep)
        values = {name: value.detach().clone() for name, value in widened(cell, parameters, weights).items()}
        like = next(iter(values.values()))
        self.bound = bind(cell, values)
        self.state = {name: like.new_zeros(batch, width) for name, width in cell.widths().items()}

    def step(self, inputs: Tensor) -> Tensor:
        """``[B, k]`` to the output ``[B, width]``."""
        with torch.no_grad():
            new = self.cell.step(inputs, SimpleNamespace(**self.state), self.bound)
            for name, old in self.state.items():
                # a step may hand on its input, which the caller goes on using
                self.state[name] = zone_out(new[name], old, self.keep.get(name), 0).clone()
        return self.state[self.cell.state[0]]

    def read(self) -> dict[str, Tensor]:
        """The state by name, ``[B, width]`` each; writing to it sets it."""
        return dict(self.state)

    def go_on(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from a state of any number of rows, ``[N, width]`` each."""
        self.state = {name: state[name].detach().clone() for name in self.state}
