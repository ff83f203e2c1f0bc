"""A call but for its tensors: what is recorded or written down once, to be run with other tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from throughtime.cells import Cell
from throughtime.engine.call import Call, Noise


@dataclass(frozen=True)
class Form:
    """A call without lengths, resets and mask, in words.

    Attributes:
        cell: The equations.
        parameters, products, drawn: Names of parameters, of matrices under dropout, of states with drawn zoneout.
        shares: Zoneout's share by state, where none is drawn.
    """

    cell: Cell
    parameters: tuple[str, ...]
    products: tuple[str, ...]
    drawn: tuple[str, ...]
    shares: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, call: Call) -> tuple[Form, list[Tensor]]:
        """The form of a call and its tensors in order: inputs, initial state, parameters, noise."""
        noise = call.noise
        drawn = {name: keep for name, keep in noise.keep.items() if isinstance(keep, Tensor)}
        shares = tuple((name, keep) for name, keep in noise.keep.items() if not isinstance(keep, Tensor))
        form = cls(call.cell, tuple(call.parameters), tuple(noise.products), tuple(drawn), shares)
        states = [call.state[name] for name in call.cell.state]
        return form, [call.inputs, *states, *call.parameters.values(), *noise.products.values(), *drawn.values()]

    def call(self, tensors: Sequence[Tensor]) -> Call:
        """The call of these tensors."""
        left = iter(tensors)
        inputs, state = next(left), {name: next(left) for name in self.cell.state}
        parameters = {name: next(left) for name in self.parameters}
        products = {name: next(left) for name in self.products}
        drawn = {name: next(left) for name in self.drawn}
        return Call(self.cell, parameters, inputs, state, noise=Noise(products, {**drawn, **dict(self.shares)}))
