"""``/v1/realtime``: transcription with OpenAI's names of events, so that its client library works.

Sound is heard as it is appended: deltas come before the buffer is committed, under the item's name to be. A buffer
ends where the client commits it or, where it asks for turns to be detected, with somebody's turn; what is said in none
is not heard.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from throughtime.errors import UserError, listed
from throughtime.serving.house import Hosted, House
from throughtime.serving.live import Desk, Stream
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings
from throughtime.serving.ws.messages import Messages, chosen
from throughtime.serving.ws.transcription import Transcription
from throughtime.serving.ws.turns import Samples, Turns
from throughtime.visible import in_line

router = APIRouter(tags=["streams"])

AT_ONCE = 8
"""Buffers of a connection that are heard at once: one that grows, and others that were committed."""

NAMED = "conversation.item.input_audio_transcription"


@router.websocket("/v1/realtime")
async def realtime(socket: WebSocket, model: str | None = None) -> None:
    """A connection from its first event to its last."""
    await socket.accept(chosen(socket))
    state = socket.app.state
    messages = Messages(socket, state.settings.message)
    try:
        hosted = listening(state.house, model)
        await Transcriber(messages, state.house, hosted, state.desk, state.settings).serve()
    except WebSocketDisconnect:
        pass
    except RefusedError as refusal:
        state.watch.refused.labels(str(refusal.code)).inc()
        with suppress(WebSocketDisconnect):
            if messages.open:
                await messages.tell(as_error(refusal))
                await socket.close(refusal.code, refusal.reason)


def listening(house: House, name: str | None) -> Hosted:
    """The model of a name, or the one that hears.

    Raises:
        RefusedError: If there is none, or several are there to choose from.
    """
    if name is not None:
        return house[name]
    found = [one for one in house.models.values() if one.task == "speech"]
    if len(found) != 1:
        raise RefusedError(400, f"model: expected one of {listed([one.name for one in found]) or 'none that hears'}")
    return found[0]


def as_error(refusal: RefusedError, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A refusal, as an event that names the client's."""
    whose = (told or {}).get("event_id")
    kind = "server_error" if refusal.status >= 500 else "invalid_request_error"
    return {
        "type": "error",
        "event_id": _id("event"),
        "error": {
            "type": kind,
            "code": refusal.body["error"]["type"],
            "message": refusal.message,
            "param": None,
            "event_id": whose if isinstance(whose, str) else None,
        },
    }


def _id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(10)}"


class Item:
    """A buffer of sound.

    Args:
        stream: Hears it.
        holder: Of the stream.

    Attributes:
        name: Of the item to be.
        told: What was told of it.
        size: Samples in it.
    """

    def __init__(self, stream: Stream, holder: asyncio.Future[RefusedError]) -> None:
        self.stream, self.holder = stream, holder
        self.name, self.told, self.size = _id("item"), "", 0


