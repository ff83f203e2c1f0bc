"""Series row by row as they come, for one-way models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.applications.live import Output
from throughtime.applications.live.parts import row_piece
from throughtime.data.ragged import RaggedBatch
from throughtime.data.series.labelled.frames import Framing
from throughtime.data.series.labelled.series import FURTHEST
from throughtime.models import SeriesInput


class SeriesFeed:
    """Makes frames of rows, as :class:`~throughtime.data.series.labelled.frames.Framing` does of whole series.

    Args:
        inputs: Of the model.
        framing: One-way.
        means: Of every channel.
        scales: Their units.
    """

    def __init__(self, inputs: SeriesInput, framing: Framing, means: Sequence[float], scales: Sequence[float]) -> None:
        self.inputs, self.framing = inputs, framing
        self.means, self.scales = np.array(means), np.array(scales)
        self.seen: list[Output] = []
        self.frames: list[Output] = []
        self.before: Output | None = None
        self.count = 0

    def push(self, piece: Any) -> Sequence[Output]:
        """The features of the frames that end with these rows.

        Raises:
            UserError: If the piece is not rows of as many numbers as the training data had.
        """
        found = []
        for row in row_piece(piece, len(self.means), FURTHEST):
            scaled = ((row - self.means) / self.scales).astype(np.float32)
            pair = np.stack([scaled if self.before is None else self.before, scaled])
            self.seen.append(self.framing.rows(torch.from_numpy(pair))[1].numpy())
            self.before, self.count = scaled, self.count + 1
            del self.seen[: -self.framing.window]
            if self.count % self.framing.stride == 0:
                found.append(self._frame())
        return found

    def end(self) -> Sequence[Output]:
        """Those of the last frame, where it is cut short."""
        return [self._frame()] if self.count % self.framing.stride else []

    @torch.no_grad()
    def _frame(self) -> Output:
        rows = [self.seen[0]] * (self.framing.window - len(self.seen)) + self.seen
        self.frames = [*self.frames, np.concatenate(rows)][-self.inputs.reach :]
        frames = torch.from_numpy(np.stack(self.frames)).unsqueeze(0)
        found: Tensor = self.inputs(RaggedBatch(frames, torch.tensor([len(self.frames)])))
        return found[0, -1].numpy(force=True)

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        held = {"seen": self.seen, "frames": self.frames}
        stacked = {name: np.stack(rows) if rows else None for name, rows in held.items()}
        return {**stacked, "before": self.before, "count": self.count}

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.seen, self.frames = ([] if dumped[name] is None else list(dumped[name]) for name in ("seen", "frames"))
        self.before, self.count = dumped["before"], dumped["count"]
