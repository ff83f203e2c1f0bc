"""Work that takes a while, away from the loop that answers: a bounded number waits, each for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from throughtime.serving.refusal import RefusedError

T = TypeVar("T")


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

    async def run(self, function: Callable[[], T]) -> T:
        """What the function gives.

        Raises:
            RefusedError: If too many wait already, or it takes too long; what runs then runs on, unheard.
        """
        if self.count >= self.most:
            raise RefusedError(429, f"expected at most {self.most} requests at once; try again later", after=1)
        self.count += 1
        future = asyncio.get_running_loop().run_in_executor(self.pool, function)
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self.patience)
        except TimeoutError:
            future.cancel()
            raise RefusedError(503, f"expected to be done in {self.patience:g} s; ask for less", after=5) from None

    def _done(self, future: asyncio.Future[T]) -> None:
        self.count -= 1
        if not future.cancelled():
            future.exception()  # heard, where nobody waits

    def close(self) -> None:
        """Lets nothing more begin."""
        self.pool.shutdown(wait=False, cancel_futures=True)
