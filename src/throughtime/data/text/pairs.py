"""Pairs of sequences of different lengths, as batches of ids.

Shapes::

    B  pairs        T  steps of the longest source        S  steps of the longest target, its end counted
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.data.batches import NOTHING
from throughtime.data.text.words import pad
from throughtime.engine import real_steps


@dataclass(frozen=True)
class PairBatch:
    """Sources, and targets that end in EOS.

    Attributes:
        source: Ids, ``[B, T]``, 0 past the length.
        source_lengths: ``[B]``; an empty source is legal.
        inputs: What the decoder reads: :data:`~throughtime.data.NOTHING`, then the targets less the last, ``[B, S]``.
        targets: What it has to give, ``[B, S]``, 0 past the length.
        target_lengths: ``[B]``, EOS counted: at least 1.
    """

    source: Tensor
    source_lengths: Tensor
    inputs: Tensor
    targets: Tensor
    target_lengths: Tensor

    @classmethod
    def of(cls, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], eos: int) -> PairBatch:
        """A batch of sequences without their ends.

        Example:
            >>> batch = PairBatch.of([[5, 6], [7]], [[8], [9, 4]], eos=1)
            >>> batch.inputs.tolist(), batch.targets.tolist(), batch.tokens
            ([[-1, 8, 0], [-1, 9, 4]], [[8, 1, 0], [9, 4, 1]], 5)
        """
        return cls(
            pad(sources),
            torch.tensor([len(source) for source in sources]),
            pad([[NOTHING, *target] for target in targets]),
            pad([[*target, eos] for target in targets]),
            torch.tensor([len(target) + 1 for target in targets]),
        )

    @property
    def tokens(self) -> int:
        """Steps of all targets."""
        return int(self.target_lengths.sum())

    @property
    def real(self) -> Tensor:
        """Steps within a target's length, ``[B, S]``."""
        return real_steps(self.target_lengths, self.targets.shape[1])
