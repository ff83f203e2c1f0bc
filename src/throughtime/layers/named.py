"""The cells of a model's recurrent layers, with names for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from throughtime.layers.directed import Directed
from throughtime.layers.recurrent import Recurrent


@dataclass(frozen=True)
class NamedCell:
    """One cell in one direction.

    Attributes:
        name: ``"layer 1"``, or ``"encoder layer 2, backward"`` where there are more layers or directions than one.
        owner: Name of the layer in the model, such as ``"stack"``.
        directed: The cell with its parameters.
    """

    name: str
    owner: str
    directed: Directed


def named_cells(model: nn.Module) -> list[NamedCell]:
    """Every cell of the recurrent layers that are attributes of a model, layer by layer, forward before backward.

    Example:
        >>> model = nn.Module()
        >>> model.stack = Recurrent("gru", 2, 3, num_layers=2)
        >>> [cell.name for cell in named_cells(model)]
        ['layer 1', 'layer 2']
    """
    layers = {name: layer for name, layer in model.named_children() if isinstance(layer, Recurrent)}
    return [cell for name, layer in layers.items() for cell in _cells(name if len(layers) > 1 else "", name, layer)]


def _cells(shown: str, owner: str, layer: Recurrent) -> Iterator[NamedCell]:
    directions = (", forward", ", backward") if layer.bidirectional else ("",)
    for number, directed in enumerate(layer.directed):
        depth, direction = divmod(number, len(directions))
        yield NamedCell(f"{shown} layer {depth + 1}".strip() + directions[direction], owner, directed)
