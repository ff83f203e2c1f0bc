"""Where streams are opened, taken up again, parked, and ended."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote
from weakref import WeakValueDictionary

import torch

from throughtime.errors import UserError
from throughtime.serving.bounds import LANGUAGE, bounded
from throughtime.serving.house import Hosted, House
from throughtime.serving.live.parking import ARGUMENTS, Parked, Parking
from throughtime.serving.live.pools import Pools
from throughtime.serving.live.shedding import Shedding
from throughtime.serving.live.stream import Stream
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings
from throughtime.serving.watch import Watch

T = TypeVar("T")

PATH = "/stream/"
"""Before the name of a model whose streams are asked for."""

SETTLED = 1.0
"""Seconds from one look for idle streams to the next."""

LAST = 2.0
"""Seconds that a server which stops waits for what its models were given."""

RESTART = 1012
"""What a WebSocket is closed with where the server stops (IANA: service restart)."""


class Desk:
    """All streams of a server.

    Args:
        house: The models.
        settings: Limits.
        watch: Counts.
        log: Takes an event of the log.

    Attributes:
        closing: When the server ends, in seconds of the monotonic clock; None: not soon.
        told_closing: Is set when it is known to end.
        grace: Seconds that streams have then.
    """

    def __init__(self, house: House, settings: ServeSettings, watch: Watch, log: Callable[[Any], None]) -> None:
        self.house, self.settings, self.watch, self.log = house, settings, watch, log
        self.parking = Parking(
            settings.parked, kept=settings.kept, in_memory=settings.in_memory, on_disk=settings.on_disk, log=log
        )
        self.pools = Pools(settings, watch, log, self._holds)
        self.streams: dict[str, Stream] = {}
        self.coming: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.closing: float | None = None
        self.grace = 0.0
        self.told_closing = asyncio.Event()
        watch.sessions.set_function(lambda: len(self.pools))
        watch.parked.labels("memory").set_function(lambda: len(self.parking.memory))
        watch.parked.labels("disk").set_function(lambda: len(self.parking.files))
        self.works: set[asyncio.Task[Any]] = set()
        self.keepers = [asyncio.create_task(each) for each in (self._keep(), Shedding(self.streams, self.pools).run())]

    def __len__(self) -> int:
        return len(self.streams)

    # What a connection asks for.

    def turned_away(self, target: str) -> RefusedError | None:
        """Why there is no connection to streams for the moment: their model is late with those that it has.

        Args:
            target: Path and query that are asked for.
        """
        name = unquote(target.partition("?")[0]).removeprefix(PATH)
        pool = self.pools.pools.get(self.house.models.get(name))  # type: ignore[arg-type]
        refusal = None if pool is None else pool.too_late()
        if refusal is not None:
            self.watch.refused.labels(str(refusal.code)).inc()
            self.log({"event": "websocket", "method": "WS", "path": f"{PATH}{name}", "status": refusal.status})
        return refusal

    async def open(self, hosted: Hosted, said: Mapping[str, Any], about: Mapping[str, Any]) -> Stream:
        """Begins a stream.

        Args:
            hosted: Its model.
            said: Its options.
            about: What the protocol keeps of it.

        Raises:
            RefusedError: If there are too many, the server is late, or ends.
            UserError: If the model reads none, or not so.
        """
        self._check_room()
        pool = await self.pools.of(hosted)
        said = bounded(self.house, said, self.settings)
        if LANGUAGE in said:  # which the task opens once, and keeps: the streams that there are do not wait for it
            await asyncio.to_thread(pool.live.open, said)
        session = pool.open(said)
        stream = Stream(pool, hosted.name, self.pools.fingerprints[hosted], session, about)
        self.streams[stream.session.id] = stream
        return stream

    async def resume(self, hosted: Hosted, token: Any) -> Stream:
        """Takes a stream up again.

        Raises:
            RefusedError: If the token is none of this server's, the stream is not kept any more, or another model's.
        """
        session = self.parking.seal.session(token)
        while (stream := self.streams.get(session)) is None or stream.going is not None:
            if stream is None:
                await self._whole(self._resumed(session))
            elif stream.going is not None:
                await asyncio.shield(stream.going)
                stream.going = None
        if stream.model != hosted.name:
            raise RefusedError(404, f"expected a stream of {hosted.name}, got one of {stream.model}")
        return stream

    async def _resumed(self, session: str) -> None:
        """Brings a session's stream back, once, whoever asks for it at the same time."""
        async with self.coming.setdefault(session, asyncio.Lock()):
            if session not in self.streams:
                self._check_room()
                await self._taken(session, None)

    def hold(self, stream: Stream) -> asyncio.Future[RefusedError]:
        """Gives a stream to a connection, which alone may give it pieces then; gives what ends that."""
        stream.end_by(RefusedError(409, "another connection has taken this stream up, which goes on there"))
        stream.session.holder = stream.moved = asyncio.get_running_loop().create_future()
        stream.session.touched = time.monotonic()
        return stream.moved

    def let_go(self, stream: Stream, holder: object) -> None:
        """Tells that a connection is gone; the stream is parked when it is quiet."""
        if stream.session.holder is holder:
            stream.session.holder = stream.moved = None

    async def push(self, stream: Stream, holder: object, piece: Any, size: int, seconds: float = 0.0) -> None:
        """Gives a piece; see :meth:`Session.push`."""
        await self._wake(stream)
        await stream.session.push(piece, size, holder=holder, seconds=seconds)
        await self._wake(stream)  # it may have been parked while the piece waited for room

    async def end(self, stream: Stream, holder: object) -> None:
        """Ends the input of a stream."""
        await self._wake(stream)
        stream.session.end(holder)

    async def export(self, stream: Stream) -> str:
        """All that a stream holds, sealed, in base64: this server and others with its key go on with it.

        Raises:
            RefusedError: If it has no plain form, is over, or does not come to rest in time.
        """
        until = time.monotonic() + self.settings.patience
        while time.monotonic() < until:
            if (sealed := await self._whole(self._exported(stream))) is not None:
                return base64.b64encode(sealed).decode()
            await asyncio.sleep(0.02)
        raise RefusedError(429, "the server is too busy for this stream; try again later", after=5)

    async def _exported(self, stream: Stream) -> bytes | None:
        """All that a stream holds, sealed, if it is quiet."""
        await self._wake(stream)
        async with stream.lock:
            if stream.session.told.over:
                raise RefusedError(409, "expected a stream that goes on; this one is over")
            state = await stream.pool.part(stream.session)
            if state is None:
                return None
            try:
                return self.parking.seal.close("export", self._value(stream, state))
            except UserError as error:
                raise RefusedError(409, f"this stream cannot be exported: {error}") from None
            finally:
                stream.pool.back(stream.session, state)

    async def adopt(self, hosted: Hosted, exported: Any) -> Stream:
        """A new stream that goes on where one was exported.

        Raises:
            RefusedError: If it was not exported by a server with this key, or is another model's.
        """
        self._check_room()
        try:
            sealed = base64.b64decode(exported, validate=True) if isinstance(exported, str) else b""
        except ValueError:
            sealed = b""
        value = self.parking.seal.open("export", sealed)
        if value["model"] != hosted.name:
            raise RefusedError(410, f"import: expected a stream of {hosted.name}, got one of {value['model']}")
        stream = await self._filled(value, None)
        stream.pool.back(stream.session, _tensors(value["state"]))
        self.streams[stream.session.id] = stream
        return stream

    def forget(self, stream: Stream) -> None:
        """Ends a stream."""
        if self.streams.pop(stream.session.id, None) is not None and not stream.parked:
            stream.pool.leave(stream.session)

    # Parking.

    async def park(self, stream: Stream) -> bool:
        """Parks a stream that is quiet; tells whether it was."""
        async with stream.lock:
            session = stream.session
            if stream.parked or self.streams.get(session.id) is not stream:
                return False
            state: Mapping[str, torch.Tensor] | None = {}
            if session.told.over:
                stream.pool.leave(session)
            else:
                state = await stream.pool.part(session)
            if state is None:
                return False
            if session.pieces:  # which came meanwhile
                stream.pool.back(session, state)
                return False
            turn = session.told.count + session.pieces_taken
            parked = Parked(session.id, stream.model, stream.mark, time.time(), turn, None, (stream, state))
            try:
                head = {name: getattr(parked, name) for name in ARGUMENTS}
                parked.sealed = self.parking.seal.close("parked", self._value(stream, state) | head)
                parked.alive = None
            except UserError:
                pass  # it has no plain form, and stays as it is
            except (TypeError, ValueError) as error:  # it should have one
                self.log({"event": "error", "parking": f"{stream.model}: {error}"})
            stream.parked = True
            self.parking.put(parked)
            if session.holder is None:
                del self.streams[session.id]
            return True

    async def _wake(self, stream: Stream) -> None:
        """Gives a parked stream its row again, before something comes for it."""
        if stream.parked:
            await self._whole(self._unpark(stream))

    async def _unpark(self, stream: Stream) -> None:
        async with stream.lock:
            if stream.parked:
                self._check_room(anew=False)
                await self._taken(stream.session.id, stream)

    async def _taken(self, name: str, stream: Stream | None) -> Stream:
        """The stream of what was parked, with a row; what finds no room stays parked."""
        parked = await self.parking.take(name)
        try:
            if parked.sealed is None:
                stream, state = parked.alive
                if not stream.session.told.over:
                    stream.pool.check_room()
            else:
                value = self.parking.seal.open("parked", parked.sealed)
                stream, state = await self._filled(value, stream, parked.session), _tensors(value["state"])
        except RefusedError as refusal:
            if refusal.status == 429:
                self.parking.put(parked)
            raise
        if not stream.session.told.over:
            stream.pool.back(stream.session, state)
        stream.parked, stream.session.touched = False, time.monotonic()
        self.streams[stream.session.id] = stream
        return stream

    async def _filled(self, value: Mapping[str, Any], stream: Stream | None, name: str | None = None) -> Stream:
        """A stream, or the given one, with the reader that a value holds."""
        pool = await self.pools.again(self.house[value["model"]], value["fingerprint"])
        if pool is None:
            raise RefusedError(410, f"the model {value['model']} is another by now; open a stream of it anew")
        if value["reader"] is not None:
            pool.check_room()
        if stream is None:
            session = pool.seatless()
            session.id = name or session.id
            session.load(value)
            stream = Stream(pool, value["model"], value["fingerprint"], session, value["about"])
        if value["reader"] is not None:
            stream.session.reader = pool.live.load(value["reader"])
        stream.pool = pool
        return stream

    def _value(self, stream: Stream, state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        return stream.session.dump() | {
            "model": stream.model,
            "fingerprint": stream.mark,
            "about": stream.about,
            "state": {name: value.numpy() for name, value in state.items()},
        }

    def _check_room(self, *, anew: bool = True) -> None:
        if self.closing is not None and anew:
            raise RefusedError(503, "the server stops; try again later, or another", after=5)
        if len(self.pools) >= self.settings.sessions:
            raise RefusedError(429, f"expected at most {self.settings.sessions} streams at once; try again later", 5)

    async def _whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Does to the end what holds a state between two places, though who waits for it may be cancelled."""
        task = asyncio.create_task(work)
        self.works.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.works.discard(task)
        if not task.cancelled():
            task.exception()  # heard, where nobody waits

    async def _keep(self) -> None:
        """Parks what is idle or left alone, writes and forgets what is parked."""
        while True:
            await asyncio.sleep(min(SETTLED, self.settings.idle / 2, self.settings.kept / 2))
            await self._whole(self.tidy())

    async def tidy(self) -> None:
        """One look at all streams."""
        old = time.monotonic() - self.settings.idle
        quiet = [one for one in self.streams.values() if one.session.holder is None or one.session.touched < old]
        await asyncio.gather(*(self.park(stream) for stream in quiet))
        late = RefusedError(408, f"expected a message within {self.settings.kept:g} s; open another stream")
        for name in await self.parking.settle():
            if (stream := self.streams.pop(name, None)) is not None:
                stream.end_by(late)
        self.pools.close_unused(self.house)

    def _holds(self, name: str, mark: str) -> bool:
        """Whether a stream needs a model, by name and fingerprint, though it is parked."""
        open_ = any((stream.model, stream.mark) == (name, mark) for stream in self.streams.values())
        return open_ or self.parking.holds(name, mark)

    # The end.

    async def finish(self, grace: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Lets streams come to their ends for a while, and parks the others.

        Args:
            grace: Seconds.
            hurry: Whether to wait no longer.
        """
        self.closing, self.grace = time.monotonic() + grace, grace
        self.told_closing.set()
        while time.monotonic() < self.closing and not hurry():
            if not any(one.session.holder is not None for one in self.streams.values()):
                break
            await asyncio.sleep(0.05)
        after = "go on with its token" if self.parking.lasting else "open another"
        stops = RefusedError(503, f"the server stops; {after} when it is back", code=RESTART)
        for stream in list(self.streams.values()):
            stream.end_by(stops)
        until = time.monotonic() + LAST
        while self.parking.lasting and time.monotonic() < until:
            await asyncio.gather(*(self.park(stream) for stream in list(self.streams.values())))
            if all(stream.parked for stream in self.streams.values()):
                break
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Ends all streams; writes those that outlive the server."""
        for keeper in self.keepers:
            keeper.cancel()
        await asyncio.wait(self.keepers)
        await asyncio.gather(*self.works, return_exceptions=True)
        if self.closing is None:
            await self.finish(0)
        await self.parking.close()
        await self.pools.close()


def _tensors(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in state.items()}
