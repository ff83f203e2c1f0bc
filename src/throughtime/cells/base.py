"""What a cell is: named state, named parameters, and one step written as its equations.

Shapes used in this package::

    B  rows of a batch        k  features of the input (``input_size``)
    T  time steps             n  units of the cell (``hidden_size``)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Role = Literal["input", "recurrent", "vector", "bias"]


@dataclass(frozen=True)
class Parameter:
    """What a cell declares about one of its parameters.

    Attributes:
        shape: Its size; a matrix is ``(rows, columns)`` and multiplies vectors of ``heads * columns`` features.
        role: ``"recurrent"`` for matrices on the past (weight-drop and recurrent dropout act on them),
            ``"input"`` for matrices on anything else, ``"bias"`` for what ``bias=False`` removes, ``"vector"``
            for the rest: peepholes, gains.
        fill: Sets the start value, in place.
        heads: Blocks on the diagonal of each gate's matrix, which is zero beside them: :func:`block_linear`.
        gates: Gates whose matrices stand one under the other.
    """

    shape: tuple[int, ...]
    role: Role
    fill: Callable[[Tensor], object]
    heads: int = 1
    gates: int = 1

    @property
    def features(self) -> int:
        """What a matrix multiplies: features of a row."""
        return self.heads * self.shape[1]


def input_matrix(rows: int, columns: int, gates: int = 1) -> Parameter:
    """A matrix on the input, ``(gates * rows, columns)``, Glorot-uniform in each gate's block.

    Glorot keeps the variance of a layer's signal near that of its input (Glorot and Bengio 2010).
    """
    bound = math.sqrt(6.0 / (rows + columns))
    return Parameter((gates * rows, columns), "input", partial(_fill_uniform, bound))


def recurrent_matrix(rows: int, columns: int, gates: int = 1, heads: int = 1) -> Parameter:
    """A matrix on the past, ``(gates * rows, columns / heads)``, orthogonal in each gate's blocks.

    All singular values of an orthogonal matrix are 1, so that the product of many steps neither vanishes
    nor explodes by the start value alone (Saxe et al. 2014; Le et al. 2015 for the identity).

    Args:
        rows: Features of the product with one gate's matrix.
        columns: Features of what is multiplied.
        gates: Matrices one under the other.
        heads: Blocks on the diagonal of each gate's matrix: the j-th part of the rows sees the j-th part of the
            features alone, so that a step reads 1/heads of the weights. The blocks stand one under the other.

    Raises:
        ValueError: If the heads do not divide rows and columns.

    Example:
        >>> recurrent_matrix(6, 6, gates=4).shape, recurrent_matrix(6, 6, gates=4, heads=3).shape
        ((24, 6), (24, 2))
    """
    if not isinstance(heads, int) or heads < 1 or rows % heads or columns % heads:
        raise ValueError(f"expected heads to divide a matrix of {rows} rows and {columns} columns, got {heads!r}")
    fill = partial(_fill_orthogonal, gates * heads)
    return Parameter((gates * rows, columns // heads), "recurrent", fill, heads, gates)


def bias(size: int, *values: float) -> Parameter:
    """A bias of ``size`` units a gate; ``values`` are its start values, one a gate (default: one gate of 0)."""
    values = values or (0.0,)
    return Parameter((len(values) * size,), "bias", partial(_fill_blocks, values))


def vector(size: int, *values: float) -> Parameter:
    """A vector that multiplies unit by unit (peephole, gain); ``values`` as in :func:`bias`."""
    values = values or (0.0,)
    return Parameter((len(values) * size,), "vector", partial(_fill_blocks, values))


def uniform_vector(size: int, low: float, high: float) -> Parameter:
    """A vector as :func:`vector` makes it, drawn evenly from ``low`` to ``high``."""
    return Parameter((size,), "vector", partial(_fill_between, low, high))


# Functions of the module, not of their callers, so that a layer can be pickled.


def _fill_uniform(bound: float, weight: Tensor) -> None:
    weight.uniform_(-bound, bound)


def _fill_between(low: float, high: float, weight: Tensor) -> None:
    weight.uniform_(low, high)


def _fill_orthogonal(gates: int, weight: Tensor) -> None:
    for block in weight.chunk(gates):
        torch.nn.init.orthogonal_(block)


def _fill_blocks(values: tuple[float, ...], weight: Tensor) -> None:
    for block, value in zip(weight.chunk(len(values)), values, strict=True):
        block.fill_(value)


class Matrix:
    """A weight matrix inside a step, so that ``p.W_x @ x`` stands there as the textbook writes it.

    ``matrix @ rows`` multiplies every row of ``rows`` (``[B, features]``) and gives ``[B, rows of the matrix]``.
    ``mask`` (``[B, features]``) is what recurrent dropout lays over the rows before the product; ``heads`` and
    ``gates`` are those of its :class:`Parameter`.
    """

    __slots__ = ("gates", "heads", "mask", "weight")

    def __init__(self, weight: Tensor, mask: Tensor | None = None, *, heads: int = 1, gates: int = 1) -> None:
        self.weight = weight
        self.mask = mask
        self.heads = heads
        self.gates = gates

    def __matmul__(self, rows: Tensor) -> Tensor:
        rows = rows if self.mask is None else rows * self.mask
        if self.heads > 1:
            return block_linear(rows, self.weight, self.heads, self.gates)
        return F.linear(rows, self.weight)

    @property
    def T(self) -> Matrix:  # noqa: N802 – as of a tensor
        """The transpose of a square matrix, under the same mask.

        Raises:
            ValueError: If it has heads.
        """
        if self.heads > 1:
            raise ValueError(f"expected a matrix without heads to transpose, got one with {self.heads}")
        return Matrix(self.weight.t(), self.mask)


def block_linear(rows: Tensor, weight: Tensor, heads: int, gates: int = 1) -> Tensor:
    """Rows times matrices that are zero but for blocks on the diagonal, of which only the blocks are stored.

    Args:
        rows: ``[B, heads * columns]``; each block multiplies a part of the features.
        weight: The blocks one under the other, gate by gate: ``[gates * heads * units, columns]``.
        heads: Blocks of a gate.
        gates: Gates.

    Returns:
        ``[B, gates * heads * units]``.

    Example:
        Two heads of one unit each, which see a feature each:

        >>> block_linear(torch.tensor([[1.0, 2.0]]), torch.tensor([[10.0], [100.0]]), heads=2)
        tensor([[ 10., 200.]])
    """
    blocks = torch.unflatten(weight, 0, (gates, heads, -1))
    parts = torch.unflatten(rows, -1, (heads, -1))
    return torch.einsum("bhc,ghuc->bghu", parts, blocks).flatten(1)


@dataclass(frozen=True)
class Cell:
    """A recurrent cell: the equations of one step and what they need. It knows nothing of time.

    A cell of your own declares ``state`` (names, the first is the output), ``parameters`` and ``step``;
    options of its own are dataclass fields. The step is pure: PyTorch operations only, no in-place writes,
    no Python control flow on tensor values, so that an engine may trace it.

    Example:
        The minimal gated unit (Zhou et al. 2016):

        >>> import torch, throughtime
        >>> from throughtime.cells import Cell, bias, input_matrix, recurrent_matrix
        >>> class MinimalGatedUnit(Cell):
        ...     def parameters(self):
        ...         n, k = self.hidden_size, self.input_size
        ...         return {
        ...             "W_f": input_matrix(n, k), "U_f": recurrent_matrix(n, n), "b_f": bias(n),
        ...             "W_c": input_matrix(n, k), "U_c": recurrent_matrix(n, n), "b_c": bias(n),
        ...         }
        ...     def step(self, x, s, p):
        ...         f = torch.sigmoid(p.W_f @ x + p.U_f @ s.h + p.b_f)
        ...         c = torch.tanh(p.W_c @ x + p.U_c @ (f * s.h) + p.b_c)
        ...         return {"h": (1 - f) * s.h + f * c, "f": f}
        >>> layer = throughtime.Recurrent(MinimalGatedUnit, 3, 5, num_layers=2, bidirectional=True)
        >>> outputs, state = layer(torch.randn(2, 7, 3), lengths=torch.tensor([7, 4]))
        >>> outputs.shape, state["h"].shape
        (torch.Size([2, 7, 10]), torch.Size([4, 2, 5]))

    Args:
        input_size: Features of the input, k.
        hidden_size: Units of the cell, n.

    Raises:
        ValueError: If a size is not a positive integer.
    """

    input_size: int
    hidden_size: int

    state: ClassVar[tuple[str, ...]] = ("h",)
    """Names of the state; the first is the output that is handed to the layer above."""

    def __post_init__(self) -> None:
        for name in ("input_size", "hidden_size"):
            size = getattr(self, name)
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"{type(self).__name__}: expected {name} to be a positive integer, got {size!r}")

    def widths(self) -> dict[str, int]:
        """Features of every state, by name. Override where one differs from ``hidden_size``."""
        return dict.fromkeys(self.state, self.hidden_size)

    @property
    def output_size(self) -> int:
        """Features of the output: the width of the first state."""
        return self.widths()[self.state[0]]

    def options(self) -> dict[str, Any]:
        """The cell's own settings beside its sizes, as plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("input_size", "hidden_size")}

    def parameters(self) -> Mapping[str, Parameter]:
        """Declares the parameters by name."""
        raise NotImplementedError(f"{type(self).__name__} declares no parameters: define parameters(self)")

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        """One step through time.

        Args:
            x: The input, ``[B, k]``.
            s: The state, an attribute a name: ``s.h`` is ``[B, width]``.
            p: The parameters, an attribute a name; matrices are applied as ``p.W @ x``.

        Returns:
            The new state by name, every name of ``state``. Whatever else is returned by name (gates, say)
            can be looked at and costs nothing when nobody looks.
        """
        raise NotImplementedError(f"{type(self).__name__} has no equations: define step(self, x, s, p)")


