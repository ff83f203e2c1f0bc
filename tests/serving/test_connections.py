"""Connections whose other end is slow, or says nothing: over TCP, on an application that answers at once."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from throughtime.serving.connections import Sockets, bound_unread, requests_within
from throughtime.serving.refusal import RefusedError

SECONDS = 0.3

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
UPGRADE += b"dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """A large answer to each request; a socket that reads what comes."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def connected(
    refusal: RefusedError | None = None,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, ServerState]]:
    """A client's ends of a connection, and what the server holds."""
    kind = requests_within(SECONDS, 4096, lambda target: refusal if target == "/stream/late?a=b" else None)
    state = ServerState()
    config = uvicorn.Config(answering, http=kind, ws=Sockets, log_config=None, h11_max_incomplete_event_size=4096)
    server = await asyncio.get_running_loop().create_server(lambda: kind(config, state, {}), "127.0.0.1", 0)
    async with server:
        door, end = server.sockets[0], socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, door.getsockname())
        reader, writer = await asyncio.open_connection(sock=end)
        try:
            yield reader, writer, state
        finally:
            writer.transport.abort()


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for piece in [HEAD, *[b"X-More: 1\r\n"] * 20]:
        writer.write(piece)
        await asyncio.sleep(SECONDS / 10)


async def second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(SECONDS / 2)
    writer.write(HEAD + b"\r\n")
    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
    await asyncio.sleep(SECONDS * 0.7)  # of a time of its own
    assert not reader.at_eof()
    writer.write(HEAD + b"X: ")


@pytest.mark.parametrize("said", [nothing, half, trickle, second])
def test_the_head_of_a_request_comes_in_time(said: Callable[..., Awaitable[None]]) -> None:
    async def run() -> None:
        async with connected() as (reader, writer, state), asyncio.timeout(60 * SECONDS):
            with suppress(OSError):
                await said(reader, writer)
                await reader.read()
            assert not state.connections

    asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "status", "line"),
    [
        (b"BLAH\r\n\r\n", 400, "expected a request of HTTP/1.1"),
        (b"\x16\x03\x01\x02\x00\x01", 400, "expected a request of HTTP/1.1"),
        (HEAD + b"X: " + b"x" * 70_000, 431, "a line and headers of at most 4,096 bytes"),
    ],
)
def test_what_is_no_request_is_refused_in_a_line(said: bytes, status: int, line: str) -> None:
    async def run() -> bytes:
        async with connected() as (reader, writer, _), asyncio.timeout(30):
            writer.write(said)
            return await reader.read()

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    told = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["error"]
    assert told["code"] == status
    assert line in told["message"]


def test_a_socket_of_a_model_that_is_late_is_refused_by_http() -> None:
    async def run() -> None:
        for path, status in ((b"/stream/late?a=b", b"429"), (b"/stream/other", b"101")):
            late = RefusedError(429, "late", after=5)
            async with connected(late) as (reader, writer, state), asyncio.timeout(30):
                writer.write(HEAD.replace(b"GET /", b"GET " + path) + UPGRADE)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.split()[1] == status
                assert (b"Retry-After: 5" in head) == (status == b"429")
                if status == b"429":
                    assert json.loads(await reader.read()) == late.body
                    assert not state.connections

    asyncio.run(run())


def test_pings_are_read_no_faster_than_their_answers() -> None:
    async def run() -> None:
        async with connected() as (reader, writer, state), asyncio.timeout(30):
            writer.write(HEAD + UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(2 * SECONDS)  # the head is there: nothing is due
            ((held),) = state.connections
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            ping = b"\x89\xfd" + bytes(4) + b"x" * 125
            most = 0
            for _ in range(20):
                writer.write(ping * 300)
                await asyncio.sleep(0.002)
                most = max(most, held.transport.get_write_buffer_size())
            assert 0 < most < 2**19 < 20 * 300 * len(ping)
            reader._transport.resume_reading()  # type: ignore[attr-defined]
            answered = await reader.readexactly(20 * 300 * 127)
            assert answered == (b"\x8a\x7d" + b"x" * 125) * 20 * 300

    asyncio.run(run())


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="a system that has no bound of this kind")
def test_connections_are_bounded_as_the_door_is() -> None:
    with socket.socket() as door, socket.socket() as client:
        bound_unread(door, 2.5)
        door.bind(("127.0.0.1", 0))
        door.listen()
        client.connect(door.getsockname())
        with door.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 2500
