"""What is measured: parts, cells, shapes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import torch

from throughtime.bench.machine import memory_bytes
from throughtime.bench.peers import check_cell, make_layer
from throughtime.engine import check_engine
from throughtime.errors import UserError, listed, nearest

GATED = ("lstm-peephole", "lstm-coupled", "gru-simplified", "gru-full", "mgu")
"""Cells that ``torch.nn`` has not."""


@dataclass(frozen=True)
class Shape:
    """Sizes of one measurement."""

    batch: int
    time: int
    input: int
    hidden: int
    threads: int

    def __str__(self) -> str:
        """``B32 T100 128→256 2 threads``."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"B{self.batch} T{self.time} {self.input}→{self.hidden} {threads}"


@dataclass(frozen=True)
class Case:
    """One measurement: a row of the table."""

    what: str
    cell: str
    shape: Shape

    def key(self) -> dict[str, Any]:
        """What a row is found by."""
        return {"what": self.what, "cell": self.cell, **asdict(self.shape)}

    def __str__(self) -> str:
        """``training lstm B32 T100 128→256 2 threads``."""
        return f"{self.what} {self.cell} {self.shape}"


@dataclass(frozen=True)
class Axes:
    """The values that a part goes through; an input of None is as wide as the hidden state."""

    cells: tuple[str, ...]
    batch: tuple[int, ...]
    time: tuple[int, ...]
    hidden: tuple[int, ...]
    input: int | None = None
    threads: tuple[int, ...] = ()


PARTS: dict[str, Axes] = {
    "training": Axes(("lstm", "gru", "rnn", *GATED), (1, 32), (100,), (256,)),
    "ragged": Axes(("lstm", "gru"), (32,), (250, 500), (256,), 128),
    "streaming": Axes(("lstm", "gru"), (1,), (1,), (128, 256, 512), 128, (1,)),
    "drawing": Axes(("lstm", "gru"), (1,), (200,), (256, 512), 128, (1,)),
    "words": Axes(("lstm", "gru"), (20,), (35,), (400,)),
    "memory": Axes(("lstm", "gru", "rnn"), (32,), (100,), (256,)),
    "start": Axes(("lstm", "mgu"), (2,), (3,), (8,), 4, (1,)),
}
"""What each part measures where nothing else is asked for."""

FIXED = {
    "streaming": ("batch", "time"),
    "drawing": ("batch",),
    "words": ("input",),
    "start": ("batch", "time", "hidden", "input", "threads"),
}
"""What a part does not let be chosen: a stream has one row and one step, a text one row, tied words one
width, a first call is tiny."""


@dataclass(frozen=True)
class Plan:
    """What to measure; None where each part has values of its own (:data:`PARTS`).

    Attributes:
        what: Parts.
        cells: Names of cells, or ``module:Class``.
        batch: Rows.
        time: Steps.
        hidden: Units.
        input: Features of the input.
        threads: Threads that PyTorch computes with; None for as many as it takes by itself.
        seconds: Time for a row.
        engine: What runs our side.
        seed: Of weights, inputs and lengths.
    """

    what: tuple[str, ...] = ("training", "streaming")
    cells: tuple[str, ...] | None = None
    batch: tuple[int, ...] | None = None
    time: tuple[int, ...] | None = None
    hidden: tuple[int, ...] | None = None
    input: int | None = None
    threads: tuple[int, ...] | None = None
    seconds: float = 2.0
    engine: str = "auto"
    seed: int = 0

    def check(self) -> None:
        """Refuses what cannot be measured.

        Raises:
            UserError: Says what was expected.
        """
        for part in self.what:
            if part not in PARTS:
                raise UserError(f"--what: expected {listed([*PARTS, 'all'])}, got {part!r}{nearest(part, PARTS)}")
        for cell in self.cells or ():
            check_cell(cell)
        check_engine(self.engine)
        if not 0 < self.seconds < float("inf"):
            raise UserError(f"--seconds: expected more than 0 seconds for a row, got {self.seconds:g}")
        cores = os.cpu_count() or 1
        if max(self.threads or (1,)) > cores:
            most = max(self.threads or (1,))
            raise UserError(f"--threads: expected at most {cores}, the cores of this machine, got {most}")
        for case in self.cases():
            need, have = _bytes(case.shape), memory_bytes()
            if need > have:
                raise UserError(
                    f"expected shapes that fit into this machine's memory of {have / 1e9:,.0f} GB, got {case.shape}, "
                    f"which needs about {need / 1e9:,.0f} GB; pass a smaller --batch, --time or --hidden"
                )
        if self.engine != "auto":
            for cell in {case.cell: None for case in self.cases()}:
                # An engine that does not serve the cell says so now, not after half an hour.
                make_layer(cell, 2, 3, self.engine)(torch.zeros(1, 2, 2))

    def cases(self) -> Iterator[Case]:
        """Every measurement, part by part."""
        for part in self.what:
            axes = PARTS[part]
            fixed = FIXED.get(part, ())
            given = {
                name: getattr(self, name)
                for name in ("cells", "batch", "time", "hidden", "input", "threads")
                if getattr(self, name) is not None and name not in fixed
            }
            axes = replace(axes, **given)
            numbers = axes.threads or (torch.get_num_threads(),)
            for cell, threads, hidden, batch, time in product(axes.cells, numbers, axes.hidden, axes.batch, axes.time):
                yield Case(part, cell, Shape(batch, time, axes.input or hidden, hidden, threads))


def _bytes(shape: Shape) -> int:
    """What a training step of an LSTM and its peer keep at least: weights, gradients, inputs, gates."""
    weights = 4 * shape.hidden * (shape.input + shape.hidden)
    steps = shape.batch * shape.time * (2 * shape.input + 6 * shape.hidden)
    return 4 * (4 * weights + steps)
