"""``/stream/{model}``: pieces in, what is told of them out, as they come.

The first message is ``{"open": {…}}`` with options, or ``{"resume": token, "seen": number}``. Sound then comes as
binary messages, samples of one channel in ``format``; anything else as ``{"text": …}``, ``{"rows": […]}``,
``{"notes": […]}`` or ``{"draw": {…}}``; ``{"end": true}`` asks for the final event. Events are numbered:
``{"seen": number}`` says which ones the client has, and which the server need not keep. A client that ever says so, by
``"seen": 0`` beside ``"open"`` at the earliest, has the final event kept, too, until it says that it has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from throughtime.errors import UserError, listed
from throughtime.serving.bounds import number_in
from throughtime.serving.house import Hosted
from throughtime.serving.live import Desk, Stream
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings
from throughtime.serving.ws.messages import Messages, chosen
from throughtime.serving.ws.samples import FORMATS
from throughtime.visible import in_line

router = APIRouter(tags=["streams"])

PIECES = {"audio": (), "text": ("text", "draw"), "rows": ("rows", "draw"), "notes": ("notes", "draw")}
"""What messages of JSON bring, by what a model takes."""

FAREWELL = 5.0
"""Seconds that a client which acknowledges events has for the last one."""


@router.websocket("/stream/{name}")
async def stream(socket: WebSocket, name: str) -> None:
    """A stream from its opening, or where it goes on, to its final event."""
    await socket.accept(chosen(socket))
    state = socket.app.state
    messages = Messages(socket, state.settings.message)
    try:
        found, seen = await _begun(state.desk, state.house[name], messages, state.settings)
        await Connection(messages, state.desk, found, state.settings).serve(seen)
    except WebSocketDisconnect:
        pass
    except (RefusedError, UserError) as error:
        refusal = error if isinstance(error, RefusedError) else RefusedError(422, in_line(str(error)))
        state.watch.refused.labels(str(refusal.code)).inc()
        with suppress(WebSocketDisconnect):
            await messages.close(refusal)


async def _begun(desk: Desk, hosted: Hosted, messages: Messages, settings: ServeSettings) -> tuple[Stream, int | None]:
    """The stream that the first message asks for, and the last event that the client has."""
    try:
        first = await asyncio.wait_for(messages.next(), settings.idle)
    except TimeoutError:
        raise RefusedError(408, f"expected a first message within {settings.idle:g} s") from None
    if isinstance(first, Mapping) and set(first) in ({"resume"}, {"resume", "seen"}):
        found = await desk.resume(hosted, first["resume"])
        return found, _whole(first["seen"]) if "seen" in first else None
    opens = isinstance(first, Mapping) and set(first) in ({"open"}, {"open", "seen"})
    if not opens or not isinstance(first, Mapping) or not isinstance(first["open"], Mapping):
        raise RefusedError(422, 'expected {"open": {…}} with options first, or {"resume": token, "seen": number}')
    seen, said = _whole(first["seen"]) if "seen" in first else None, dict(first["open"])
    if "import" in said:
        if len(said) > 1:
            raise RefusedError(422, "import: expected no other option; they are the exported stream's")
        return await desk.adopt(hosted, said["import"]), seen
    form = said.pop("format", "pcm16")
    if not isinstance(form, str) or form not in FORMATS:
        raise RefusedError(422, f"format: expected {listed(FORMATS)}, got {form!r:.80}")
    if FORMATS[form].rate is not None:
        said.setdefault("rate", FORMATS[form].rate)
    return await desk.open(hosted, said, {"format": form, "rate": said.get("rate")}), seen


class Connection:
    """A client on a stream.

    Args:
        messages: From and to it.
        desk: Of the stream.
        stream: What it speaks to.
        settings: Limits.
    """

    def __init__(self, messages: Messages, desk: Desk, stream: Stream, settings: ServeSettings) -> None:
        self.messages, self.desk, self.stream, self.settings = messages, desk, stream, settings
        self.session, self.live = stream.session, stream.pool.live
        self.form = FORMATS[stream.about["format"]]
        self.acknowledged = asyncio.Event()

    async def serve(self, seen: int | None) -> None:
        """Tells what is new behind an event, and takes pieces, until the stream or the connection ends.

        Raises:
            RefusedError: If that is how it ends.
            WebSocketDisconnect: If the client leaves.
        """
        told = self.session.told
        if seen is not None:
            self._check_age(seen)
            told.saw(seen)
        since = told.seen if seen is None else seen
        self.holder = self.desk.hold(self.stream)
        tasks: list[asyncio.Task[None]] = []
        try:
            self.session.promised = self.session.pieces_taken
            await self.messages.tell(self._greeting())
            tasks += [asyncio.create_task(part) for part in (self._write(since), self._read(), self._warn())]
            ends: set[asyncio.Future[Any]] = {*tasks[:2], self.holder}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self.holder.done():
                raise self.holder.result()
            if not tasks[0].done():
                await tasks[1]
            await tasks[0]
            if told.careful:
                await self._farewell(tasks[1])
            await self.messages.close()
        finally:
            for task in tasks:
                task.cancel()
            self._leave()
            if tasks:
                await asyncio.wait(tasks)

    def _leave(self) -> None:
        """Keeps the stream for a client that comes again, unless it is over and the client knows."""
        session, told = self.session, self.session.told
        known = told.refusal is not None or told.seen == told.count or not told.careful
        if session.holder is self.holder and told.over and known:
            self.desk.forget(self.stream)
        self.desk.let_go(self.stream, self.holder)

    def _check_age(self, seen: int) -> None:
        """A state that knows less than its client is an old one."""
        if seen > self.session.told.count:
            raise RefusedError(
                410, f"expected a stream that told at most {self.session.told.count} events, got {seen} seen; open anew"
            )

    def _greeting(self) -> dict[str, Any]:
        session = self.session
        return {
            "model": self.stream.model,
            "takes": self.live.takes,
            **self.live.facts,
            "session": session.id,
            "token": self.desk.parking.seal.token(session.id),
            "taken": {"pieces": session.pieces_taken, "bytes": session.bytes_taken},
            "ended": session.ended,
            "events": session.told.count,
        }

    async def _write(self, seen: int) -> None:
        async for _, _, text in self.session.told.after(seen):
            await self.messages.socket.send_text(text)
            self.session.room.set()

    async def _warn(self) -> None:
        await self.desk.told_closing.wait()
        if self.desk.grace and self.messages.open:
            with suppress(WebSocketDisconnect):
                await self.messages.tell({"closing": round(self.desk.grace, 1)})

    async def _farewell(self, reading: asyncio.Task[None]) -> None:
        """Waits until the client says that it has the last event."""
        told, waiting = self.session.told, None
        while told.seen < told.count:
            self.acknowledged.clear()
            waiting = asyncio.create_task(self.acknowledged.wait())
            done, _ = await asyncio.wait({reading, waiting}, timeout=FAREWELL, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if reading in done:
                await reading
            if not done:
                raise WebSocketDisconnect(1000)

    async def _read(self) -> None:
        """Gives the stream what comes."""
        while True:
            message = await self.messages.next()
            if isinstance(message, bytes):
                await self._hear(message)
            elif set(message) == {"seen"}:
                self.session.told.saw(_whole(message["seen"]))
                self.session.room.set()
                self.acknowledged.set()
            elif message == {"end": True}:
                await self.desk.end(self.stream, self.holder)
            elif message == {"export": True}:
                await self.messages.tell({"exported": await self.desk.export(self.stream)})
            else:
                await self._take(message)

    async def _hear(self, message: bytes) -> None:
        """Takes samples."""
        if self.live.takes != "audio":
            raise RefusedError(422, f"expected {listed(PIECES[self.live.takes])} as JSON, got a binary message")
        if len(message) % self.form.size:
            raise RefusedError(422, f"expected whole samples of {self.form.size} bytes, got {len(message)} bytes")
        rate = self.form.size * (self.stream.about["rate"] or self.live.facts["rate"])
        if self.session.bytes_taken + len(message) > self.settings.audio * rate:
            raise RefusedError(413, f"expected at most {self.settings.audio:g} s of sound in a stream; open another")
        samples, seconds = self.form.samples(message), len(message) / rate
        await self.desk.push(self.stream, self.holder, samples, len(message), seconds)

    async def _take(self, message: Mapping[str, Any]) -> None:
        """Takes anything else."""
        known = PIECES[self.live.takes]
        if len(message) != 1 or (name := next(iter(message))) not in known:
            wanted = listed([*known, "end", "seen", "export"])
            raise RefusedError(422, f"expected a message of one of {wanted}, got {listed(list(message)) or 'none'}")
        piece = message[name]
        most = self.settings.tokens
        if self.session.told.tokens >= most:
            raise RefusedError(413, f"expected at most {most:,} tokens in a stream; open another")
        if name == "draw":
            length = number_in(piece.get("length")) if isinstance(piece, Mapping) else 0
            if length > most:
                raise RefusedError(422, f"length: expected at most {most:,} tokens to draw, got {length:,.0f}")
        if name == "text" and not isinstance(piece, str):
            raise RefusedError(422, f"text: expected a text, got {type(piece).__name__}")
        if name == "text" and len(piece) > most:
            raise RefusedError(413, f"text: expected at most {most:,} characters at once, got {len(piece):,}")
        size = len(str(piece))
        await self.desk.push(self.stream, self.holder, piece if name == "text" else dict(message), size)


def _whole(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise RefusedError(422, f"seen: expected the number of an event, got {number!r:.80}")
    return number
