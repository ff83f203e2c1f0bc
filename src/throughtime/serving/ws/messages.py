"""Messages of a WebSocket, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from throughtime.errors import UserError
from throughtime.plain import parse_object
from throughtime.serving.refusal import RefusedError
from throughtime.visible import as_json, in_line

DEPTH = 8
"""Brackets within brackets of a message."""


class Messages:
    """What comes by a socket, and what goes.

    Args:
        socket: Accepted.
        most: Bytes of a message.
    """

    def __init__(self, socket: WebSocket, most: int) -> None:
        self.socket, self.most = socket, most

    async def next(self) -> bytes | Mapping[str, Any]:
        """The next message: bytes, or the object of a text.

        Raises:
            WebSocketDisconnect: If none comes any more.
            RefusedError: If it is too large, or no JSON object.
        """
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        text: str | None = message.get("text")
        content: bytes = message["bytes"] if text is None else text.encode(errors="replace")
        if len(content) > self.most:
            raise RefusedError(413, f"expected messages of at most {self.most:,} bytes, got {len(content):,}")
        return bytes(content) if text is None else parsed(text)

    @property
    def open(self) -> bool:
        """Whether something can be sent."""
        states = (self.socket.client_state, self.socket.application_state)
        return all(state is WebSocketState.CONNECTED for state in states)

    async def tell(self, event: Mapping[str, Any]) -> None:
        """Sends an object."""
        await self.socket.send_text(as_json(event))

    async def close(self, refusal: RefusedError | None = None) -> None:
        """Closes the socket, if it is open, and says why."""
        if not self.open:
            return
        if refusal is not None:
            await self.tell(refusal.body)
        await self.socket.close(*((1000,) if refusal is None else (refusal.code, refusal.reason)))


def chosen(socket: WebSocket) -> str | None:
    """The protocol to speak of those that a client offers: browsers close a connection where none of them is chosen.

    What brings a key is none of them.
    """
    offered: list[str] = socket.scope.get("subprotocols", [])
    return next((name for name in offered if not name.startswith(("key.", "openai-insecure-api-key."))), None)


def parsed(text: str) -> dict[str, Any]:
    """The object of a message.

    Raises:
        RefusedError: If it is none, or nested too deeply.

    Example:
        >>> parsed('{"text": "a"}')
        {'text': 'a'}
    """
    try:
        found = parse_object(text, "message", unique=True)
    except UserError as error:
        raise RefusedError(422, in_line(str(error).removesuffix("; the file is damaged"))) from None
    if depth(found) > DEPTH:
        raise RefusedError(422, f"message: expected at most {DEPTH} brackets within brackets")
    return found


def depth(value: Any) -> int:
    """How many brackets stand within brackets.

    Example:
        >>> depth({"rows": [[1, 2], [3, 4]]}), depth(1)
        (3, 0)
    """
    found, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        found += 1
        level = [member for each in level for member in (each.values() if isinstance(each, dict) else each)]
    return found
