"""The recurrent stack that every model is built around, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from throughtime.cells import Cell
from throughtime.errors import spelled
from throughtime.layers import Recurrent


@spelled
@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """A deep recurrent layer as plain data; the fields are arguments of :class:`throughtime.Recurrent`.

    Attributes:
        cell: Name of a cell.
        hidden: Units of a layer.
        layers: Depth.
        bidirectional: Both directions.
        dropout: Share of features dropped between layers; models drop as many before their outputs.
        input_dropout: Variational, on every layer's input.
        recurrent_dropout: Variational, on the recurrence.
        zoneout: Share of units that keep their old state; or shares by state.
        weight_drop: Share of the recurrent weights dropped.
        residual: Add a layer's input to its output.
        options: The cell's own options.
    """

    cell: str = "lstm"
    hidden: int = 256
    layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    zoneout: float | dict[str, float] = 0.0
    weight_drop: float = 0.0
    residual: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self, input_size: int, *, cell: Callable[..., Cell] | None = None, engine: str = "auto") -> Recurrent:
        """The layer.

        Args:
            input_size: Features of its input.
            cell: The cell itself, where it is not a built-in one.
            engine: As in :class:`throughtime.Recurrent`.
        """
        return Recurrent(
            cell or self.cell,
            input_size,
            self.hidden,
            self.layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            recurrent_dropout=self.recurrent_dropout,
            zoneout=self.zoneout,
            weight_drop=self.weight_drop,
            residual=self.residual,
            engine=engine,
            **self.options,
        )
