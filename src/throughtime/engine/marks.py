"""What a user may say of single steps: where rows begin anew, and which steps are left out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from throughtime.engine.call import watched
from throughtime.errors import listed, nearest

RESETS_TO = ("initial", "zero")
"""What a row may begin anew with."""


def check_resets(resets: Any, to: str | None, inputs: Tensor, *, beside_state: bool) -> tuple[Tensor | None, bool]:
    """Resets as engines take them, and whether they go to zeros.

    Args:
        resets: ``[B, T]`` or None.
        to: One of :data:`RESETS_TO`; None where both are the same.
        inputs: ``[B, T, k]``.
        beside_state: Whether an initial state was passed.

    Returns:
        The resets on the device of the inputs, None where there are none.

    Raises:
        TypeError: If they are no tensor.
        ValueError: If they are no truth values of that shape, go elsewhere, or where is not said.
    """
    if to is not None and to not in RESETS_TO:
        raise ValueError(f"expected resets_to to be {listed(map(repr, RESETS_TO))}, got {to!r}{nearest(to, RESETS_TO)}")
    if resets is None:
        return None, False
    if to is None and beside_state:
        raise ValueError(
            'expected resets_to beside a state and resets, got none; pass resets_to="zero" where the state is carried '
            'from call to call, resets_to="initial" where rows begin anew with it'
        )
    flags = _check("resets", resets, inputs)
    return (flags if watched() or bool(flags.any()) else None), to == "zero"


def check_mask(mask: Any, inputs: Tensor) -> Tensor | None:
    """A mask as engines take it: on the device of the inputs, None where no step is left out.

    Raises:
        TypeError: If it is no tensor.
        ValueError: If it holds no truth values, one for every row and step.
    """
    if mask is None:
        return None
    flags = _check("mask", mask, inputs)
    return None if not watched() and bool(flags.all()) else flags


def _check(name: str, flags: Any, inputs: Tensor) -> Tensor:
    shape = list(inputs.shape[:2])
    if not isinstance(flags, Tensor):
        raise TypeError(
            f"expected {name} as a tensor {shape}, got a {type(flags).__name__}; pass torch.as_tensor of it"
        )
    if list(flags.shape) != shape or flags.dtype != torch.bool:
        raise ValueError(
            f"expected {name} of shape {shape} with truth values, got {list(flags.shape)} of {flags.dtype}"
            + ("; convert them: .bool()" if list(flags.shape) == shape else "")
        )
    return flags.to(inputs.device)
