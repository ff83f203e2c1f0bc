"""What an engine is asked to do: one cell, one direction, a batch of sequences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import forward_ad

from throughtime.cells import Cell
from throughtime.engine.look import Look
from throughtime.errors import UserError


class EngineError(UserError, ValueError):
    """An engine asked for by name cannot serve the call; says why and what to pass instead."""


@dataclass(frozen=True)
class Noise:
    """The regularisers that act inside the loop, drawn beforehand so that every engine sees the same.

    Attributes:
        products: Recurrent dropout: for each recurrent matrix by name a factor ``[B, columns]`` on the rows it
            multiplies, the same at every step (Gal and Ghahramani 2016).
        keep: Zoneout: for each state by name the share of the old value that stays, ``s<t> = keep s<t-1> +
            (1 - keep) s~<t>``: zeros and ones ``[B, T, width]`` in training, a number in use (Krueger et al. 2017).
    """

    products: Mapping[str, Tensor] = field(default_factory=dict)
    keep: Mapping[str, Tensor | float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.products or self.keep)


SILENT = Noise()
"""No noise at all."""


class Zeros(Mapping[str, Tensor]):
    """A state of zeros by name, ``[B, width]`` each, made where it is read: most calls begin with it, and an engine
    that knows need not make it.

    Args:
        cell: Whose state.
        inputs: ``[B, …]``, whose device and dtype the state has.

    Example:
        >>> from throughtime.cells import LSTMCell
        >>> state = Zeros(LSTMCell(3, 2), torch.zeros(1, 4, 3))
        >>> list(state), state["h"]
        (['h', 'c'], tensor([[0., 0.]]))
    """

    __slots__ = ("cell", "inputs")

    def __init__(self, cell: Cell, inputs: Tensor) -> None:
        self.cell, self.inputs = cell, inputs

    def __getitem__(self, name: str) -> Tensor:
        return self.inputs.new_zeros(self.inputs.shape[0], self.cell.widths()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.cell.state)

    def __len__(self) -> int:
        return len(self.cell.state)


@dataclass(eq=False)
class Call:
    """One run of a cell through time.

    Attributes:
        cell: The equations.
        parameters: The cell's parameters by name.
        inputs: ``[B, T, k]``.
        state: The initial state by name, ``[B, width]`` each; :class:`Zeros` where none was passed.
        lengths: Real steps of every row, ``[B]``, integers on the CPU; None where all are T.
        reverse: Run each row from its last real step to its first.
        noise: Regularisers inside the loop.
        recompute: Keep little for the gradient and compute the rest again.
        look: Is shown every step.
        resets: ``[B, T]``, true where a row begins anew before a step; None where none does.
        to_zero: Begin anew at zeros, not at the initial state.
        mask: ``[B, T]``, false where a step is left out; None where none is.
        notes: What an engine found out when asked whether it refuses, for its run.
    """

    cell: Cell
    parameters: Mapping[str, Tensor]
    inputs: Tensor
    state: Mapping[str, Tensor]
    lengths: Tensor | None = None
    reverse: bool = False
    noise: Noise = SILENT
    recompute: bool = False
    look: Look | None = None
    resets: Tensor | None = None
    to_zero: bool = False
    mask: Tensor | None = None
    notes: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def tensors(self) -> list[Tensor]:
        """Inputs, the state where one was passed, parameters and noise."""
        passed = () if isinstance(self.state, Zeros) else self.state.values()
        tensors = [self.inputs, *passed, *self.parameters.values()]
        if self.noise:
            tensors += self.noise.products.values()
            tensors += [keep for keep in self.noise.keep.values() if isinstance(keep, Tensor)]
        return tensors


def untold(cell: Cell) -> str | None:
    """Why what is kept for a cell could not be found again; None where it can."""
    try:
        hash(cell)
    except TypeError as error:
        return f"the options of {type(cell).__name__} cannot be told apart ({error})"
    return None


def watched() -> bool:
    """Whether somebody traces, transforms or replaces operations, and so must see PyTorch's own."""
    return (
        torch.compiler.is_compiling()  # torch.compile, torch.export and what builds on them
        or torch._C._is_tracing()  # torch.jit.trace, and the export to ONNX by it
        or torch._C._functorch.peek_interpreter_stack() is not None  # vmap, grad, jvp, … of torch.func
        or torch._C._len_torch_dispatch_stack() > 0  # fake tensors, counters of operations
        or forward_ad._current_level >= 0
    )


def traced() -> bool:
    """Whether what runs is written down, to be run later on other sizes: by ``torch.jit.trace`` or ``torch.export``."""
    return torch.compiler.is_exporting() or (not torch.compiler.is_compiling() and torch._C._is_tracing())


Result = tuple[Tensor, dict[str, Tensor]]
"""Outputs ``[B, T, width]``, zero past a row's length and in the order of the inputs, and the final state."""


class Engine(Protocol):
    """Runs a call. Joins by being listed in :data:`throughtime.engine.ENGINES`."""

    @property
    def name(self) -> str:
        """The name that ``engine=`` takes."""
        ...

    def refuses(self, call: Call) -> str | None:
        """Why it cannot serve this call; None where it can."""
        ...

    def run(self, call: Call) -> Result:
        """Serves a call that it does not refuse."""
        ...
