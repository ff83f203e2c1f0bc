"""Connections that end where their other end neither says what it wants nor reads what it is told.

Bodies have their time in :mod:`throughtime.serving.intake`; here are heads, and what lies in a connection's buffer.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from throughtime.serving.refusal import RefusedError


def bound_unread(door: socket.socket, seconds: float) -> None:
    """Ends connections, those that are closing too, that take nothing of what waits to be sent for so long.

    The system does, where it can (Linux, RFC 5482); connections have it from the socket that they come by.
    """
    name = getattr(socket, "TCP_USER_TIMEOUT", None)
    if name is not None:
        door.setsockopt(socket.IPPROTO_TCP, name, max(1, round(1000 * seconds)))


def requests_within(
    seconds: float, head: int, late: Callable[[str], RefusedError | None] = lambda target: None
) -> type[H11Protocol]:
    """Connections of requests, the head of each of which is there within a time, however it trickles in.

    Args:
        seconds: Of a head.
        head: Bytes of one; more is refused by the status and the line that are right.
        late: Why there is no WebSocket at an address for the moment. It is refused here, where that costs a fifth of
            what it does further in: those who are turned away come again and again.
    """

    class Requests(H11Protocol):
        due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._expect()

        def on_response_complete(self) -> None:
            self._expect()
            super().on_response_complete()

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._forget()
            if (refusal := late(event.target.decode("latin-1"))) is None:
                super().handle_websocket_upgrade(event)
            else:
                self._refuse(refusal)

        def _refuse(self, refusal: RefusedError) -> None:
            body = json.dumps(refusal.body).encode()
            headers = {"Content-Type": "application/json", "Content-Length": f"{len(body)}", "Connection": "close"}
            answer = h11.Response(status_code=refusal.status, headers=[*headers.items(), *refusal.headers.items()])
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            """Refuses what is no request, or too large a head, in the form of all refusals."""
            refusal = RefusedError(400, "expected a request of HTTP/1.1, got something else")
            if getattr(sys.exception(), "error_status_hint", 400) == 431:
                refusal = RefusedError(431, f"expected a line and headers of at most {head:,} bytes, got more")
            self._refuse(refusal)

        def _expect(self) -> None:
            self._forget()
            self.due = self.loop.call_later(seconds, self._late)

        def _forget(self) -> None:
            if self.due is not None:
                self.due.cancel()
                self.due = None

        def _late(self) -> None:
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()

    return Requests


class Sockets(WebSocketsSansIOProtocol):
    """Connections of streams, from which nothing is read while they read nothing: every ping has an answer to keep."""

    def handle_ping(self) -> None:
        """Answers it."""
        super().handle_ping()
        if not self.writable.is_set():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Goes on."""
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()
