"""A stream of one client, as the loop that answers sees it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from throughtime.applications.live import Reader
from throughtime.serving.refusal import RefusedError

END = object()
"""A piece behind which none comes."""


class Session:
    """A stream: pieces in, events out. Its methods belong to the event loop, :attr:`inputs` and the reader to the pool.

    Args:
        reader: What stands before and after the model.
        row: Of the pool's model.
        most: Bytes that may wait.
        wake: Tells the pool that something waits.

    Attributes:
        reader: As given.
        row: As given; None while it is parked.
        inputs: Of steps that are to be made.
        touched: When something came last, in seconds of the monotonic clock.
    """

    def __init__(self, reader: Reader, row: int | None, most: int, wake: Callable[[Session], None]) -> None:
        self.reader, self.row, self.most, self.wake = reader, row, most, wake
        self.pieces: deque[tuple[Any, int, float]] = deque()
        self.inputs: deque[Any] = deque()
        self.held = 0  # bytes that wait
        self.told: asyncio.Queue[dict[str, Any] | RefusedError | None] = asyncio.Queue()
        self.room = asyncio.Event()
        self.room.set()
        self.ended = self.closed = False
        self.ending = self.failed = False  # the pool's: the end was read; nothing more is told
        self.touched = time.monotonic()

    async def push(self, piece: Any, size: int, patience: float = 30.0) -> None:
        """Gives a piece; waits while too many bytes wait already.

        Args:
            piece: As the task takes it.
            size: Its bytes.
            patience: Seconds to wait for room.

        Raises:
            RefusedError: If the model does not come to it in time, or the stream is over.
        """
        if self.ended or self.closed:
            raise RefusedError(409, "expected nothing after the end of a stream; open another")
        if size > self.most:
            raise RefusedError(413, f"expected pieces of at most {self.most:,} bytes, got {size:,}; send smaller ones")
        while self.held + size > self.most:
            self.room.clear()
            try:
                await asyncio.wait_for(self.room.wait(), patience)
            except TimeoutError:
                raise RefusedError(429, "the server is too busy for this stream; try again later", after=5) from None
        self.held += size
        self.touched = time.monotonic()
        self.pieces.append((piece, size, self.touched))
        self.wake(self)

    def end(self) -> None:
        """Tells that nothing more comes; what is told then ends in the final event."""
        if not self.ended:
            self.ended, self.touched = True, time.monotonic()
            self.pieces.append((END, 0, self.touched))
            self.wake(self)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """What is told, as it comes; ends behind the final event.

        Raises:
            RefusedError: If a piece was none that the model reads.
        """
        while (event := await self.told.get()) is not None:
            if isinstance(event, RefusedError):
                raise event
            yield event

    def hear(self, events: list[dict[str, Any] | RefusedError | None], freed: int) -> None:
        """Takes what the pool tells."""
        self.held -= freed
        self.room.set()
        for event in events:
            self.told.put_nowait(event)
