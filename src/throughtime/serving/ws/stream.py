"""``/stream/{model}``: pieces in, what is told of them out, as they come.

The first message is ``{"open": {…}}`` with options. Sound then comes as binary messages, samples of one channel in
``format``; anything else as ``{"text": …}``, ``{"rows": […]}``, ``{"notes": […]}`` or ``{"draw": {…}}``;
``{"end": true}`` asks for the final event.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from throughtime.errors import UserError
from throughtime.serving.live import Pool, Session
from throughtime.serving.refusal import RefusedError
from throughtime.visible import in_line

router = APIRouter(tags=["streams"])

FORMATS: dict[Any, np.dtype[Any]] = {"pcm16": np.dtype("<i2"), "float32": np.dtype("<f4")}
"""Of samples."""


@router.websocket("/stream/{name}")
async def stream(socket: WebSocket, name: str) -> None:
    """A stream from its opening to its final event."""
    await socket.accept()
    session: Session | None = None
    pool: Pool | None = None
    try:
        hosted = socket.app.state.house[name]
        pool = socket.app.state.pools[hosted]
        options = dict(_object(await _message(socket)).get("open") or {})
        form = options.pop("format", "pcm16")
        if form not in FORMATS:
            raise RefusedError(422, f"format: expected pcm16 or float32, got {form!r}")
        session = pool.open(options)
        await socket.send_json({"model": name, "takes": pool.live.takes, **pool.live.facts})
        reading = asyncio.create_task(_read(socket, session, FORMATS[form]))
        try:
            async for event in session.events():
                await socket.send_json(event)
        finally:
            reading.cancel()
        await socket.close()
    except WebSocketDisconnect:
        pass
    except (RefusedError, UserError) as error:
        refusal = error if isinstance(error, RefusedError) else RefusedError(422, in_line(str(error)))
        await socket.send_json(refusal.body)
        await socket.close(refusal.code, refusal.message[:120])
    finally:
        if session is not None and pool is not None:
            pool.leave(session)


async def _read(socket: WebSocket, session: Session, form: np.dtype[Any]) -> None:
    """Gives a session what comes."""
    while True:
        message = await _message(socket)
        if isinstance(message, bytes):
            if len(message) % form.itemsize:
                raise RefusedError(422, f"expected whole samples of {form.itemsize} bytes, got {len(message)} bytes")
            samples = np.frombuffer(message, form).astype(np.float32)
            await session.push(samples / 32768 if form.kind == "i" else samples, len(message))
            continue
        told = _object(message)
        if told.get("end"):
            session.end()
        elif "text" in told:
            await session.push(str(told["text"]), len(message))
        else:
            await session.push(told, len(message))


async def _message(socket: WebSocket) -> str | bytes:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    text: str | None = message.get("text")
    return bytes(message["bytes"]) if text is None else text


def _object(message: str | bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        raise RefusedError(422, "expected a message of JSON") from None
    if not isinstance(found, Mapping):
        raise RefusedError(422, "expected a JSON object")
    return found
