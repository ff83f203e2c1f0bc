"""Bodies as they come in: each up to a size and within a time, all together up to another size."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Message, Receive

from throughtime.serving.refusal import RefusedError


class Intake:
    """What all requests together hold of their bodies.

    Args:
        body: Most bytes of one, whatever its head says.
        bodies: Most bytes of all that are being served.
        patience: Seconds that may pass between two parts of one.

    Attributes:
        held: Bytes that came in with requests that are being served.
    """

    def __init__(self, body: int, bodies: int, patience: float) -> None:
        self.body, self.bodies, self.patience, self.held = body, bodies, patience, 0

    @contextmanager
    def receiving(self, receive: Receive) -> Iterator[Receive]:
        """What a request reads from inside of the block, where its body is held."""
        read, whole = 0, False

        async def limited() -> Message:
            nonlocal read, whole
            if whole:  # all that can come is that the client goes
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self.patience)
            except TimeoutError:
                raise RefusedError(408, f"expected more of the body within {self.patience:g} s, got none") from None
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                read, whole, self.held = read + size, not message.get("more_body", False), self.held + size
                self._check(read)
            return message

        try:
            yield limited
        finally:
            self.held -= read

    def _check(self, read: int) -> None:
        if read > self.body:
            raise RefusedError(413, f"expected a body of at most {self.body:,} bytes; send less, or in parts")
        if self.held > self.bodies:
            raise RefusedError(
                503, f"expected bodies of at most {self.bodies:,} bytes at once; try again later", after=1
            )
