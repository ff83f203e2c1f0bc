"""What a model's recurrent layers do while it computes its losses: every state and gate, and where gradients go.

Shapes::

    B  sequences        T  steps of a layer        S  losses of a sequence        n  units
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from throughtime.engine import Look
from throughtime.layers import Directed, named_cells
from throughtime.models import Model


@dataclass
class Watched:
    """One cell in one direction while a model ran.

    Attributes:
        name: For people: ``"layer 1"``, ``"encoder layer 2, backward"``.
        owner: Name of the layer in the model, such as ``"stack"``.
        directed: The cell with its parameters.
        looks: Its steps; more than one where the model calls it piece by piece.
        inputs: What it read, ``[B, T, k]``.
        lengths: Real steps of every row, ``[B]``.
    """

    name: str
    owner: str
    directed: Directed
    looks: list[Look] = field(default_factory=list)
    pieces: list[Tensor] = field(default_factory=list)
    ragged: Tensor | None = None

    @property
    def names(self) -> list[str]:
        """States and gates, states first."""
        return self.looks[0].names if self.looks else []

    @property
    def states(self) -> list[str]:
        """The cell's state."""
        return list(self.directed.cell.state)

    @property
    def inputs(self) -> Tensor:
        """What it read, ``[B, T, k]``."""
        return torch.cat(self.pieces, 1)

    @property
    def lengths(self) -> Tensor:
        """Real steps of every row, ``[B]``."""
        if self.ragged is not None:
            return self.ragged
        rows, steps = self.inputs.shape[:2]
        return torch.full((rows,), steps)

    def outputs(self) -> Tensor:
        """What it hands on, ``[B, T, n]``, zero past a length, connected with its states."""
        return torch.cat([look.values(self.states[0]) for look in self.looks], 1)

    def values(self, name: str) -> Tensor:
        """A state or gate at every step, ``[B, T, n]``, zero past a length."""
        return torch.cat([look.values(name) for look in self.looks], 1).detach()


@dataclass
class Recording:
    """A model's losses, and its recurrent layers while it computed them.

    Attributes:
        losses: ``[B, S]``, connected with the states.
        aligned: The layer whose step t makes loss t; empty where losses are whole sequences' and read the last steps.
        cells: Every cell, layer by layer, forward before backward.
        of_outputs: The losses are not the model's own: see :func:`record`.
    """

    losses: Tensor
    aligned: str
    cells: list[Watched]
    of_outputs: bool = False


def record(model: Model, batch: Any) -> Recording:
    """Runs a model on a batch, in evaluation mode, and keeps every state and gate of its recurrent layers.

    The cells run on the reference engine meanwhile, whichever the model was built with; nothing is changed by it, and
    a model that nobody looks at pays nothing.

    Where the model's loss is a whole sequence's and reads all of its steps (pooling, CTC), no distance can be told of
    it: then the loss of a step is a random projection of the last layer's output there.

    Args:
        model: Its recurrent layers are attributes of its own, such as ``stack``; it has ``losses``.
        batch: Of the kind that the model reads.

    Raises:
        ValueError: If the model has no recurrent layer.
    """
    with watching(model) as cells, evaluating(model), torch.enable_grad():
        losses = model.losses(batch)
    cells = [cell for cell in cells if cell.looks]
    if model.aligned or model.reads_last:
        return Recording(losses, model.aligned, cells)
    return Recording(_projected(cells), cells[-1].owner, cells, of_outputs=True)


def _projected(cells: list[Watched]) -> Tensor:
    """A random direction of the last layer's output at every step, ``[B, T]``."""
    top = [cell for cell in cells if cell.name.partition(",")[0] == cells[-1].name.partition(",")[0]]
    outputs = torch.cat([cell.outputs() for cell in top], 2)
    random = torch.Generator().manual_seed(0)
    direction = torch.randn(outputs.shape[2], generator=random).to(outputs)
    projected: Tensor = (outputs * (direction / direction.norm())).sum(2)
    return projected


@contextmanager
def watching(model: Model) -> Iterator[list[Watched]]:
    """Keeps the steps of every run of a model's recurrent layers.

    Raises:
        ValueError: If the model has none.
    """
    cells = [Watched(cell.name, cell.owner, cell.directed) for cell in named_cells(model)]
    if not cells:
        raise ValueError(f"expected a model with a recurrent layer as an attribute, got {type(model).__name__}")
    hooks = [cell.directed.register_forward_pre_hook(_watch(cell)) for cell in cells]
    try:
        yield cells
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """The model in evaluation mode; afterwards it is as it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _watch(cell: Watched) -> Any:
    def before(module: Directed, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        inputs, state, lengths = (*arguments, None, None)[:3]
        given = arguments[5] if len(arguments) > 5 else None
        look = Look() if given is None else given
        cell.looks.append(look)
        cell.pieces.append(inputs.detach())
        cell.ragged = None if lengths is None else lengths.cpu()
        return inputs, state, lengths, "reference", False, look

    return before
