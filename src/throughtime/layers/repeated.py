"""Marks of single steps as layers take them, and what steps that are left out repeat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from throughtime.engine import real_steps


def check_flags(flags: Mapping[str, Tensor], input: Any) -> None:
    """Refuses resets or a mask that do not lie as the input does.

    Args:
        flags: By name.
        input: What a layer was given: a tensor ``[…, k]`` or a PackedSequence.

    Raises:
        TypeError: If they are no tensor.
        ValueError: If they stand beside a PackedSequence, or have another shape.
    """
    for name, value in flags.items():
        if isinstance(input, PackedSequence):
            raise ValueError(f"expected no {name} beside a PackedSequence; pass the padded batch and lengths=")
        if not isinstance(value, Tensor):
            raise TypeError(f"expected {name} as a tensor, got a {type(value).__name__}; pass torch.as_tensor of it")
        if isinstance(input, Tensor) and value.shape != input.shape[:-1]:
            shape = list(input.shape[:-1])
            raise ValueError(f"expected {name} of shape {shape}, as the input has it, got {list(value.shape)}")


def repeated(
    value: Tensor, mask: Tensor, lengths: Tensor | None, resets: Tensor | None, *, both: bool = False
) -> Tensor:
    """A value of every step, that of the step before since the last reset where the mask leaves one out.

    Args:
        value: ``[B, T, k]``.
        mask: ``[B, T]``, false where a step is left out.
        lengths: Real steps of every row, ``[B]``; None where all are T.
        resets: ``[B, T]``, true where a row begins anew; None where none does.
        both: The second half of the features is of the backward direction, and that of the step after.

    Example:
        >>> value = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
        >>> mask = torch.tensor([[False, True, False, True]])
        >>> repeated(value, mask, None, None).flatten()
        tensor([0., 2., 2., 4.])
    """
    resets = torch.zeros_like(mask) if resets is None else resets
    mask = mask if lengths is None else mask & real_steps(lengths.to(mask.device), mask.shape[1])
    if not both:
        return _forward(value, mask, resets)
    ahead, back = value.chunk(2, -1)
    borders = F.pad(resets[:, 1:], (0, 1)).flip(1)
    return torch.cat([_forward(ahead, mask, resets), _forward(back.flip(1), mask.flip(1), borders).flip(1)], -1)


def _forward(value: Tensor, mask: Tensor, resets: Tensor) -> Tensor:
    step = torch.arange(mask.shape[1], device=mask.device)
    latest = torch.where(mask, step, -1).cummax(1).values
    begun = torch.where(resets, step, 0).cummax(1).values
    found = value.gather(1, latest.clamp(min=0).unsqueeze(-1).expand_as(value))
    return found.masked_fill((latest < begun).unsqueeze(-1), 0.0)
