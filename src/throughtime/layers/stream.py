"""A layer as a stream: one step a call, nothing prepared twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from throughtime.engine import CellStream, NumberedStream, Numbers, open_stream
from throughtime.layers.directed import Directed


class Stream:
    """Runs a deep layer step by step, for inference: no gradients, no dropout, zoneout's mean.

    It holds the weights as they were when it was opened, packed for the processor, and its own state.

    Args:
        cells: The layer's cells, each over the one before.
        batch_size: Streams side by side.
        residual: Add a cell's input to its output wherever the two have as many features.
        engine: As in :func:`throughtime.unroll`.
        weights: What matrices are kept in: ``"float32"`` as they are, in float64 for a layer of that; ``"bfloat16"``,
            or ``"int8"`` with a scale a row, which a step reads in half or a quarter of the bytes. Arithmetic is in
            float32, and vectors stay what they are.
        numbers: Inputs that :meth:`step_of` knows by number.

    Raises:
        ValueError: If a cell runs backward in time: its outputs need the steps to come; or if the weights cannot be
            kept so.

    Example:
        >>> from throughtime import LSTM
        >>> layer = LSTM(3, 5, num_layers=2, batch_first=True)
        >>> stream = layer.stream()
        >>> x = torch.randn(1, 4, 3)
        >>> steps = torch.stack([stream.step(x[:, t]) for t in range(4)], 1)
        >>> torch.allclose(steps, layer(x)[0], atol=1e-6)
        True
    """

    def __init__(
        self,
        cells: Sequence[Directed],
        batch_size: int = 1,
        *,
        residual: bool = False,
        engine: str = "auto",
        weights: str = "float32",
        numbers: Numbers | None = None,
    ) -> None:
        check_one_way(cells)
        if batch_size < 1:
            raise ValueError(f"expected a batch size of at least 1, got {batch_size}")
        self.residual, self.numbers = residual, numbers
        self.cells: list[CellStream] = []
        for directed in cells:
            parameters = {name: getattr(directed, name) for name in directed.declared}
            given = None if self.cells or residual else numbers
            self.cells.append(open_stream(directed.cell, parameters, batch_size, directed.keep, engine, weights, given))
        self.numbered = self.cells[0] if isinstance(self.cells[0], NumberedStream) else None
        self.above = self.cells[1:]
        first, width = next(iter(parameters.values())), cells[0].cell.input_size
        self.shape, self.dtype, self.device = torch.Size((batch_size, width)), first.dtype, first.device

    def __repr__(self) -> str:
        return f"Stream({len(self.cells)} cells, {self.shape[0]} rows of {self.shape[1]} features)"

    def step(self, inputs: Tensor, *, resets: Tensor | None = None) -> Tensor:
        """One step: ``[B, input_size]`` to ``[B, output_size]``; rows where ``resets [B]`` is true begin anew.

        Raises:
            ValueError: If the inputs have another shape, number type or device.
        """
        if inputs.shape != self.shape or inputs.dtype != self.dtype or inputs.device != self.device:
            raise ValueError(
                f"expected inputs of shape {list(self.shape)} of {self.dtype} on {self.device}, got "
                f"{list(inputs.shape)} of {inputs.dtype} on {inputs.device}"
            )
        if resets is not None:
            self.reset(resets)
        return self._through(self.cells, inputs.detach().contiguous()).clone()

    def step_of(self, numbers: Sequence[int]) -> Tensor:
        """One step of the inputs that the rows' numbers stand for; the second next step writes over what it gives.

        Raises:
            IndexError: If there is no such number.
        """
        if self.numbered is not None:
            return self._through(self.above, self.numbered.step_of(numbers))
        assert self.numbers is not None
        return self._through(self.cells, self.numbers.inputs(torch.tensor(numbers)).detach().contiguous())

    def _through(self, cells: Sequence[CellStream], value: Tensor) -> Tensor:
        for cell in cells:
            above = cell.step(value)
            value = above + value if self.residual and above.shape == value.shape else above
        return value

    @property
    def state(self) -> dict[str, Tensor]:
        """The state by name, ``[num_layers, B, width]`` each; a copy. Set it to go on from elsewhere."""
        read = [cell.read() for cell in self.cells]
        return {name: torch.stack([state[name] for state in read]) for name in read[0]}

    @state.setter
    def state(self, state: Mapping[str, Tensor]) -> None:
        """Sets it; of another number of rows it makes the stream one of as many."""
        own = {name: list(value.shape) for name, value in self.state.items()}
        got = {name: list(value.shape) for name, value in state.items()}
        rows = next((shape[1] for shape in got.values() if len(shape) == 3 and shape[1]), self.shape[0])
        if got != {name: [depth, rows, width] for name, (depth, _, width) in own.items()}:
            raise ValueError(f"expected a state of {own}, of any number of rows, got {got}")
        for depth, cell in enumerate(self.cells):
            cell.go_on({name: value[depth].detach() for name, value in state.items()})
        self.shape = torch.Size((rows, self.shape[1]))

    def reorder(self, rows: Tensor) -> None:
        """Goes on with the rows of ``rows [N]``, in that order: any number of them, one may come more than once.

        Example:
            >>> from throughtime import GRU
            >>> stream = GRU(3, 5).stream(2)
            >>> first = stream.step(torch.randn(2, 3))
            >>> stream.reorder(torch.tensor([1, 0, 1]))
            >>> stream.step(torch.randn(3, 3)).shape
            torch.Size([3, 5])

        Raises:
            ValueError: If they are no integers that name rows, or none at all.
            IndexError: If there is no such row.
        """
        if rows.dim() != 1 or not len(rows) or rows.is_floating_point() or rows.dtype == torch.bool:
            raise ValueError(
                f"expected rows of shape [N], N ≥ 1, with integers, got {list(rows.shape)} of {rows.dtype}"
            )
        rows = rows.to(self.device)
        for cell in self.cells:
            cell.go_on({name: value.index_select(0, rows) for name, value in cell.read().items()})
        self.shape = torch.Size((len(rows), self.shape[1]))

    def reset(self, rows: Tensor | None = None) -> None:
        """Begins anew, with a state of zeros, in the rows where ``rows [B]`` is true; in all of them without it.

        Raises:
            ValueError: If they are no truth values, one for each row.
        """
        rows = torch.ones(self.shape[0], dtype=torch.bool, device=self.device) if rows is None else rows
        if rows.shape != self.shape[:1] or rows.dtype != torch.bool:
            raise ValueError(
                f"expected resets of shape {[self.shape[0]]} with truth values, got {list(rows.shape)} of {rows.dtype}"
            )
        for cell in self.cells:
            for value in cell.read().values():
                value.masked_fill_(rows.to(self.device).unsqueeze(1), 0.0)


def check_one_way(cells: Sequence[Directed]) -> None:
    """Refuses cells of which one runs backward in time.

    Raises:
        ValueError: If one does: its outputs need the steps to come.
    """
    if any(directed.reverse for directed in cells):
        raise ValueError("a bidirectional layer cannot run step by step; build it with bidirectional=False")
