"""Examples as batches: those of similar length together, in an order that a seed and an epoch decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from throughtime.data.progress import report
from throughtime.data.shares import Shares, shares

ExampleT = TypeVar("ExampleT")
BatchT = TypeVar("BatchT")

POOL = 50
"""Batches whose members are sorted by length together."""


def in_batches(
    lengths: npt.NDArray[np.integer],
    rows: int,
    seed: int | None = None,
    epoch: int = 0,
    start: int = 0,
    window: int | None = None,
) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of members of similar length, batch by batch from the ``start``-th.

    Args:
        lengths: Of every member.
        rows: Members of a batch.
        seed: Of the order, together with the epoch; None: the given order, only sorted by length in pools.
        epoch: Number of the pass.
        start: Batches to leave out at the beginning.
        window: Members, side by side, that are shuffled together, rounded up to whole batches; the windows are in an
            order of the seed's, too. So what is read of a disk lies together. None: all of them.

    Example:
        >>> [batch.tolist() for batch in in_batches(np.array([3, 1, 2]), rows=2)]
        [[1, 2], [0]]
    """
    if window is None or seed is None:
        yield from _in_batches(lengths, rows, None if seed is None else [seed, epoch], start)
        return
    size = -(-window // rows) * rows
    windows = np.arange(-(-len(lengths) // size))
    np.random.default_rng([seed, epoch]).shuffle(windows)
    for number in windows.tolist():
        begin = number * size
        inside = lengths[begin : begin + size]
        batches = -(-len(inside) // rows)
        if start < batches:
            for members in _in_batches(inside, rows, [seed, epoch, number + 1], start):
                yield members + begin
        start = max(0, start - batches)


def _in_batches(
    lengths: npt.NDArray[np.integer], rows: int, seed: list[int] | None, start: int
) -> Iterator[npt.NDArray[np.int64]]:
    """All of them shuffled together."""
    order, numbers = np.arange(len(lengths)), np.arange(-(-len(lengths) // rows))
    if seed is not None:
        random = np.random.default_rng(seed)
        random.shuffle(order)
        random.shuffle(numbers)
    pools = [order[i : i + rows * POOL] for i in range(0, len(order), rows * POOL)]
    pooled = np.concatenate([order[:0], *(pool[np.argsort(lengths[pool], kind="stable")] for pool in pools)])
    for number in numbers[start:]:
        yield pooled[number * rows : (number + 1) * rows]


class Examples(Generic[ExampleT, BatchT]):
    """Examples in memory, made into batches as training asks for them.

    Args:
        examples: The examples.
        batch: Makes a batch of some of them.
        size: The length of an example; similar ones share a batch.
        rows: Examples of a batch.
        seed: Of the order; None: not shuffled.
        window: Examples that are shuffled together, see :func:`in_batches`.
    """

    def __init__(
        self,
        examples: Sequence[ExampleT],
        batch: Callable[[Sequence[ExampleT]], BatchT],
        size: Callable[[ExampleT], int],
        rows: int,
        seed: int | None = None,
        window: int | None = None,
    ) -> None:
        self.examples, self.batch, self.rows, self.seed, self.window = examples, batch, rows, seed, window
        self.lengths = np.array([size(example) for example in examples], dtype=np.int64)

    def __len__(self) -> int:
        return -(-len(self.examples) // self.rows)

    def batches(self, epoch: int, start: int = 0) -> Iterator[BatchT]:
        """The batches of an epoch, from the ``start``-th; the order depends on the seed and the epoch alone."""
        for chosen in self.chosen(epoch, start):
            yield self.batch([self.examples[i] for i in chosen])

    def shares(self, epoch: int, start: int, count: int) -> Iterator[Shares[BatchT]]:
        """The same batches, each as what makes so many shares of its examples, in order."""
        for chosen in self.chosen(epoch, start):
            some = [[self.examples[chosen[i]] for i in share] for share in shares(len(chosen), count)]
            yield [partial(self.batch, members) for members in some]

    def chosen(self, epoch: int = 0, start: int = 0) -> Iterator[list[int]]:
        """The indices of every batch's examples."""
        for indices in in_batches(self.lengths, self.rows, self.seed, epoch, start, self.window):
            yield indices.tolist()


class Judged(Examples[ExampleT, BatchT]):
    """Examples that are judged: their batches tell how many of them are done."""

    def batches(self, epoch: int, start: int = 0) -> Iterator[BatchT]:
        """As of :class:`Examples`."""
        done = start * self.rows
        for batch in super().batches(epoch, start):
            yield batch
            done = min(done + self.rows, len(self.examples))
            report(done, len(self.examples), "examples")
