"""Letters of DNA (:mod:`throughtime.runtime.dna.bases`) as distributions over the bases, and strands."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from throughtime.runtime.dna.bases import (
    ANY,
    CODES,
    COMPLEMENT,
    LETTERS,
    Codes,
    decode,
    encode,
    reverse_complement,
)

__all__ = [
    "ANY",
    "CODES",
    "COMPLEMENT",
    "LETTERS",
    "SHARES",
    "Codes",
    "decode",
    "encode",
    "reverse_complement",
    "turn",
]

_BITS = (np.arange(16)[:, None] >> np.arange(4)) & 1
SHARES = torch.from_numpy(_BITS / np.maximum(_BITS.sum(1, keepdims=True), 1)).float()
"""``[16, 4]``: the share of A, C, G and T in every letter; nothing has no shares."""


def turn(values: Tensor, lengths: Tensor) -> Tensor:
    """Rows read from their ends: the steps ``[B, L, ...]`` of each row's length in reverse order, the rest as it is.

    Example:
        >>> turn(torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([3, 2])).tolist()
        [[3, 2, 1], [5, 4, 0]]
    """
    steps = torch.arange(values.shape[1], device=values.device)
    mirrored = lengths.to(values.device).unsqueeze(1) - 1 - steps
    at = torch.where(mirrored < 0, steps, mirrored)
    return values.gather(1, at.reshape(*at.shape, *[1] * (values.dim() - 2)).expand_as(values))
