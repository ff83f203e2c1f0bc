"""Where the rows of a batch stand while it runs: time-major, and for ragged batches without padding.

A sequence buffer has a row for every real step of every row of the batch. A state's history has one more row for every
row of the batch, the initial state. A table says for each step how many rows run and where they begin; the compiled
loop needs nothing else, whichever way time goes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.engine.call import Call
from throughtime.engine.compiled import spare
from throughtime.engine.pieces import Pieces, Steps, cut_steps, is_cut
from throughtime.engine.ragged import by_length

MOST = 2**18
"""Steps over all rows, padding included, of a call whose layout is remembered: larger ones have more to do."""


@dataclass(frozen=True)
class Cut:
    """How rows that are pieces of the call's make up the call's; see :class:`throughtime.engine.pieces.Pieces`.

    Attributes:
        anew: Sorted pieces that begin at zeros.
        ends: The sorted piece that each row of the call ends in, ``[B]``.
        held: Places of the call that repeat another's output.
        repeats: The rows of a sequence buffer that they repeat.
        inverse: The row of a sequence buffer that each place of the call holds; None where some hold none.
    """

    anew: Tensor
    ends: Tensor
    held: Tensor
    repeats: Tensor
    inverse: Tensor | None


@dataclass(frozen=True)
class Layout:
    """A batch's rows in time.

    Attributes:
        batch: Rows of the batch.
        time: Steps of the call, padding included.
        steps: Steps that run.
        rows: Rows of a sequence buffer: real steps over the batch.
        table: For each step in the order of running: rows active, first row in sequences, and in histories before and
            after the step, ``[steps, 4]``.
        back: The table in the order of the backward loop.
        reverse: Whether time runs backward.
        order: Ragged batches: the call's row that each row, sorted by falling length, is, or is a piece of, ``[B]``.
        source: Ragged batches: the place in the call's ``[B * T]`` of each row of a sequence buffer, ``[rows]``.
        before: Ragged batches: the row of the history before each row's step, ``[rows]``.
        last: Ragged batches: the row of the history after each sorted row's last step, ``[B]``.
        cut: Where rows are pieces of the call's: what joins them.
        shared: How its work is shared, by side and threads; see :class:`throughtime.engine.compiled.frame.Run`.
    """

    batch: int
    time: int
    steps: int
    rows: int
    table: Tensor
    back: Tensor
    reverse: bool
    order: Tensor | None = None
    source: Tensor | None = None
    before: Tensor | None = None
    last: Tensor | None = None
    cut: Cut | None = None
    shared: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, call: Call) -> Layout:
        """The layout of a call."""
        batch, time = call.inputs.shape[:2]
        if call.lengths is None and not is_cut(call):
            return whole(batch, time, call.reverse)
        steps = Steps.of(call)
        return _known(steps) if batch * time <= MOST else _found(steps)

    @property
    def places(self) -> int:
        """Steps of the call, padding included, over its rows."""
        return self.time * (self.batch if self.cut is None else len(self.cut.ends))

    @functools.cached_property
    def entire(self) -> Window:
        """All of its steps."""
        return Window(self)

    def windows(self, steps: int) -> list[Window]:
        """The layout cut into windows of so many steps, in the order of running."""
        if steps >= self.steps:
            return [self.entire]
        return [self._window(first, min(first + steps, self.steps)) for first in range(0, self.steps, steps)]

    def _window(self, first: int, last: int) -> Window:
        active, row, before, after = self.table[first:last].unbind(1)
        top, end = int(row.min()), int((row + active).max())
        low = int(torch.minimum(before, after).min())
        high = int((torch.maximum(before, after) + active).max())
        table = torch.stack([active, row - top, before - low, after - low], 1)
        rows_before = None if self.before is None else self.before[top:end] - low
        layout = Layout(
            self.batch, last - first, last - first, end - top, table, table.flip(0), self.reverse, before=rows_before
        )
        return Window(layout, slice(top, end), slice(low, high))

    def pack(self, value: Tensor) -> Tensor:
        """``[B, T, width]`` as a sequence buffer ``[rows, width]``."""
        if self.source is None:
            return spare.flat(value if self.batch == 1 else value.transpose(0, 1))
        return value.reshape(self.places, value.shape[2]).index_select(0, self.source)

    def unpack(self, value: Tensor) -> Tensor:
        """A sequence buffer as ``[B, T, width]``, zeros where there is padding."""
        if self.source is None:
            width, row = value.shape[1], value.stride(0)
            return value.as_strided((self.batch, self.time, width), (row, self.batch * row, 1), value.storage_offset())
        if self.cut is not None and self.cut.inverse is not None:
            return value.index_select(0, self.cut.inverse).view(-1, self.time, value.shape[1])
        whole = value.new_zeros(self.places, value.shape[1])
        return whole.index_copy_(0, self.source, value).view(-1, self.time, value.shape[1])

    def states(self, history: Tensor) -> Tensor:
        """The states after each step, of a history, as ``[B, T, width]``."""
        if self.source is not None:
            return self.outputs(self.after(history))
        row = history.stride(0)
        first = 0 if self.reverse else self.batch * row
        shape = self.batch, self.time, history.shape[1]
        return history.as_strided(shape, (row, self.batch * row, 1), history.storage_offset() + first)

    def outputs(self, value: Tensor) -> Tensor:
        """Outputs of the steps that ran as ``[B, T, width]``; those left out repeat others."""
        whole = self.unpack(value)
        if self.cut is not None and len(self.cut.held):
            whole.view(self.places, -1).index_copy_(0, self.cut.held, value.index_select(0, self.cut.repeats))
        return whole

    def grad_outputs(self, gradient: Tensor) -> Tensor:
        """The gradient of what :meth:`outputs` was given, in rows that are contiguous."""
        packed = self.pack(gradient).contiguous()
        if self.cut is not None and len(self.cut.held):
            held = gradient.reshape(self.places, -1).index_select(0, self.cut.held)
            packed.index_add_(0, self.cut.repeats, held)
        return packed

    def begin(self, state: Tensor) -> Tensor:
        """The call's initial state as that of the rows that run."""
        rows = self.sort(state)
        return rows if self.cut is None or not len(self.cut.anew) else rows.index_fill_(0, self.cut.anew, 0.0)

    def grad_begin(self, gradient: Tensor) -> Tensor:
        """The gradient of what :meth:`begin` was given."""
        if self.cut is None or self.order is None:
            return self.unsort(gradient)
        rows = gradient.index_fill(0, self.cut.anew, 0.0) if len(self.cut.anew) else gradient
        return rows.new_zeros(len(self.cut.ends), rows.shape[1]).index_add_(0, self.order, rows)

    def end(self, state: Tensor) -> Tensor:
        """The final state of the rows that ran as the call's."""
        return self.unsort(state) if self.cut is None else state.index_select(0, self.cut.ends)

    def grad_end(self, gradient: Tensor) -> Tensor:
        """The gradient of what :meth:`end` was given."""
        if self.cut is None:
            return self.sort(gradient)
        return gradient.new_zeros(self.batch, gradient.shape[1]).index_copy_(0, self.cut.ends, gradient)

    def sort(self, value: Tensor) -> Tensor:
        """Rows of the call ``[B, width]`` in the order of running, once for every piece."""
        return (value if self.order is None else value.index_select(0, self.order)).contiguous()

    def unsort(self, value: Tensor) -> Tensor:
        """Rows in the order of running as those of the call."""
        return value if self.order is None else torch.empty_like(value).index_copy_(0, self.order, value)

    def initial(self, history: Tensor) -> Tensor:
        """The rows of a history that hold the initial state."""
        return history[self.rows :] if self.reverse and self.source is None else history[: self.batch]

    def after(self, history: Tensor) -> Tensor:
        """The rows of a history that hold the states after each step, in the order of a sequence buffer."""
        return history[: self.rows] if self.reverse and self.source is None else history[self.batch :]

    def earlier(self, history: Tensor) -> Tensor:
        """The states before each step, in the order of a sequence buffer."""
        if self.before is not None:
            return history.index_select(0, self.before)
        return history[self.batch :] if self.reverse else history[: self.rows]

    def final(self, history: Tensor) -> Tensor:
        """The state after each sorted row's last step."""
        if self.last is not None:
            return history.index_select(0, self.last)
        return history[: self.batch] if self.reverse else history[self.rows :]


