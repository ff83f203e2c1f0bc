"""Work that takes a while, away from the loop that answers: a bounded number waits, each for a bounded time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

import torch

from throughtime.data.progress import showing
from throughtime.serving.refusal import RefusedError

T = TypeVar("T")

SLICE = 0.02
"""Seconds after which work that comes in pieces makes room for others."""


class Locked(Protocol):
    """What one thread at a time may work with: a model that is served."""

    lock: threading.Lock


class Work:
    """Runs functions in threads.

    Args:
        waiting: Most that wait or run.
        patience: Seconds that one may take, the wait among them.
        threads: That run at once.
    """

    def __init__(self, waiting: int, patience: float, threads: int = 2) -> None:
        self.most, self.patience = waiting, patience
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="work")
        self.count = 0
        self.turns: WeakKeyDictionary[Locked, asyncio.Lock] = WeakKeyDictionary()

    async def run(self, function: Callable[[], T]) -> T:
        """What the function gives.

        Raises:
            RefusedError: If too many wait already, or it takes too long; what runs then runs on, unheard.
        """
        self._enter()
        future = asyncio.get_running_loop().run_in_executor(self.pool, function)
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self.patience)
        except TimeoutError:
            future.cancel()
            raise self._late() from None

    async def pieces(self, pieces: Iterator[T], model: Locked | None = None) -> AsyncGenerator[list[T]]:
        """What an iterator gives, as it comes, those that came together in a list.

        It goes on for :data:`SLICE` seconds at a time, and then waits until all others of the same model have had as
        much: no long one holds up short ones. It is worked on no further, and closed, when nobody reads on, or when it
        takes too long: where it tells of its progress at the latest.

        Args:
            pieces: A generator; all of it runs in one context, though in several threads, and without gradients.
            model: Whose lock is held meanwhile.

        Raises:
            RefusedError: If too many wait already, or it takes too long.
        """
        self._enter()
        context, last = copy_context(), asyncio.get_running_loop().time() + self.patience
        turn = asyncio.Lock() if model is None else self.turns.setdefault(model, asyncio.Lock())
        lock = nullcontext() if model is None else model.lock
        running: asyncio.Future[tuple[list[T], bool]] | None = None
        stop = _Stop()
        try:
            while True:
                async with asyncio.timeout_at(last):
                    await turn.acquire()
                    running = self._go_on(lambda: context.run(_slice, pieces, lock, stop), turn)
                    found, ended = await asyncio.shield(running)
                if found:
                    yield found
                if ended:
                    return
        except TimeoutError:
            raise self._late() from None
        finally:
            stop.asked = True
            _after(running, lambda: self._end(lambda: context.run(_close, pieces)))

    def _go_on(self, function: Callable[[], T], turn: asyncio.Lock) -> asyncio.Future[T]:
        """Runs a function in a thread; the turn ends when it does, whoever still waits for it."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self.pool, function)
        except BaseException:
            turn.release()
            raise
        future.add_done_callback(lambda _: turn.release())
        return future

    def _enter(self) -> None:
        if self.count >= self.most:
            raise RefusedError(429, f"expected at most {self.most} requests at once; try again later", after=1)
        self.count += 1

    def _end(self, close: Callable[[], None]) -> None:
        self.count -= 1
        close()

    def _late(self) -> RefusedError:
        return RefusedError(503, f"expected to be done in {self.patience:g} s; ask for less", after=5)

    def _done(self, future: asyncio.Future[T]) -> None:
        self.count -= 1
        if not future.cancelled():
            future.exception()  # heard, where nobody waits

    def close(self) -> None:
        """Lets nothing more begin."""
        self.pool.shutdown(wait=False, cancel_futures=True)


class _Stop:
    """Hears of the progress of work, and ends it where nobody waits for it any more.

    Attributes:
        asked: To end it.
    """

    asked = False

    def __call__(self, done: float, total: float | None, unit: str) -> None:
        """See :class:`throughtime.data.progress.Progress`."""
        if self.asked:
            raise RefusedError(503, "nobody waits for this any more")


def _slice(pieces: Iterator[T], lock: AbstractContextManager[object], stop: _Stop) -> tuple[list[T], bool]:
    """What comes within a slice of time, and whether that was the last."""
    found: list[T] = []
    last = time.monotonic() + SLICE
    with lock, torch.no_grad(), showing(stop):
        for piece in pieces:
            found.append(piece)
            if time.monotonic() >= last:
                return found, False
    return found, True


def _close(pieces: Iterator[T]) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        close()


def _after(running: asyncio.Future[T] | None, then: Callable[[], None]) -> None:
    """Does something once what runs has ended; its error is heard, where nobody waits."""
    if running is None or running.done():
        then()
        return

    def done(future: asyncio.Future[T]) -> None:
        if not future.cancelled():
            future.exception()
        then()

    running.add_done_callback(done)
