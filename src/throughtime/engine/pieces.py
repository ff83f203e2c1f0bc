"""Rows with resets and steps left out as what they are made of: pieces of real steps, each of which begins anew.

An engine that runs ragged batches runs a batch of such pieces as it is: a row costs what its real steps cost, and a
piece has the bits that it has alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime.engine.call import Call, Result
from throughtime.engine.ragged import real_steps

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """A call cut at its resets, P pieces of N real steps together; everything lies on the CPU.

    Attributes:
        row: The row of the call that each piece is of, ``[P]``.
        lengths: Real steps of each, ``[P]``.
        place: Where in ``[B * T]`` each real step stands, piece by piece and forward in time, ``[N]``.
        anew: Pieces that begin at zeros, not at the initial state.
        last: The piece that each row ends in, whichever way it runs, ``[B]``.
        held: Where in ``[B * T]`` steps stand that are left out and repeat another.
        repeats: For each of these the real step, a number below N, whose output they repeat.
    """

    row: Tensor
    lengths: Tensor
    place: Tensor
    anew: Tensor
    last: Tensor
    held: Tensor
    repeats: Tensor

    @property
    def first(self) -> Tensor:
        """The real steps before each piece, ``[P]``."""
        return self.lengths.cumsum(0) - self.lengths


def is_cut(call: Call) -> bool:
    """Whether a call has resets, or steps that are left out."""
    return call.resets is not None or call.mask is not None


@dataclass(frozen=True)
class Steps:
    """Which steps of a call are real and where rows begin anew, by value: all layers of a stack have the same.

    Attributes:
        batch: Rows.
        time: Steps, padding included.
        reverse, to_zero: The call's.
        lengths, resets, mask: The bytes of the call's; None where it has none.
    """

    batch: int
    time: int
    reverse: bool
    to_zero: bool
    lengths: bytes | None
    resets: bytes | None
    mask: bytes | None

    @classmethod
    def of(cls, call: Call) -> Steps:
        """Those of a call."""
        batch, time = call.inputs.shape[:2]
        marks = (call.lengths, call.resets, call.mask)
        values = (None if value is None else value.cpu().numpy().tobytes() for value in marks)
        return cls(batch, time, call.reverse, call.to_zero, *values)

    def real_lengths(self) -> Tensor | None:
        """Real steps of every row, ``[batch]``."""
        return None if self.lengths is None else torch.from_numpy(np.frombuffer(self.lengths, np.int64).copy())

    def flags(self, marks: bytes | None) -> Flags | None:
        """Resets or a mask, ``[batch, time]``."""
        return None if marks is None else np.frombuffer(marks, bool).reshape(self.batch, self.time)


def cut(call: Call) -> Pieces:
    """Cuts a call of at least one step.

    Example:
        >>> from throughtime.cells import RNNCell
        >>> resets = torch.tensor([[False, False, True]])
        >>> cut(Call(RNNCell(1, 1), {}, torch.zeros(1, 3, 1), {}, resets=resets)).lengths
        tensor([2, 1])
    """
    return cut_steps(Steps.of(call))


def cut_steps(steps: Steps) -> Pieces:
    """Cuts a call that is told by value."""
    batch, time = steps.batch, steps.time
    known, mask, resets = steps.real_lengths(), steps.flags(steps.mask), steps.flags(steps.resets)
    inside = np.ones((batch, time), bool) if known is None else real_steps(known, time).numpy()
    real = inside if mask is None else inside & mask
    resets = np.zeros_like(inside) if resets is None else inside & resets
    begins = resets | (np.arange(time) == 0)
    piece = begins.ravel().cumsum() - 1
    of_row = piece.reshape(batch, time)
    row = begins.nonzero()[0]
    place = real.ravel().nonzero()[0]
    lengths = np.bincount(piece[place], minlength=len(row))
    if steps.reverse:  # a border parts the same steps; what comes first is the row's last piece
        after, last = np.ones(len(row), bool), of_row[:, 0]
        after[of_row[:, -1]] = False
    else:
        after, last = resets[begins], of_row[:, -1]
    anew = after.nonzero()[0] if steps.to_zero else row[:0]
    held, repeats = (row[:0],) * 2 if mask is None else _held(inside & ~real, real, piece, lengths, steps.reverse)
    return Pieces(*map(torch.from_numpy, (row, lengths, place, anew, last.copy(), held, repeats)))


def _held(out: Flags, real: Flags, piece: Numbers, lengths: Numbers, reverse: bool) -> tuple[Numbers, Numbers]:
    """Places left out that repeat a real step of their piece, and which."""
    held = out.ravel().nonzero()[0]
    seen, within, ends = real.ravel().cumsum()[held], piece[held], lengths.cumsum()
    repeats = seen if reverse else seen - 1
    begins = ends - lengths
    known = (repeats >= begins[within]) & (repeats < ends[within])
    return held[known], repeats[known]


def padded(pieces: Pieces) -> int:
    """Steps of the pieces as a padded batch."""
    return len(pieces.row) * max(1, int(pieces.lengths.max()))


def split(call: Call, pieces: Pieces) -> tuple[Call, Callable[[Result], Result]]:
    """A call without noise as a padded batch of its pieces, and what makes that batch's results the call's."""
    device, (batch, time) = call.inputs.device, call.inputs.shape[:2]
    longest = max(1, int(pieces.lengths.max()))
    # where each real step stands in the padded batch
    of_piece = torch.arange(len(pieces.row), device="cpu").repeat_interleave(pieces.lengths)
    step = torch.arange(len(pieces.place), device="cpu") - pieces.first.index_select(0, of_piece)
    goal = of_piece * longest + step
    inputs = _moved(call.inputs, pieces.place, goal, (len(pieces.row), longest))
    row, anew, last = (value.to(device) for value in (pieces.row, pieces.anew, pieces.last))
    state = {n: v.index_select(0, row).index_fill(0, anew, 0.0) for n, v in call.state.items()}
    lengths = None if bool((pieces.lengths == longest).all()) else pieces.lengths
    apart = replace(call, inputs=inputs, state=state, lengths=lengths, resets=None, mask=None)

    def join(result: Result) -> Result:
        outputs, final = result
        source = torch.cat([goal, goal.index_select(0, pieces.repeats)])
        outputs = _moved(outputs, source, torch.cat([pieces.place, pieces.held]), (batch, time))
        return outputs, {name: value.index_select(0, last) for name, value in final.items()}

    return apart, join


def _moved(value: Tensor, source: Tensor, goal: Tensor, shape: tuple[int, int]) -> Tensor:
    """Steps ``[b, t, width]`` at flat places as those of another batch of ``shape``, zeros where none goes."""
    source, goal = source.to(value.device), goal.to(value.device)
    steps = value.reshape(-1, value.shape[2]).index_select(0, source)
    return value.new_zeros(shape[0] * shape[1], value.shape[2]).index_copy(0, goal, steps).view(*shape, -1)
