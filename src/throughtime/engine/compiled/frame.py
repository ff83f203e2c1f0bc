"""One run of compiled code: fills its frame, shares the work out, and keeps alive what it reads and writes."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from throughtime.engine.compiled.cellcode import Side
from throughtime.engine.compiled.layout import Layout
from throughtime.engine.compiled.llvm import small
from throughtime.engine.compiled.llvm.writer import APART, FUSED
from throughtime.engine.compiled.spare import apart
from throughtime.engine.compiled.team import Shared

SERIAL = 5e5
"""Multiply-adds of a call under which a second thread costs more than it brings."""

MEETING = 4e4
"""What a barrier costs, in multiply-adds."""

CACHE = 2**19
"""Bytes of a core's cache that products with the inputs may fill."""

ROWS = 24
"""Rows of a batch from which on weights may be read anew at every step."""

NOWHERE = None, None
"""The fields of a buffer that a side does not read."""


class Sharing(NamedTuple):
    """How threads share the work of a side and a layout, which is told once.

    Attributes:
        groups: Groups of parties that share rows.
        parts: Parties in each, which share the units.
        blocks: Blocks of rows.
        edges: Where these begin, and the end.
        settings: Fields of the frame that follow from these and the layout, with their values.
    """

    groups: int
    parts: int
    blocks: int
    edges: Tensor
    settings: tuple[tuple[int, int], ...]


