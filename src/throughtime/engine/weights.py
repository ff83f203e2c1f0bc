"""Matrices in fewer bits, for streams: numbers are rounded once, when one opens, and widened where they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from throughtime.cells import Cell
from throughtime.errors import listed, nearest

WeightsName = Literal["float32", "bfloat16", "int8"]
WEIGHTS: tuple[str, ...] = get_args(WeightsName)
"""What matrices may be kept in; ``"float32"`` keeps them as they are."""

LARGEST = 127
"""The largest of the integers, which go as far down as up."""


class Small(NamedTuple):
    """A matrix in fewer bits.

    Attributes:
        numbers: bfloat16 or int8, of the matrix's shape.
        scale: Of int8, what a row's integers are multiplied by, ``[rows]``; None: they are the weights themselves.
    """

    numbers: Tensor
    scale: Tensor | None

    @property
    def widened(self) -> Tensor:
        """The float32 matrix that it stands for."""
        value = self.numbers.float()
        return value if self.scale is None else value * self.scale.unsqueeze(1)


def check_weights(weights: str, dtype: torch.dtype = torch.float32) -> None:
    """Refuses what matrices cannot be kept in.

    Args:
        weights: To be one of :data:`WEIGHTS`.
        dtype: The layer's.

    Raises:
        ValueError: If there is none of that name, or the layer is not of float32.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"expected weights in {listed(WEIGHTS)}, got {weights!r}{nearest(str(weights), WEIGHTS)}")
    if weights != "float32" and dtype != torch.float32:
        raise ValueError(
            f"weights={weights!r}: expected a layer of torch.float32, got one of {dtype}; convert it: layer.float()"
        )


def matrices(cell: Cell) -> list[str]:
    """The parameters that a step multiplies by; all others stay as they are."""
    return [name for name, declared in cell.parameters().items() if declared.role in ("input", "recurrent")]


def shrink(name: str, matrix: Tensor, weights: str) -> Small:
    """A float32 matrix in fewer bits.

    Args:
        name: What the matrix is called.
        matrix: ``[rows, columns]``.
        weights: ``"bfloat16"``, rounded to nearest, ties to even; or ``"int8"``: a row is an integer of -127 … 127 for
            each number, the nearest, times the row's largest magnitude / 127.

    Raises:
        ValueError: If int8 is to hold what is not finite.

    Example:
        >>> shrink("W", torch.tensor([[1.0, -0.5, 0.1], [0.0, 0.0, 0.0]]), "int8").numbers
        tensor([[127, -64,  13],
                [  0,   0,   0]], dtype=torch.int8)
    """
    matrix = matrix.detach()
    if weights == "bfloat16":
        return Small(matrix.bfloat16(), None)
    scale = matrix.abs().amax(1) / LARGEST
    if not scale.isfinite().all():
        odd = int((~matrix.isfinite()).sum())
        raise ValueError(
            f"weights='int8': expected finite weights, got {odd} in {name} that are not; take weights='float32'"
        )
    steps = torch.where(scale > 0, scale, 1.0)  # a row of zeros, or of what is too small to tell from them
    rounded = (matrix / steps.unsqueeze(1)).round().clamp(-LARGEST, LARGEST)
    return Small(rounded.to(torch.int8), scale)


def widened(cell: Cell, parameters: Mapping[str, Tensor], weights: str) -> dict[str, Tensor]:
    """Parameters of which the matrices are what they are in fewer bits: what a stream with such weights computes with.

    Raises:
        ValueError: As of :func:`shrink`.
    """
    if weights == "float32":
        return dict(parameters)
    small = {name: shrink(name, parameters[name], weights).widened for name in matrices(cell)}
    return {**parameters, **small}
