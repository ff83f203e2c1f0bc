"""Ragged batches of arrays: pictures, key points, whatever a step is made of.

Shapes::

    B  sequences        T  steps of the longest        …  what a step is made of
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class RaggedBatch:
    """Sequences of arrays of one shape, side by side.

    Attributes:
        values: ``[B, T, …]``, zeros past a sequence's end.
        lengths: ``[B]``.
    """

    values: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, sequences: Sequence[npt.NDArray[Any]]) -> RaggedBatch:
        """Sequences ``[T_b, …]`` as a batch.

        Example:
            >>> import numpy as np
            >>> RaggedBatch.of([np.array([[1], [2]]), np.array([[3]])]).values.tolist()
            [[[1], [2]], [[3], [0]]]
        """
        rows = [torch.as_tensor(sequence) for sequence in sequences]
        lengths = torch.tensor([len(row) for row in rows])
        values = rows[0].new_zeros(len(rows), int(lengths.max()), *rows[0].shape[1:])
        for number, row in enumerate(rows):
            values[number, : len(row)] = row
        return cls(values, lengths)

    @property
    def tokens(self) -> int:
        """Steps in all."""
        return int(self.lengths.sum())
