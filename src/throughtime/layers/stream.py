"""A layer as a stream: one step a call, nothing prepared twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from throughtime.engine import CellStream, open_stream
from throughtime.layers.directed import Directed


class Stream:
    """Runs a deep layer step by step, for inference: no gradients, no dropout, zoneout's mean.

    It holds the weights as they were when it was opened, packed for the processor, and its own state.

    Args:
        cells: The layer's cells, each over the one before.
        batch_size: Streams side by side.
        residual: Add a cell's input to its output wherever the two have as many features.
        engine: As in :func:`throughtime.unroll`.

    Raises:
        ValueError: If a cell runs backward in time: its outputs need the steps to come.

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
        self, cells: Sequence[Directed], batch_size: int = 1, *, residual: bool = False, engine: str = "auto"
    ) -> None:
        check_one_way(cells)
        if batch_size < 1:
            raise ValueError(f"expected a batch size of at least 1, got {batch_size}")
        self.residual = residual
        self.cells: list[CellStream] = []
        for directed in cells:
            parameters = {name: getattr(directed, name) for name in directed.declared}
            self.cells.append(open_stream(directed.cell, parameters, batch_size, directed.keep, engine))
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
        value = inputs.detach().contiguous()
        for cell in self.cells:
            above = cell.step(value)
            value = above + value if self.residual and above.shape == value.shape else above
        return value.clone()

    @property
    def state(self) -> dict[str, Tensor]:
        """The state by name, ``[num_layers, B, width]`` each; a copy. Set it to go on from elsewhere."""
        read = [cell.read() for cell in self.cells]
        return {name: torch.stack([state[name] for state in read]) for name in read[0]}

    @state.setter
    def state(self, state: Mapping[str, Tensor]) -> None:
        """Sets it."""
        own = self.state
        shapes, got = ({n: list(v.shape) for n, v in s.items()} for s in (own, state))
        if shapes != got:
            raise ValueError(f"expected a state of {shapes}, got {got}")
        for depth, cell in enumerate(self.cells):
            for name, value in cell.read().items():
                value.copy_(state[name][depth].detach())

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
