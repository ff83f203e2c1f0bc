"""What every step of a run returned: states and gates, step by step or all steps together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F


class Look:
    """Keeps the states and gates of one run of a cell, connected with its outputs, so that gradients reach them.

    Pass one to :func:`throughtime.engine.unroll`; only the reference engine shows its steps one by one.

    Example:
        >>> from throughtime.cells import GRUCell
        >>> from throughtime.engine import unroll
        >>> cell = GRUCell(1, 2)
        >>> parameters = {name: torch.zeros(p.shape) for name, p in cell.parameters().items()}
        >>> look = Look()
        >>> outputs, _ = unroll(cell, parameters, torch.ones(1, 3, 1), look=look)
        >>> sorted(look.names), look.values("z").shape, float(look.values("z").max())
        (['c', 'h', 'r', 'z'], torch.Size([1, 3, 2]), 0.5)
    """

    def __init__(self) -> None:
        self.steps: list[Mapping[str, Tensor]] = []

    def begin(self, rows: int, restore: Callable[[Tensor], Tensor]) -> None:
        """A run begins.

        Args:
            rows: Rows of its batch; at each step the first ones run.
            restore: Brings rows for every step that ran, ``[B, S, width]``, into the order of the inputs.
        """
        self.rows, self.restore = rows, restore
        self.steps = []

    def step(self, new: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Keeps what a step returned by name, ``[active, width]`` each, and its states after zoneout.

        Returns:
            The states to go on with. A gradient that reaches one of them comes from what follows the step, not from
            the step's other states, as that of an LSTM's memory would through the output that is made of it.
        """
        carried = {name: value.view_as(value) for name, value in state.items()}
        self.steps.append({**new, **carried})
        return carried

    @property
    def names(self) -> list[str]:
        """States and gates that were seen; none where there was no step."""
        return list(self.steps[0]) if self.steps else []

    def values(self, name: str) -> Tensor:
        """A state or gate at every step, ``[B, T, width]``, in the order of the inputs, zero past a length."""
        return self.in_order([values[name] for values in self.steps])

    def in_order(self, steps: list[Tensor]) -> Tensor:
        """Something of every step, ``[active, width]`` each, as ``[B, T, width]``; see :meth:`values`."""
        return self.restore(torch.stack([F.pad(value, (0, 0, 0, self.rows - len(value))) for value in steps], 1))


class Record(Look):
    """Keeps the states and gates of one run, all steps of each together; the compiled engine records them, too.

    Example:
        >>> from throughtime.cells import LSTMCell
        >>> from throughtime.engine import unroll
        >>> cell = LSTMCell(1, 2)
        >>> parameters = {name: torch.zeros(p.shape) for name, p in cell.parameters().items()}
        >>> record = Record()
        >>> outputs, final = unroll(cell, parameters, torch.ones(1, 3, 1), look=record)
        >>> sorted(record.names), bool((record.values("c")[:, -1] == final["c"]).all())
        (['c', 'f', 'g', 'h', 'i', 'o'], True)
    """

    def __init__(self) -> None:
        super().__init__()
        self.whole: dict[str, Tensor] = {}

    def take(self, values: Mapping[str, Tensor]) -> None:
        """Keeps values by name, ``[B, T, width]`` each, zero past a length."""
        self.whole = dict(values)

    @property
    def names(self) -> list[str]:
        """States and gates that were seen; none where there was no step."""
        return list(self.whole) or super().names

    def values(self, name: str) -> Tensor:
        """A state or gate at every step, ``[B, T, width]``, in the order of the inputs, zero past a length."""
        return self.whole[name] if self.whole else super().values(name)
