"""A stream as the protocols know it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from throughtime.serving.live.pool import LATER, Pool
from throughtime.serving.live.session import Session
from throughtime.serving.refusal import RefusedError


class Stream:
    """A session with what the protocol knows of it.

    Args:
        pool: Of its model.
        model: The model's name.
        mark: Its fingerprint.
        session: Its pieces and events.
        about: Of the protocol, plain data.

    Attributes:
        parked: Its reader and state are at the parking.
        moved: Is set when another connection takes it up, or its time is over; then holds what its connection tells.
        since: When it was opened, or taken up again after a while, in seconds of the monotonic clock.
        going: Is done when a stream that was let go has its pieces back.
    """

    def __init__(self, pool: Pool, model: str, mark: str, session: Session, about: Mapping[str, Any]) -> None:
        self.pool, self.model, self.mark, self.session, self.about = pool, model, mark, session, about
        self.parked = False
        self.lock = asyncio.Lock()
        self.moved: asyncio.Future[RefusedError] | None = None
        self.since = time.monotonic()
        self.going: asyncio.Future[None] | None = None

    def end_by(self, refusal: RefusedError) -> None:
        """Ends the connection that holds the stream."""
        if self.moved is not None and not self.moved.done():
            self.moved.set_result(refusal)

    def let_go(self) -> None:
        """Ends the connection because the server is late; the client sends what was not read when it comes again."""
        message = "the server is late with its streams; come again in some seconds, with the token if there is one"
        self.end_by(RefusedError(429, message, after=LATER))
        self.session.holder = None
        self.going = self.pool.untake(self.session)