@dataclass(frozen=True)
class Window:
    """Some steps of a layout, which are a layout of their own, and the rows that they take of its buffers.

    Attributes:
        layout: The steps alone.
        rows: Their rows of sequence buffers; None for all.
        states: Their rows of histories, the states before the first of them included; None for all.
    """

    layout: Layout
    rows: slice | None = None
    states: slice | None = None

    def of_rows(self, value: Tensor) -> Tensor:
        """The window's part of a sequence buffer."""
        return value if self.rows is None else value[self.rows]

    def of_states(self, history: Tensor) -> Tensor:
        """The window's part of a history."""
        return history if self.states is None else history[self.states]

    def enter(self, history: Tensor, state: Tensor) -> None:
        """Writes the state before the first step to its place in a history of the window's own."""
        active, _, before, _ = self.layout.table[0].tolist()
        history[before : before + active] = state[:active]


@functools.lru_cache(maxsize=1024)
def whole(batch: int, time: int, reverse: bool) -> Layout:
    """Rows of one length."""
    first = torch.arange(time, device="cpu") * batch
    if reverse:
        first = first.flip(0)
    before, after = (first + batch, first) if reverse else (first, first + batch)
    table = torch.stack([torch.full_like(first, batch), first, before, after], 1)
    return Layout(batch, time, time, time * batch, table, table.flip(0), reverse)


