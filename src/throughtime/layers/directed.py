"""One cell in one direction: the parameters of a cell and the regularisers of its loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.cells import Cell
from throughtime.engine import Lengths, Look, Noise, Record, unroll
from throughtime.errors import listed, nearest


class Directed(nn.Module):
    """Owns a cell's parameters and runs it through time in one direction.

    Args:
        cell: The equations.
        reverse: Run from the last real step to the first.
        bias: Without it, what the cell declares as biases stays zero and is not trained.
        recurrent_dropout: Share of features dropped from what the recurrent matrices multiply, one mask a
            sequence, the same at every step (Gal and Ghahramani 2016).
        zoneout: Share of every state's units that keep their old value at a step (Krueger et al. 2017); or shares by
            state, ``{"h": 0.1, "c": 0.5}``, none of a state that is not named.
        weight_drop: Share of the recurrent matrices' weights dropped, one mask a call (Merity et al. 2017).
    """

    def __init__(
        self,
        cell: Cell,
        *,
        reverse: bool = False,
        bias: bool = True,
        recurrent_dropout: float = 0.0,
        zoneout: float | Mapping[str, float] = 0.0,
        weight_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.reverse = reverse
        self.recurrent_dropout = share("recurrent_dropout", recurrent_dropout)
        self.zoneout = shares("zoneout", zoneout, cell)
        self.weight_drop = share("weight_drop", weight_drop)
        self.declared = dict(cell.parameters())
        for name, parameter in self.declared.items():
            value = torch.zeros(parameter.shape)
            if bias or parameter.role != "bias":
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value, persistent=False)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws the start values that the cell declares."""
        for name, parameter in self.declared.items():
            value = getattr(self, name)
            if isinstance(value, nn.Parameter):
                parameter.fill(value)

    def stored(self) -> list[Tensor]:
        """The cell's parameters as they are stored."""
        return [getattr(self, name) for name in self.declared]

    def values(self) -> dict[str, Tensor]:
        """The cell's parameters by name, the dropped weights dropped."""
        drop = self.weight_drop if self.training else 0.0
        if not drop:
            return {name: getattr(self, name) for name in self.declared}
        return {
            name: F.dropout(getattr(self, name), drop) if parameter.role == "recurrent" else getattr(self, name)
            for name, parameter in self.declared.items()
        }

    @property
    def masked(self) -> list[str]:
        """The matrices that recurrent dropout acts on, as the layer is used now."""
        drops = self.recurrent_dropout and self.training
        return [name for name, parameter in self.declared.items() if drops and parameter.role == "recurrent"]

    @property
    def keep(self) -> dict[str, float]:
        """Zoneout's share of every state that has one."""
        zoneout = self.zoneout if isinstance(self.zoneout, dict) else dict.fromkeys(self.cell.state, self.zoneout)
        return {name: kept for name, kept in zoneout.items() if kept}

    def forward(
        self,
        inputs: Tensor,
        state: Mapping[str, Tensor] | None = None,
        lengths: Lengths | None = None,
        engine: str = "auto",
        recompute: bool = False,
        look: Look | None = None,
        **marks: Any,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Runs ``inputs [B, T, k]``; arguments, results and errors as in :func:`throughtime.engine.unroll`, whose
        ``resets``, ``resets_to`` and ``mask`` are the marks.
        """
        return unroll(
            self.cell,
            self.values(),
            inputs,
            state=state,
            lengths=lengths,
            reverse=self.reverse,
            noise=self._draw(inputs),
            recompute=recompute,
            look=look,
            engine=engine,
            **marks,
        )

    @torch.no_grad()
    def _without_step(self, inputs: Tensor) -> dict[str, Tensor]:
        """What :meth:`shown` gives where no row has a step: zeros, as wide as a step on no rows makes them."""
        record = Record()
        parameters = {name: getattr(self, name) for name in self.declared}
        unroll(self.cell, parameters, inputs.new_zeros(0, 1, inputs.shape[2]), look=record, engine="reference")
        return {n: inputs.new_zeros(*inputs.shape[:2], record.values(n).shape[2]) for n in record.names}

    def shown(self, record: Record, inputs: Tensor) -> dict[str, Tensor]:
        """States, then gates, at every step, ``[B, T, width]`` each, zero past a row's length.

        Args:
            record: Of a run.
            inputs: That run's.
        """
        seen = {n: record.values(n) for n in record.names} or self._without_step(inputs)
        return {name: seen[name] for name in (*self.cell.state, *(n for n in seen if n not in self.cell.state))}

    def _draw(self, inputs: Tensor) -> Noise | None:
        if not (self.recurrent_dropout or self.zoneout):
            return None
        batch, time = inputs.shape[:2]
        features = {name: self.declared[name].features for name in self.masked}
        products = {n: F.dropout(inputs.new_ones(batch, wide), self.recurrent_dropout) for n, wide in features.items()}
        keep: dict[str, Tensor | float] = dict(self.keep)
        if self.training:
            for name, kept in self.keep.items():
                keep[name] = inputs.new_empty(batch, time, self.cell.widths()[name]).bernoulli_(kept)
        return Noise(products, keep)

    def extra_repr(self) -> str:
        """The cell, the direction and what is dropped."""
        dropped = {n: getattr(self, n) for n in ("recurrent_dropout", "zoneout", "weight_drop") if getattr(self, n)}
        parts = [repr(self.cell), *(["reverse"] if self.reverse else []), *(f"{n}={v}" for n, v in dropped.items())]
        return ", ".join(parts)


def share(name: str, value: float) -> float:
    """A share from 0 to 1, 1 excluded.

    Raises:
        ValueError: If it is not.
    """
    if not 0.0 <= value < 1.0:
        raise ValueError(f"expected {name} to be at least 0 and less than 1, got {value}")
    return float(value)


def shares(name: str, value: float | Mapping[str, float], cell: Cell) -> float | dict[str, float]:
    """A share of every state, or shares by state in the cell's order.

    Raises:
        ValueError: If one is not from 0 to 1, 1 excluded, or the cell has no such state.
    """
    if not isinstance(value, Mapping):
        return share(name, value)
    for state in value:
        if state not in cell.state:
            other = nearest(str(state), cell.state)
            raise ValueError(
                f"{type(cell).__name__} has no state {state!r}{other}; {name} by state: {listed(cell.state)}"
            )
    return {state: share(f"{name} of {state!r}", value[state]) for state in cell.state if state in value}
