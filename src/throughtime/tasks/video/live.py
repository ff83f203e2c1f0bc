"""Key points, or what sensors tell, row by row as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from throughtime.applications.live import Output
from throughtime.applications.live.parts import row_piece
from throughtime.data.video.keypoints import FURTHEST
from throughtime.models import PointInput


class PointFeed:
    """Makes rows relative, as :class:`throughtime.models.PointInput` does, of the first row and the one before.

    Args:
        inputs: Of the model.
        numbers: Of a row.
    """

    def __init__(self, inputs: PointInput, numbers: int) -> None:
        self.axes, self.numbers = inputs.axes, numbers
        self.place, self.move = inputs.scales.numpy(force=True)
        self.middle: Output | None = None
        self.before: Output | None = None

    def push(self, piece: Any) -> Sequence[Output]:
        """The features of rows.

        Raises:
            UserError: If the piece is not rows of as many numbers as the training data had.
        """
        rows = row_piece(piece, self.numbers, FURTHEST)
        if not len(rows):
            return []
        if self.middle is None or self.before is None:
            self.middle = np.tile(rows[0].reshape(-1, self.axes).mean(0, dtype=np.float32), self.numbers // self.axes)
            self.before = rows[0]
        moves = rows - np.concatenate([self.before[None], rows[:-1]])
        self.before = rows[-1].copy()
        return list(np.concatenate([(rows - self.middle) / self.place, moves / self.move], 1))

    def end(self) -> Sequence[Output]:
        """None wait."""
        return []

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        return {"middle": self.middle, "before": self.before}

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.middle, self.before = dumped["middle"], dumped["before"]