def _found(steps: Steps) -> Layout:
    """The layout of a call with lengths, resets or a mask."""
    lengths = steps.real_lengths()
    if lengths is not None and steps.resets is None and steps.mask is None:
        return _ragged(lengths, steps.time, steps.reverse)
    pieces = cut_steps(steps)
    return _ragged(pieces.lengths, steps.time, steps.reverse, pieces)


_known = functools.lru_cache(maxsize=4)(_found)
"""Those of the latest calls: what the layers of a stack, in both directions, have in common is found once."""


def _ragged(lengths: Tensor, time: int, reverse: bool, pieces: Pieces | None = None) -> Layout:
    """Rows of lengths of their own, or the pieces that a call was cut into, side by side as rows."""
    # NumPy, for these are many short operations
    batch = len(lengths)
    sorted_lengths, order, active = (value.numpy() for value in by_length(lengths))
    steps = len(active)
    rows = np.arange(batch)
    table = np.empty((steps, 4), np.int64)
    table[:, 0] = active
    first, before, after = table[:, 1:].T
    first[:] = active.cumsum() - active
    after[:] = first + batch
    before[:1], before[1:] = 0, after[:-1]
    # the step and the row of the batch that each row of a sequence buffer holds
    when = np.arange(steps).repeat(active)
    number = np.arange(len(when))
    which = number - first[when]
    step = sorted_lengths[which] - 1 - when if reverse else when
    ended = sorted_lengths - 1
    last = np.where(ended < 0, rows, after[ended.clip(min=0)] + rows) if steps else rows
    if pieces is None:
        source, cut = (order * time)[which] + step, None
    else:
        given = lengths.numpy()
        real = (given.cumsum() - given)[order][which] + step  # number of the real step that each row of a buffer is
        at, place = np.empty_like(number), np.empty_like(order)
        at[real], place[order] = number, rows
        source, order = pieces.place.numpy()[real], pieces.row.numpy()[order]
        # real steps stand in the order of places, so that where all are real their numbers are places
        inverse = torch.from_numpy(at) if len(source) == time * len(pieces.last) else None
        marks = place[pieces.anew.numpy()], place[pieces.last.numpy()], pieces.held.numpy(), at[pieces.repeats.numpy()]
        anew, ends, held, repeats = map(torch.from_numpy, marks)
        cut = Cut(anew, ends, held, repeats, inverse)
    earlier = before[when] + which
    return Layout(
        batch,
        time,
        steps,
        len(which),
        torch.from_numpy(table),
        torch.from_numpy(table[::-1].copy()),
        reverse,
        torch.from_numpy(order),
        torch.from_numpy(source),
        torch.from_numpy(earlier),
        torch.from_numpy(last),
        cut,
    )