class Run:
    """Fills the frame of one side of a compiled cell.

    Args:
        side: Forward or backward.
        layout: The rows in time.
        table: The layout's table, in the order of running.
        packed: A run of the same side that has packed the parameters, which this one then uses as they are.
    """

    def __init__(self, side: Side, layout: Layout, table: Tensor, packed: Run | None = None) -> None:
        self.side = side
        self.layout = layout
        self.frame: Any = type(side.blank).from_buffer_copy(side.blank if packed is None else packed.frame)
        self.alive: list[Any] = [table, packed]
        self._set("table", table.data_ptr())

    def rows(self, values: Mapping[str, Tensor]) -> None:
        """Buffers of rows by name."""
        frame, buffers = self.frame, self.side.buffers
        for name, value in values.items():
            place, stride = buffers.get(name, NOWHERE)
            if place is not None:
                frame[place] = value.data_ptr()
            if stride is not None:
                frame[stride] = value.stride(0)
        self.alive.append(values)

    def columns(self, value: Tensor, starts: Iterable[tuple[str, int]]) -> None:
        """Buffers that are columns of one, by name with the first of each."""
        frame, buffers = self.frame, self.side.buffers
        first, each, between = value.data_ptr(), value.element_size(), value.stride(0)
        for name, start in starts:
            place, stride = buffers.get(name, NOWHERE)
            if place is not None:
                frame[place] = first + start * each
            if stride is not None:
                frame[stride] = between
        self.alive.append(value)

    def parameters(self, values: Mapping[str, Tensor]) -> None:
        """Points to the vectors and the matrices, which are contiguous, and to room for the matrices packed."""
        frame, size = self.frame, self.side.target.bytes
        at = {name: value.data_ptr() for name, value in values.items()}
        for field, vector in self.side.vectors:
            if vector.spread:
                value = values[vector.parameter].reshape(-1)[vector.start].expand(vector.width).contiguous()
                self.alive.append(value)
                frame[field] = value.data_ptr()
            else:
                frame[field] = at[vector.parameter] + vector.start * size
        kind = small.STORED.get(self.side.target.weights, torch.float32 if size == 4 else torch.float64)
        packs = torch.empty(self.side.room, dtype=kind, device="cpu")
        self.alive.append(packs)
        room, each = packs.data_ptr(), packs.element_size()
        for field, pack, matrix, offset, start in self.side.weights:
            frame[field] = at[matrix] + offset * size
            frame[pack] = room + start * each
        for part in self.side.small:
            packed = small.pack(values[part.block.matrix], part.block, self.side.target)
            packs[part.start : part.start + len(packed)] = packed
            frame[part.pack] = room + part.start * each
        for headed in self.side.headed:
            stored = torch.nn.functional.pad(values[headed.matrix].flatten(), (0, 1))
            place = headed.places
            torch.index_select(stored, 0, place, out=packs[headed.start : headed.start + len(place)])
            frame[headed.pack] = room + headed.start * each

    def start(self) -> Shared:
        """Runs; gives what runs again."""
        shared = self.share()
        shared()
        return shared

    def share(self) -> Shared:
        """Shares the work out; gives what runs."""
        threads = torch.get_num_threads()
        known = self.layout.shared.get((self.side, threads))
        if known is None:
            known = self.layout.shared[self.side, threads] = self._found(threads)
        for field, value in known.settings:
            self.frame[field] = value
        if "desk" in self.side.buffers:
            kind = torch.float32 if self.side.target.bytes == 4 else torch.float64
            like = torch.empty(0, dtype=kind, device="cpu")
            self.rows({"desk": apart(like, self.layout.batch, sum(self.side.plan.desk.widths))})
        self.alive.append(known.edges)
        return Shared(self.side.code, self.frame, known.blocks, known.groups, known.parts)

    def _found(self, threads: int) -> Sharing:
        """How so many threads share the work."""
        groups, parts = (1, 1) if threads == 1 else grid(self.side, self.layout, threads)
        edges = blocks(self.layout.batch, self.side.target.rows)
        values = {
            "steps": self.layout.steps,
            "blocks": edges.data_ptr(),
            "stretch": self._stretch(groups, parts),
            "inputs": FUSED if self._fuses(groups, parts) else APART,
        }
        fields = self.side.index
        settings = tuple((fields[name], value) for name, value in values.items() if name in fields)
        return Sharing(groups, parts, len(edges) - 1, edges, settings)

    def _stretch(self, groups: int, parts: int) -> int:
        """Steps whose products with the inputs are computed at once: few enough for a core's cache, and rows enough
        that weights are not read for a few alone.
        """
        kernel = self.side.target
        width = self.side.outer_width * kernel.bytes
        rows = max(CACHE * parts * groups // max(width, 1), 4 * kernel.rows)
        return max(1, rows // max(self.layout.batch, 1))

    def _fuses(self, groups: int, parts: int) -> bool:
        """Whether each step multiplies its own inputs: if there are rows enough, and the cache holds all weights."""
        if self.layout.batch < ROWS * groups or not self.side.fuses:
            return False
        return (self.side.work + self.side.outer_work) * self.side.target.bytes <= 2 * CACHE * parts

    def _set(self, name: str, value: int) -> None:
        index = self.side.index.get(name)
        if index is not None:
            self.frame[index] = value


@functools.lru_cache(maxsize=1024)
def blocks(batch: int, most: int) -> Tensor:
    """Where blocks of rows begin, and the end: as few as there may be, of even size."""
    count = -(-batch // most)
    return torch.arange(count + 1, device="cpu") * batch // max(count, 1)


def grid(side: Side, layout: Layout, threads: int) -> tuple[int, int]:
    """Groups of rows, and parties in each that share the units: what takes the shortest, as far as can be told."""
    work = side.work + side.outer_work or side.arithmetic
    if layout.rows * work < SERIAL:
        return 1, 1
    count = -(-layout.batch // side.target.rows)
    running = layout.rows / max(layout.steps, 1)
    best = (float("inf"), 1, 1)
    for parts in range(1, min(threads, side.panels) + 1):
        groups = threads // parts
        if groups > count:
            continue
        # Rows of ragged batches end one group after the other: the first works longest
        rows = running if groups == 1 else -(-count // groups) * layout.batch / count
        meetings = MEETING * side.meetings if parts > 1 else 0.0
        best = min(best, (rows * work * -(-side.panels // parts) / side.panels + meetings, groups, parts))
    return best[1:]
