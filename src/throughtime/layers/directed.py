"""One cell in one direction: the parameters of a cell and the regularisers of its loop."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.cells import Cell
from throughtime.engine import Lengths, Look, Noise, unroll


class Directed(nn.Module):
    """Owns a cell's parameters and runs it through time in one direction.

    Args:
        cell: The equations.
        reverse: Run from the last real step to the first.
        bias: Without it, what the cell declares as biases stays zero and is not trained.
        recurrent_dropout: Share of features dropped from what the recurrent matrices multiply, one mask a
            sequence, the same at every step (Gal and Ghahramani 2016).
        zoneout: Share of every state's units that keep their old value at a step (Krueger et al. 2017).
        weight_drop: Share of the recurrent matrices' weights dropped, one mask a call (Merity et al. 2017).
    """

    def __init__(
        self,
        cell: Cell,
        *,
        reverse: bool = False,
        bias: bool = True,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        weight_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.reverse = reverse
        self.recurrent_dropout = share("recurrent_dropout", recurrent_dropout)
        self.zoneout = share("zoneout", zoneout)
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

    def values(self) -> dict[str, Tensor]:
        """The cell's parameters by name, the dropped weights dropped."""
        drop = self.weight_drop if self.training else 0.0
        return {
            name: F.dropout(getattr(self, name), drop)
            if drop and parameter.role == "recurrent"
            else getattr(self, name)
            for name, parameter in self.declared.items()
        }

    def forward(
        self,
        inputs: Tensor,
        state: Mapping[str, Tensor] | None = None,
        lengths: Lengths | None = None,
        engine: str = "auto",
        recompute: bool = False,
        look: Look | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Runs ``inputs [B, T, k]``; arguments, results and errors as in :func:`throughtime.engine.unroll`."""
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
        )

    def _draw(self, inputs: Tensor) -> Noise | None:
        batch, time = inputs.shape[:2]
        products: dict[str, Tensor] = {}
        keep: dict[str, Tensor | float] = {}
        if self.recurrent_dropout and self.training:
            for name, parameter in self.declared.items():
                if parameter.role == "recurrent":
                    products[name] = F.dropout(inputs.new_ones(batch, parameter.shape[1]), self.recurrent_dropout)
        if self.zoneout:
            for name, width in self.cell.widths().items():
                drawn = inputs.new_empty(batch, time, width).bernoulli_(self.zoneout) if self.training else None
                keep[name] = self.zoneout if drawn is None else drawn
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
