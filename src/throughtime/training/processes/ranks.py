"""The processes that train one model: PyTorch's own group of them, or this one alone.

What they tell each other of a step is small and lies in main memory; gradients lie where the model does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from throughtime.errors import UserError

T = TypeVar("T")

CHUNK = 2**20
"""Numbers that go from a process to the next at a time: while one adds, the one before it makes the next."""

BACKENDS = ("gloo", "nccl", "ucc")
"""Whose errors name them, and say that a process has gone."""


class Ranks:
    """This process among those that train one model.

    Args:
        group: Of PyTorch's, ``torch.distributed.new_group``; None: all of them, or this process alone where no group
            was initialised.

    Attributes:
        number: Of this process, from 0.
        count: Of all.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self.group, self.number, self.count = group, 0, 1
        if dist.is_available() and dist.is_initialized():
            self.number, self.count = dist.get_rank(group), dist.get_world_size(group)

    def __repr__(self) -> str:
        return f"Ranks({self.number} of {self.count})"

    @property
    def first(self) -> bool:
        """Whether this one writes, judges and shows."""
        return self.number == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.count == 1

    @property
    def device(self) -> torch.device:
        """Where what they tell each other must lie."""
        return torch.device("cuda" if not self.alone and dist.get_backend(self.group) == "nccl" else "cpu")

    def summed(self, values: Sequence[float]) -> list[float]:
        """The sum over all of them, each number by itself, in double precision.

        Raises:
            UserError: If another process has ended.
        """
        if self.alone:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        with self.hearing():
            dist.all_reduce(tensor, group=self.group)
        found: list[float] = tensor.tolist()
        return found

    def told(self, value: T) -> T:
        """What the first one says; the others wait for it.

        Raises:
            UserError: If another process has ended.
        """
        if self.alone:
            return value
        values = [value]
        with self.hearing():
            dist.broadcast_object_list(values, self._named(0), group=self.group)
        return values[0]

    def gathered(self, value: T) -> list[T]:
        """What each of them has, in order.

        Raises:
            UserError: If another process has ended.
        """
        if self.alone:
            return [value]
        values: list[T] = [value] * self.count
        with self.hearing():
            dist.all_gather_object(values, value, group=self.group)
        return values

    @torch.no_grad()
    def alike(self, tensors: Sequence[Tensor]) -> None:
        """Tensors become the first one's.

        Raises:
            UserError: If another process has ended.
        """
        with self.hearing():
            for tensor in tensors if not self.alone else ():
                dist.broadcast(tensor, self._named(0), group=self.group)

    def added_up(self, mine: Sequence[Tensor], whole: Tensor) -> Tensor:
        """The sum of what all of them have, added one after the other in the order of the processes.

        So the additions are the same, and so are the bits, however many processes have the same terms. The sum goes
        from each to the next, a chunk at a time, and from the last one back to all: every number passes each process
        twice, as in a ring.

        Args:
            mine: This one's terms, in order; the first one has at least one.
            whole: Where the sum is written; may be the first one's first term.

        Raises:
            UserError: If another process has ended.
        """
        terms = list(mine)
        if self.first and whole is not terms[0]:
            whole.copy_(terms[0])
        with self.hearing():
            for chunk in range(0, whole.numel(), CHUNK):
                part = whole[chunk : chunk + CHUNK]
                if not self.first:
                    dist.recv(part, self._named(self.number - 1), group=self.group)
                for term in terms[self.first :]:
                    part += term[chunk : chunk + CHUNK]
                if self.number + 1 < self.count:
                    dist.send(part, self._named(self.number + 1), group=self.group)
            if not self.alone:
                dist.broadcast(whole, self._named(self.count - 1), group=self.group)
        return whole

    @contextmanager
    def leading(self) -> Iterator[None]:
        """What the first one does while the others :meth:`follow`.

        Raises:
            UserError: If another process has ended.
        """
        try:
            yield
        except BaseException:
            with suppress(UserError):  # they have gone before
                self.told(False)
            raise
        self.told(True)

    def follow(self) -> None:
        """Waits for what the first one does.

        Raises:
            UserError: If it did not go well.
        """
        if not self.told(False):
            raise UserError(f"process {self.number} of {self.count}: the first process ended; see its message")

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Tells in a line that another process has gone.

        Raises:
            UserError: If one has.
        """
        try:
            yield
        except RuntimeError as error:
            if self.alone or not any(name in str(error).lower() for name in BACKENDS):
                raise
            raise UserError(
                f"process {self.number} of {self.count}: another process of this training ended, so this one does, "
                "too; see its message, then go on with --resume"
            ) from error

    def _named(self, number: int) -> int:
        """What PyTorch calls a process of the group."""
        return number if self.group is None else dist.get_global_rank(self.group, number)


_acting: ContextVar[Ranks | None] = ContextVar("ranks", default=None)


def ranks() -> Ranks:
    """Those that this process trains with: of the block that it is in, or all."""
    return _acting.get() or Ranks()


@contextmanager
def acting_as(some: Ranks) -> Iterator[None]:
    """Trainings of the block are of these processes."""
    token = _acting.set(some)
    try:
        yield
    finally:
        _acting.reset(token)
