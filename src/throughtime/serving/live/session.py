"""A stream of one client, as the loop that answers sees it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from throughtime.applications.live import Reader
from throughtime.serving.live.told import Told
from throughtime.serving.refusal import RefusedError

END = object()
"""A piece behind which none comes."""


class Session:
    """A stream: pieces in, events out. Its methods belong to the event loop, :attr:`inputs` and the reader to the pool.

    Args:
        most: Bytes that may wait.
        wake: Tells the pool that something waits.

    Attributes:
        id: What it is called, in 32 letters that nobody guesses.
        reader: What stands before and after the model.
        row: Of the pool's model; None while it has none.
        inputs: Of steps that are to be made, and when they were due.
        told: What was told, in numbered events.
        pieces_taken: Pieces that were given and are not asked for again, the end not among them.
        bytes_taken: Of these.
        promised: Pieces of which the client was told that they are taken.
        due: When a piece would be due that follows in real time, in seconds of the monotonic clock.
        holder: Whose pieces are taken: the connection that took it up last.
        touched: When something came last, in seconds of the monotonic clock.
    """

    reader: Reader

    def __init__(self, most: int, wake: Callable[[Session], None]) -> None:
        self.id = secrets.token_hex(16)
        self.row: int | None = None
        self.most, self.wake = most, wake
        self.pieces: deque[tuple[Any, int, float]] = deque()
        self.inputs: deque[tuple[Any, float]] = deque()
        self.held = 0  # bytes that wait
        self.pieces_taken = self.bytes_taken = self.promised = 0
        self.due = 0.0
        self.told = Told(most)
        self.room = asyncio.Event()
        self.room.set()
        self.holder: object = None
        self.ended = self.closed = False
        self.ending = self.failed = False  # the pool's: the end was read; nothing more is told
        self.touched = time.monotonic()

    async def push(
        self, piece: Any, size: int, patience: float = 30.0, holder: object = None, seconds: float = 0.0
    ) -> None:
        """Gives a piece; waits while too many bytes wait already, or too much that was told was not sent.

        Args:
            piece: As the task takes it.
            size: Its bytes.
            patience: Seconds to wait for room.
            holder: Who gives it.
            seconds: That it lasts: who sends faster is not owed an answer sooner than in real time.

        Raises:
            RefusedError: If the model does not come to it in time, the stream is over, or another has taken it up.
        """
        if size > self.most:
            raise RefusedError(413, f"expected pieces of at most {self.most:,} bytes, got {size:,}; send smaller ones")
        until = time.monotonic() + patience
        while not self.told.over and (self.held + size > self.most or self.told.full):
            self.room.clear()
            try:
                await asyncio.wait_for(self.room.wait(), until - time.monotonic())
            except TimeoutError:
                busy = "expected a client that reads what it is told" if self.told.full else "the server is too busy"
                raise RefusedError(429, f"{busy} for this stream; try again later", after=5) from None
        self._check(holder)
        self.held += size
        self.pieces_taken, self.bytes_taken = self.pieces_taken + 1, self.bytes_taken + size
        self._put(piece, size, seconds)

    def _put(self, piece: Any, size: int, seconds: float) -> None:
        self.touched = time.monotonic()
        due = max(self.touched, self.due)
        self.due = due + seconds
        self.pieces.append((piece, size, due))
        self.wake(self)

    def end(self, holder: object = None) -> None:
        """Tells that nothing more comes; what is told then ends in the final event.

        Raises:
            RefusedError: If another has taken the stream up.
        """
        if not self.ended:
            self._check(holder)
            self.ended = True
            self._put(END, 0, 0.0)

    def _check(self, holder: object) -> None:
        if holder is not self.holder:
            raise RefusedError(409, "another connection has taken this stream up, which goes on there")
        if self.ended or self.closed or self.told.over:
            raise RefusedError(409, "expected nothing after the end of a stream; open another")

    async def events(self, seen: int = 0) -> AsyncIterator[Mapping[str, Any]]:
        """What is told behind an event, as it comes; ends behind the final one.

        Raises:
            RefusedError: If a piece was none that the model reads.
        """
        async for _, event, _ in self.told.after(seen):
            self.room.set()
            yield event

    def hear(self, events: list[dict[str, Any] | RefusedError | None], freed: int) -> None:
        """Takes what the pool tells."""
        self.held -= freed
        self.room.set()
        for event in events:
            if event is None or isinstance(event, RefusedError):
                self.told.finish(event)
            else:
                self.told.add(event)

    def untake(self, pieces: list[tuple[Any, int, float]]) -> None:
        """Has the last pieces not been given: the client sends them again when it comes again."""
        self.ended = self.ended and all(piece is not END for piece, _, _ in pieces)
        self.pieces_taken -= sum(piece is not END for piece, _, _ in pieces)
        size = sum(size for _, size, _ in pieces)
        self.bytes_taken, self.held, self.due = self.bytes_taken - size, self.held - size, 0.0
        self.room.set()

    def dump(self) -> dict[str, Any]:
        """All that it holds beside its row, as plain data and arrays, while nothing waits.

        Raises:
            UserError: If its reader holds what has no plain form.
        """
        return {
            "taken": [self.pieces_taken, self.bytes_taken],
            "ended": self.ended,
            "told": self.told.dump(),
            "reader": None if self.told.over else self.reader.dump(),
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what another gave, beside its reader."""
        self.pieces_taken, self.bytes_taken = dumped["taken"]
        self.ended, self.told = dumped["ended"], Told.load(dumped["told"], self.most)
