"""Answers as JSON that any reader takes, and errors that tell no place of the server's."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from starlette.responses import JSONResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from throughtime.errors import UserError
from throughtime.serving.house import Hosted
from throughtime.serving.refusal import RefusedError
from throughtime.visible import as_json, in_line

_OPTION = re.compile(r"--(?:no-)?([a-z][a-z0-9-]*)")


class Answer(JSONResponse):
    """Plain data as ``--json`` prints it; numbers that are none, which JSON does not know, are null."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return as_json(finite(content)).encode()


def finite(value: Any) -> Any:
    """Plain data in which every number is one.

    Example:
        >>> finite({"a": [1.5, float("nan")]})
        {'a': [1.5, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    return [finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def same(value: Any) -> Any:
    """What it is given."""
    return value


@contextmanager
def refusing(hosted: Hosted, named: Callable[[Any], Any] = same) -> Iterator[None]:
    """Makes of a mistake in the input an answer: options as requests write them, no folder of the server's.

    Args:
        hosted: The model.
        named: Gives what the message calls files the client's names.

    Raises:
        RefusedError: In place of what a user can mend.
    """
    try:
        yield
    except UserError as error:
        raise RefusedError(400, told(named(str(error)), hosted)) from error


def told(message: str, hosted: Hosted) -> str:
    """A message for whoever asks from elsewhere."""
    folder = hosted.run.folder
    for place in sorted({str(folder), str(folder.absolute()), str(folder.resolve())}, key=len, reverse=True):
        message = message.replace(place, hosted.name) if "/" in place else message
    return in_line(_OPTION.sub(lambda found: found[1].replace("-", "_"), message))


class Events(StreamingResponse):
    """Server-sent events, ``data: {…}`` each, the last one ``data: [DONE]``.

    Args:
        events: As plain data; closed when the client goes.
        first: The first of them, which is there already.
        patience: Seconds that a client may take to read what is sent, before it counts as gone.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[Any], first: Any, patience: float) -> None:
        self.events, self.patience = events, patience
        super().__init__(self._sent(first), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    @classmethod
    async def begun(cls, events: AsyncGenerator[Any], patience: float) -> Events:
        """What is wrong before the first of the events is answered as an error."""
        return cls(events, await anext(events), patience)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends them."""

        async def timely(message: Message) -> None:
            async with asyncio.timeout(self.patience):
                await send(message)

        async with aclosing(self.events):
            try:
                await super().__call__(scope, receive, timely)
            except TimeoutError:  # what is left unsaid closes the connection
                raise RefusedError(408, f"expected a client that reads within {self.patience:g} s") from None

    async def _sent(self, first: Any) -> AsyncGenerator[bytes]:
        yield _event(first)
        try:
            async for event in self.events:
                yield _event(event)
        except RefusedError as refusal:  # too late for a status
            yield _event(refusal.body)
        yield b"data: [DONE]\n\n"


def _event(value: Any) -> bytes:
    return b"data: " + as_json(finite(value)).encode() + b"\n\n"
