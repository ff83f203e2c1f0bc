"""How far long work has come, told from wherever it is done to whoever shows it.

with showing(bar):
    examples = list(counted(read(path), "examples"))
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")

EVERY = 0.1
"""Seconds between two tellings of things that are counted."""


class Progress(Protocol):
    """Is told how far a long piece of work has come."""

    def __call__(self, done: float, total: float | None, unit: str) -> None:
        """So many units are done, of so many, where that is known: ``(1000, 1800000, "bases")``."""
        ...


_shown: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def showing(progress: Progress) -> Iterator[None]:
    """Work inside of the block tells its progress to this."""
    before = _shown.set(progress)
    try:
        yield
    finally:
        _shown.reset(before)


def is_shown() -> bool:
    """Whether anybody is told."""
    return _shown.get() is not None


def report(done: float, total: float | None, unit: str) -> None:
    """Tells how far it has come, to whoever shows it; else nobody."""
    progress = _shown.get()
    if progress is not None:
        progress(done, total, unit)


def counted(items: Iterable[T], unit: str) -> Iterator[T]:
    """The same things, told now and then how many of them there were.

    Example:
        >>> with showing(lambda done, total, unit: print(done, total, unit)):
        ...     kept = list(counted("ab", "letters"))
        2 2 letters
    """
    total = len(items) if isinstance(items, Sized) else None
    told, number = time.monotonic(), 0
    for number, item in enumerate(items, 1):
        yield item
        if (now := time.monotonic()) - told >= EVERY:
            told = now
            report(number, total, unit)
    report(number, number, unit)
