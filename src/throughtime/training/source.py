"""Where training takes its batches from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

from throughtime.data.shares import Shares


class Batch(Protocol):
    """What the loop needs of a batch."""

    @property
    def tokens(self) -> int:
        """Its size, for the rate."""
        ...


BatchT_co = TypeVar("BatchT_co", bound=Batch, covariant=True)


class Source(Protocol[BatchT_co]):
    """Batches in a fixed order for every epoch, so that training can go on in the middle of one."""

    def __len__(self) -> int:
        """Batches of an epoch."""
        ...

    def batches(self, epoch: int, start: int = 0) -> Iterator[BatchT_co]:
        """The batches of an epoch, from the ``start``-th."""
        ...

    def shares(self, epoch: int, start: int, count: int) -> Iterator[Shares[BatchT_co]]:
        """The same batches, each as what makes so many shares of it, in order."""
        ...