def is_number(value: object) -> bool:
    """Whether an option is a finite number.

    Example:
        >>> [is_number(value) for value in (2, 0.5, True, "2", math.inf, None)]
        [True, True, False, False, False, False]
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check_number(cell: Cell, name: str, *, least: float | None = None, above: float | None = None) -> None:
    """Refuses an option of a cell that is no finite number, or too small.

    Args:
        cell: The cell.
        name: The option.
        least: What it may be at least.
        above: What it must be more than.

    Raises:
        ValueError: With what it may be.

    Example:
        >>> from throughtime.cells import LEMCell
        >>> LEMCell(2, 3, dt=0)
        Traceback (most recent call last):
        ValueError: LEMCell: expected dt to be more than 0 and finite, got 0
    """
    value = getattr(cell, name)
    if not is_number(value) or (least is not None and value < least) or (above is not None and value <= above):
        words = f"more than {above:g} and finite" if above is not None else "a finite number"
        words = f"at least {least:g} and finite" if least is not None else words
        raise ValueError(f"{type(cell).__name__}: expected {name} to be {words}, got {value!r}")


@dataclass(frozen=True)
class HeadedCell(Cell):
    """A cell whose matrices on the past may have heads: blocks on the diagonal, nothing beside them.

    Args:
        heads: Blocks, H, a divisor of ``hidden_size``: each H-th part of the units sees its own part of the state
            alone, and a step reads 1/H of the recurrent weights. Matrices on the input stay whole, so that heads meet
            in the layer above.
    """

    heads: int = field(default=1, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.heads, bool) or not isinstance(self.heads, int) or self.heads < 1:
            raise ValueError(f"{type(self).__name__}: expected heads to be a positive integer, got {self.heads!r}")
        for name, width in {"hidden_size": self.hidden_size, **self.widths()}.items():
            if width % self.heads:
                raise ValueError(
                    f"{type(self).__name__}: expected heads to divide {name} ({width} features), got {self.heads}"
                )


@dataclass(frozen=True)
class GatedCell(Cell):
    """A cell with gates, which can be told how long to keep their memory at the start.

    Args:
        memory: Steps, M: each unit's keep gate starts with the bias log u, its take gate with -log u, u drawn evenly
            from 1 to M - 1, so that units keep their memory for 2 to M steps (chrono initialisation, Tallec and
            Ollivier 2018, arXiv:1804.11188). None: the cell's own start values.
    """

    memory: float | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory is not None and not (is_number(self.memory) and self.memory > 2):
            raise ValueError(f"{type(self).__name__}: expected memory to be more than 2 steps, got {self.memory!r}")

    def gate_biases(self, *values: float, keep: int | None = None, take: int | None = None) -> Parameter:
        """Biases of ``hidden_size`` units a gate.

        Args:
            values: Their start values, one a gate.
            keep: Number of the gate that keeps the memory where it is open.
            take: Number of the gate that takes in what is new.
        """
        plain = bias(self.hidden_size, *values)
        if self.memory is None:
            return plain
        return Parameter(plain.shape, plain.role, partial(_fill_memory, values, keep, take, self.memory))


def _fill_memory(values: tuple[float, ...], keep: int | None, take: int | None, memory: float, weight: Tensor) -> None:
    _fill_blocks(values, weight)
    blocks = weight.chunk(len(values))
    drawn = torch.empty_like(blocks[0]).uniform_(1.0, memory - 1.0).log()
    if keep is not None:
        blocks[keep].copy_(drawn)
    if take is not None:
        blocks[take].copy_(-drawn)
