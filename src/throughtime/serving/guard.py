"""What stands before every request: who asks, from where, how much and how often; and a line about it afterwards."""

from __future__ import annotations

import hmac
import secrets
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from throughtime.serving.intake import Intake
from throughtime.serving.page.assets import FILES
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings
from throughtime.serving.watch import Watch

OPEN = frozenset({*FILES, "/health", "/ready"})
"""Asked without a key: they tell nothing of the models."""

CLIENTS = 4096
"""Of which it is remembered how often they asked."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Addresses that this machine alone reaches."""

HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of this machine, by which pages of elsewhere cannot reach it."""


class Guard:
    """An ASGI application around another.

    Args:
        app: The other.
        settings: Limits, key, origins.
        watch: Is told of every request.
        log: Takes a line of the access log.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, watch: Watch, log: Callable[[Any], None]) -> None:
        self.app, self.settings, self.watch, self.log = app, settings, watch, log
        self.rates = Rates(settings.rate)
        self.intake = Intake(settings.body, settings.bodies, settings.patience)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request or WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        seen = _Seen(scope, send, secrets.token_hex(8))
        scope.setdefault("state", {})["request"] = seen.number
        began = time.perf_counter()
        try:
            self._admit(HTTPConnection(scope))
            if scope["type"] == "websocket":
                await self.app(scope, receive, seen.send)
                return
            with self.intake.receiving(receive) as limited:
                await self.app(scope, limited, seen.send)
        except RefusedError as refusal:
            await seen.refuse(refusal, receive)
        except Exception:  # the last one who can answer; what went wrong is for the log alone
            self.log({"event": "error", "request": seen.number, "trace": traceback.format_exc()})
            await seen.refuse(RefusedError(500, f"an error of the server's own, in its log as {seen.number}"), receive)
        finally:
            seconds = time.perf_counter() - began
            self.watch.asked(scope, seen.status, seconds)
            self.log(
                {
                    "event": scope["type"],
                    "request": seen.number,
                    "client": _client(scope),
                    "method": scope.get("method", "WS"),
                    "path": scope["path"],
                    "status": seen.status,
                    "seconds": round(seconds, 4),
                    "bytes": seen.bytes,
                }
            )

    def _admit(self, asked: HTTPConnection) -> None:
        """Lets a request in.

        Raises:
            RefusedError: If it has no key or too long a head, or comes from a page of elsewhere, too often, or by one
                connection too many.
        """
        path = asked.scope["path"]
        self._check_size(asked.scope)
        self._check_origin(asked.headers)
        if path not in OPEN and self.settings.api_key is not None:
            given = key_of(asked.headers)
            if not hmac.compare_digest(given.encode("latin-1"), self.settings.api_key.encode()):
                raise RefusedError(401, "expected the server's key as Authorization: Bearer KEY, got none or another")
        if path not in OPEN:
            self.rates.count(_client(asked.scope))

    def _check_size(self, scope: Scope) -> None:
        """Of the head; and how many connections there are."""
        line = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        size = line + sum(len(name) + len(value) + len(": \r\n") for name, value in scope["headers"])
        if size > self.settings.header:
            raise RefusedError(
                431, f"expected a line and headers of at most {self.settings.header:,} bytes, got {size:,}"
            )
        if scope["app"].state.crowd() > (most := self.settings.connections):
            raise RefusedError(503, f"expected at most {most:,} connections at once; try again later", 1, last=True)

    def _check_origin(self, headers: Headers) -> None:
        """Pages of other servers ask only where they are allowed to: browsers send what they like by WebSocket, and
        simple requests whose answers alone they withhold.
        """
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if self.settings.host in LOOPBACK and name not in {*HERE, self.settings.name}:
            raise RefusedError(400, f"expected a name of this machine as Host, got {name[:80]!r}; allow it with --name")
        origin = headers.get("origin")
        if origin is None or self.settings.cors in ("*", origin) or origin.partition("://")[2] == host:
            return
        raise RefusedError(400, f"expected a page of this server, got one of {origin[:80]!r}; allow it with --cors")


def key_of(headers: Headers) -> str:
    """The key that a request brings: in a header, or, as browsers have none for WebSockets, as a subprotocol."""
    bearer = headers.get("authorization", "")
    if bearer.lower().startswith("bearer "):
        return bearer[7:].strip()
    for protocol in headers.get("sec-websocket-protocol", "").split(","):
        for prefix in ("key.", "openai-insecure-api-key."):
            if protocol.strip().startswith(prefix):
                return protocol.strip().removeprefix(prefix)
    return headers.get("x-api-key", "")


class Rates:
    """How often clients ask: a bucket each, which holds two seconds' worth (a token bucket).

    Args:
        rate: Requests a second; 0: any number.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, client: str) -> None:
        """Counts a request.

        Raises:
            RefusedError: If the client asks too often.
        """
        if not self.rate:
            return
        instant = time.monotonic()
        left, before = self.buckets.pop(client, (2 * self.rate, instant))
        left = min(max(1.0, 2 * self.rate), left + (instant - before) * self.rate)
        self.buckets[client] = (max(0.0, left - 1), instant)
        while len(self.buckets) > CLIENTS:
            self.buckets.popitem(last=False)
        if left < 1:
            raise RefusedError(
                429, f"expected at most {self.rate:g} requests a second of a client", after=1 / self.rate
            )


class _Seen:
    """What went out to a client."""

    def __init__(self, scope: Scope, send: Send, number: str) -> None:
        self.scope, self.out, self.number = scope, send, number
        self.status, self.bytes, self.begun = 0, 0, False

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.begun, self.status = True, message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.number.encode())]
        elif kind == "websocket.accept":
            self.begun, self.status = True, 101
        elif kind == "websocket.close":
            self.begun, self.status = True, message.get("code", 1000)
        self.bytes += len(message.get("body") or message.get("bytes") or message.get("text") or b"")
        await self.out(message)

    async def refuse(self, refusal: RefusedError, receive: Receive) -> None:
        """Answers with a refusal, if nothing was answered yet."""
        websocket = self.scope["type"] == "websocket"
        if websocket and (not self.begun or self.status == 101):
            if not self.begun:
                await receive()  # the handshake
                await self.send({"type": "websocket.accept"})
            self.status = refusal.code
            await self.send({"type": "websocket.close", "code": refusal.code, "reason": refusal.reason})
        elif not websocket and not self.begun:
            answer = JSONResponse(refusal.body, refusal.status, refusal.headers)
            await answer(self.scope, receive, self.send)


def _client(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else "unknown"