class Transcriber:
    """A client whose sound is transcribed.

    Args:
        messages: From and to it.
        house: The models.
        hosted: The one that hears to begin with.
        desk: Opens streams.
        settings: Limits.
    """

    def __init__(self, messages: Messages, house: House, hosted: Hosted, desk: Desk, settings: ServeSettings) -> None:
        self.messages, self.house, self.hosted, self.desk, self.settings = messages, house, hosted, desk, settings
        self.session = Transcription(_id("sess"), hosted.name)
        self.item: Item | None = None
        self.turns: Turns | None = None
        self.written = self.begun = 0.0  # seconds of all sound so far; where turns began to be looked for
        self.before: str | None = None
        self.tasks: dict[asyncio.Task[None], Item] = {}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Hears until the client leaves.

        Raises:
            RefusedError: If that is how it ends.
            WebSocketDisconnect: If the client leaves.
        """
        await self._tell("session.created", session=self.session.told())
        reading = asyncio.create_task(self._read())
        try:
            ends: set[asyncio.Future[None]] = {reading, self.failed}
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for error in [end.exception() for end in done]:
                if error is not None:
                    raise error
        finally:
            self.failed.cancel()
            for task in (reading, *self.tasks):
                task.cancel()
            for item in self.tasks.values():
                self.desk.forget(item.stream)
            await asyncio.wait({reading, *self.tasks})

    async def _tell(self, kind: str, **fields: Any) -> None:
        await self.messages.tell({"type": kind, "event_id": _id("event"), **fields})

    async def _read(self) -> None:
        while True:
            try:
                message = await asyncio.wait_for(self.messages.next(), self.settings.kept)
            except TimeoutError:
                raise RefusedError(408, f"expected an event within {self.settings.kept:g} s") from None
            if isinstance(message, bytes):
                raise RefusedError(422, "expected events as JSON, got a binary message; append sound in base64")
            try:
                await self._do(message)
            except (RefusedError, UserError) as error:  # the client may do better next time
                refusal = error if isinstance(error, RefusedError) else RefusedError(422, in_line(str(error)))
                if refusal.status >= 500:
                    raise refusal from None
                await self.messages.tell(as_error(refusal, message))

    async def _do(self, event: Mapping[str, Any]) -> None:
        kind = event.get("type")
        if kind in ("session.update", "transcription_session.update"):
            self.session.update(event.get("session"), self.house)
            self.hosted = self.house[self.session.model]
            self._look_for_turns()
            await self._tell(f"{kind}d", session=self.session.told(old=kind.startswith("transcription")))
        elif kind == "input_audio_buffer.append":
            await self._append(event.get("audio"))
        elif kind == "input_audio_buffer.commit":
            await self._commit()
        elif kind == "input_audio_buffer.clear":
            self._clear()
            await self._tell("input_audio_buffer.cleared")
        else:
            known = ["session.update", *(f"input_audio_buffer.{name}" for name in ("append", "commit", "clear"))]
            raise RefusedError(400, f"type: expected one of {listed(known)}, got {kind!r:.80}")

    def _look_for_turns(self) -> None:
        """Begins to, as the session says now, unless that is what is done already."""
        asked, rate = self.session.detection, self.session.rate
        if asked is None:
            self.turns = None
        elif self.turns is None or (self.turns.asked, self.turns.rate) != (asked, rate):
            self.turns, self.begun = Turns(rate, asked, round(self.settings.audio * rate)), self.written

    async def _append(self, audio: Any) -> None:
        """Gives sound to the model, which begins to hear; where turns are detected, what belongs to one."""
        form = self.session.form
        try:
            content = base64.b64decode(audio, validate=True) if isinstance(audio, str) else b""
        except ValueError:
            content = b""
        if not content or len(content) % form.size:
            raise RefusedError(422, f"audio: expected whole samples of {8 * form.size} bits in base64, got none")
        samples = form.samples(content)
        if self.turns is None:
            await self._give(await self._buffer(), samples)
            self.written += len(samples) / self.session.rate
            return
        self.written += len(samples) / self.session.rate
        for moment in self.turns.push(samples):
            at = round(1000 * (self.begun + moment.at / self.session.rate))
            if moment.kind == "began":
                await self._turn(at)
            elif self.item is not None and moment.kind == "sound":
                await self._give(self.item, moment.samples)
            elif self.item is not None:
                name = self.item.name
                await self._tell("input_audio_buffer.speech_stopped", audio_end_ms=at, item_id=name)
                await self._commit()

    async def _turn(self, at: int) -> None:
        """Begins a buffer with a turn, once there is room for one."""
        while len(self.tasks) >= AT_ONCE:
            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        item = await self._buffer()
        await self._tell("input_audio_buffer.speech_started", audio_start_ms=at, item_id=item.name)

    async def _buffer(self) -> Item:
        """The buffer, begun if need be."""
        if self.item is None:
            if len(self.tasks) >= AT_ONCE:
                raise RefusedError(429, f"expected at most {AT_ONCE} buffers at once; wait for their transcripts")
            stream = await self.desk.open(self.hosted, {"rate": self.session.rate}, {})
            if stream.pool.live.takes != "audio":
                self.desk.forget(stream)
                raise RefusedError(400, f"model: expected one that hears, got {self.hosted.name}")
            self.item = Item(stream, self.desk.hold(stream))
            task = asyncio.create_task(self._listen(self.item))
            self.tasks[task] = self.item
            task.add_done_callback(self._heard)
        return self.item

    def _heard(self, task: asyncio.Task[None]) -> None:
        """Takes a task away that is done; how it failed is how the connection ends."""
        self.tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            self.failed.set_exception(error)

    async def _give(self, item: Item, samples: Samples) -> None:
        """Gives samples to a buffer."""
        if item.size + len(samples) > self.settings.audio * self.session.rate:
            raise RefusedError(413, f"expected at most {self.settings.audio:g} s of sound in a buffer; commit it")
        item.size += len(samples)
        step = self.settings.queue // 4
        for part in (samples[start : start + step] for start in range(0, len(samples), step)):
            await self.desk.push(item.stream, item.holder, part, 2 * len(part), len(part) / self.session.rate)

    async def _commit(self) -> None:
        if self.item is None:
            raise RefusedError(400, "expected sound in the buffer to commit, got none; append some first")
        if self.turns is not None and self.turns.speaking and len(rest := self.turns.stop()):
            await self._give(self.item, rest)
        item, self.item = self.item, None
        before, self.before = self.before, item.name
        await self._tell("input_audio_buffer.committed", item_id=item.name, previous_item_id=before)
        await self.desk.end(item.stream, item.holder)

    def _clear(self) -> None:
        """Lets the sound go that is not committed."""
        if self.turns is not None:
            self.turns.stop()
        if self.item is not None:
            task = next(task for task, item in self.tasks.items() if item is self.item)
            del self.tasks[task]
            task.cancel()
            self.desk.forget(self.item.stream)
            self.item = None

    async def _listen(self, item: Item) -> None:
        """Tells what is heard in a buffer."""
        hearing = asyncio.create_task(self._hear(item))
        try:
            ends: set[asyncio.Future[Any]] = {hearing, item.holder}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not hearing.done():
                raise item.holder.result()
            await hearing
        finally:
            hearing.cancel()
            self.desk.forget(item.stream)

    async def _hear(self, item: Item) -> None:
        place = {"item_id": item.name, "content_index": 0}
        try:
            async for event in item.stream.session.events():
                text = event["text"] if event["final"] else event["partial"]
                if text.startswith(item.told) and text != item.told:
                    await self._tell(f"{NAMED}.delta", **place, delta=text[len(item.told) :])
                    item.told = text
                if event["final"]:
                    usage = {"type": "duration", "seconds": event["seconds"]}
                    await self._tell(f"{NAMED}.completed", **place, transcript=text, usage=usage)
        except RefusedError as refusal:
            if self.item is item:
                self.item = None
            await self._tell(f"{NAMED}.failed", **place, error=as_error(refusal)["error"])
