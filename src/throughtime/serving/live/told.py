"""What is told of a stream: numbered events, kept until the client has seen them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice
from typing import Any

from throughtime.serving.refusal import RefusedError
from throughtime.visible import as_json

UNSEEN = 32 * 1024
"""Bytes of events that were sent and never acknowledged, of which the last are kept."""

COUNTED = ("tokens", "frames", "events")
"""What an event lists of steps that may be drawn without end: of texts, and of tunes."""

Event = tuple[int, dict[str, Any], str]
"""Its number, itself, and itself as JSON."""


class Told:
    """Events of one stream, numbered from 1.

    Args:
        most: Bytes that may wait to be sent before the client should read first; of those that were sent, and that
            the client did not say it has seen, the last :data:`UNSEEN` are kept.

    Attributes:
        count: Events so far.
        seen: The last one that the client said it has seen.
        careful: It ever said so.
        sent: The last one that was handed to a connection.
        tokens: That were told so far, in all events; of tunes frames, or events of notes.
        over: The last event is told.
        refusal: What ended the stream, if the final event did not.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.count = self.seen = self.sent = self.tokens = 0
        self.over = self.careful = False
        self.refusal: RefusedError | None = None
        self._kept: deque[Event] = deque()
        self._bytes = self._waiting = 0  # of what is kept, and of what of it was not sent
        self._news = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether the client should read before more is told."""
        return self._waiting > self.most

    @property
    def _first(self) -> int:
        """The number of the first event that is kept, or of the next one."""
        return self.count - len(self._kept) + 1

    def add(self, event: dict[str, Any]) -> None:
        """Tells something."""
        self.count += 1
        self.tokens += sum(len(found) for name in COUNTED if isinstance(found := event.get(name), list))
        self._put(self.count, {"event": self.count, **event})
        self._drop()
        self._news.set()

    def finish(self, refusal: RefusedError | None = None) -> None:
        """Tells that nothing more comes."""
        if not self.over:
            self.over, self.refusal = True, refusal
        self._news.set()

    def saw(self, number: int) -> None:
        """Takes the client's word that it has seen the events up to a number.

        Raises:
            RefusedError: If there is no such event.
        """
        if number > self.count:
            raise RefusedError(422, f"seen: expected at most {self.count}, the last event's number, got {number}")
        self.seen, self.careful = max(self.seen, number), True
        self._mark(number)
        self._drop()

    async def after(self, number: int) -> AsyncIterator[Event]:
        """The events behind one of them, as they come, to the last.

        Raises:
            RefusedError: If the next one is not kept any more, or that is how the stream ended.
        """
        while True:
            first = self._first
            if number + 1 < first:
                raise RefusedError(
                    410, f"the events up to {first - 1} are not kept any more; acknowledge them in time, or open anew"
                )
            for event in list(islice(self._kept, number + 1 - first, None)):
                number = event[0]
                self._mark(number)
                yield event
            if self.over and number == self.count:
                if self.refusal is not None:
                    raise self.refusal
                return
            if number == self.count:
                self._news.clear()
                await self._news.wait()

    def _put(self, number: int, event: dict[str, Any]) -> None:
        text = as_json(event)
        self._kept.append((number, event, text))
        self._bytes += len(text)
        self._waiting += len(text)

    def _mark(self, number: int) -> None:
        """Remembers that events up to a number were sent."""
        if number > self.sent:
            first = self._first
            fresh = islice(self._kept, max(0, self.sent + 1 - first), max(0, number + 1 - first))
            self._waiting -= sum(len(text) for _, _, text in fresh)
            self.sent = number

    def _drop(self) -> None:
        """Forgets what was seen, and the oldest that was sent where too much is kept."""
        while self._kept:
            number, _, text = self._kept[0]
            old = self._bytes - self._waiting > UNSEEN and number <= self.sent
            if number > self.seen and not old:
                break
            self._kept.popleft()
            self._bytes -= len(text)
            self._waiting -= len(text) if number > self.sent else 0

    def dump(self) -> dict[str, Any]:
        """All that it holds, as plain data."""
        return {
            "count": self.count,
            "seen": self.seen,
            "careful": self.careful,
            "over": self.over,
            "refusal": None if self.refusal is None else [self.refusal.status, self.refusal.message],
            "tokens": self.tokens,
            "events": [event for _, event, _ in self._kept],
        }

    @classmethod
    def load(cls, dumped: dict[str, Any], most: int) -> Told:
        """One that goes on where another was dumped."""
        found = cls(most)
        found.count, found.seen, found.tokens = dumped["count"], dumped["seen"], dumped["tokens"]
        found.careful, found.over = dumped["careful"], dumped["over"]
        found.refusal = None if dumped["refusal"] is None else RefusedError(*dumped["refusal"])
        for event in dumped["events"]:
            found._put(event["event"], event)
        found.sent = found._first - 1
        return found
