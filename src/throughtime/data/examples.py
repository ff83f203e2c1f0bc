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
    lengths: npt.NDArray[np.integer], rows: int, seed: int | None = None, epoch: int = 0, start: int = 0
) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of members of similar length, batch by batch from the ``start``-th.

    Args:
        lengths: Of every member.
        rows: Members of a batch.
        seed: Of the order, together with the epoch; None: the given order, only sorted by length in pools.
        epoch: Number of the pass.
        start: Batches to leave out at the beginning.

    Example:
        >>> [batch.tolist() for batch in in_batches(np.array([3, 1, 2]), rows=2)]
        [[1, 2], [0]]
    """
    order, numbers = np.arange(len(lengths)), np.arange(-(-len(lengths) // rows))
    if seed is not None:
        random = np.random.default_rng([seed, epoch])
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
    """

    def __init__(
        self,
        examples: Sequence[ExampleT],
        batch: Callable[[Sequence[ExampleT]], BatchT],
        size: Callable[[ExampleT], int],
        rows: int,
        seed: int | None = None,
    ) -> None:
        self.examples, self.batch, self.rows, self.seed = examples, batch, rows, seed
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
        for indices in in_batches(self.lengths, self.rows, self.seed, epoch, start):
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
