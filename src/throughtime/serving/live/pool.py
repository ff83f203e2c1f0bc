"""All streams of one model: rounds that step those which have an input, in one batch.

A row's bits do not depend on the rows beside it, so no answer depends on the load.
"""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from throughtime.applications.live import Live, Reader
from throughtime.errors import UserError
from throughtime.serving.live.session import END, Session
from throughtime.serving.refusal import RefusedError
from throughtime.visible import in_line

ROUND = 0.05
"""Seconds of steps after which new pieces are looked for."""

GATHER = 0.02
"""Seconds from one round to the next, at least, where many streams are open: what comes in them shares its steps."""

MANY = 16
"""Streams that are many."""

BATCH = 512
"""Most rows of a step."""

Told = list[dict[str, Any] | RefusedError | None]


class Pool:
    """Runs the streams of one model in a thread of its own.

    Args:
        live: How the model reads streams.
        sessions: Most at once.
        queue: Most bytes that one has waiting.
        piece: Most steps of a piece that is no sound: a few notes may be far apart.
        lag: Seconds that the oldest piece may wait; while one waits longer, no stream is opened.
        log: Takes an event of the log.
        loop: Which answers; default: the one that runs.
        ticked: Is told of every round, in the pool's thread: its seconds and steps.

    Attributes:
        broken: An error of the server's own ended the rounds.
        steps: Made so far, a row each.
        rounds: Made so far.
    """

    def __init__(
        self,
        live: Live,
        *,
        sessions: int,
        queue: int,
        piece: int = 2**16,
        lag: float = 1.0,
        log: Callable[[Any], None] = lambda event: None,
        loop: asyncio.AbstractEventLoop | None = None,
        ticked: Callable[[float, int], None] = lambda seconds, steps: None,
    ) -> None:
        self.live, self.most, self.queue, self.piece, self.lag, self.log = live, sessions, queue, piece, lag, log
        self.rows = live.side_by_side()
        self.loop, self.ticked = loop or asyncio.get_running_loop(), ticked
        self.open_sessions: set[Session] = set()
        self.steps = self.rounds = 0
        self.late = 0.0
        """Seconds that the oldest piece of the last round had waited."""
        self.changed = threading.Condition()
        self.waiting: dict[Session, None] = {}  # in the order in which they came
        self.calls: list[Callable[[], None]] = []
        self.stopped = self.broken = False
        self.thread = threading.Thread(target=self._run, name="pool", daemon=True)
        self.thread.start()

    def __len__(self) -> int:
        return len(self.open_sessions)

    # Of the event loop.

    def open(self, said: Mapping[str, Any]) -> Session:
        """Begins a stream.

        Args:
            said: Its options.

        Raises:
            RefusedError: If there are too many, or the server is late.
            UserError: If the model cannot read it so.
        """
        self.check_room()
        return self.seat(self.live.open(said))

    def check_room(self) -> None:
        """Refuses a stream while there are too many, or those that there are have to wait.

        Raises:
            RefusedError: Then.
        """
        if self.broken:
            raise RefusedError(500, "an error of the server's own, which its log tells of")
        if len(self.open_sessions) >= self.most:
            raise RefusedError(429, f"expected at most {self.most} streams at once; try again later", after=5)
        if self.late > self.lag and self.waiting:
            raise RefusedError(429, "the server is late with the streams that it has; try again later", after=2)

    def seat(self, reader: Reader) -> Session:
        """A session of a reader that has read nothing."""
        session = self.seatless()
        session.reader = reader
        self.back(session)
        return session

    def seatless(self) -> Session:
        """A session without a row, and without a reader."""
        return Session(self.queue, self._wake)

    def back(self, session: Session, state: Mapping[str, torch.Tensor] | None = None) -> None:
        """Gives a session a row, which goes on from a state."""
        session.wake = self._wake
        self.open_sessions.add(session)

        def enter() -> None:
            session.row = self.rows.open(state)
            if session.pieces:
                self._wake(session)

        self._call(enter)

    def part(self, session: Session) -> asyncio.Future[dict[str, torch.Tensor] | None]:
        """Takes the row of a session and gives its state; None where something waits, or the row is gone."""
        future: asyncio.Future[dict[str, torch.Tensor] | None] = self.loop.create_future()

        def exit_() -> None:
            quiet = session.row is not None and not session.pieces and not session.inputs
            state = self.rows.close(session.row) if quiet and session.row is not None else None
            if quiet:
                session.row = None
                self.open_sessions.discard(session)
            self.loop.call_soon_threadsafe(_answer, future, state)

        self._call(exit_)
        return future

    def leave(self, session: Session) -> None:
        """Ends a session, whatever it has waiting."""
        session.closed = True
        self.open_sessions.discard(session)

        def exit_() -> None:
            if session.row is not None:
                self.rows.close(session.row)
            session.row = None

        self._call(exit_)

    def close(self) -> None:
        """Stops the rounds."""
        with self.changed:
            self.stopped = True
            self.changed.notify()

    def _call(self, function: Callable[[], None]) -> None:
        if self.broken:  # nobody else would
            function()
            return
        with self.changed:
            self.calls.append(function)
            self.changed.notify()

    def _wake(self, session: Session) -> None:
        with self.changed:
            self.waiting[session] = None
            self.changed.notify()

    # Of the thread.

    def _run(self) -> None:
        try:
            self._rounds()
        except Exception:  # in the one thread there is; who waits for it must hear
            self.log({"event": "error", "trace": traceback.format_exc()})
            self.broken = self.stopped = True
            self.loop.call_soon_threadsafe(self._fail)

    def _fail(self) -> None:
        refusal = RefusedError(500, "an error of the server's own, which its log tells of")
        for session in list(self.open_sessions):
            session.hear([refusal], session.held)
        for call in self.calls:  # what waits for an answer has it
            call()
        self.calls, self.open_sessions = [], set()

    @torch.no_grad()
    def _rounds(self) -> None:
        active: dict[Session, None] = {}  # those that have inputs left
        began = 0.0
        while True:
            if not active and len(self.open_sessions) > MANY:
                time.sleep(max(0.0, began + GATHER - time.monotonic()))
            with self.changed:
                while not (self.waiting or self.calls or active or self.stopped):
                    self.late = 0.0
                    self.changed.wait()
                if self.stopped:
                    return
                calls, self.calls = self.calls, []
                came, self.waiting = list(self.waiting), {}
            for call in calls:
                call()
            began, before = time.monotonic(), self.steps
            self._round(came, active)
            self.ticked(time.monotonic() - began, self.steps - before)

    def _round(self, came: list[Session], active: dict[Session, None]) -> None:
        """Reads what came, steps for a while, and tells what there is to tell."""
        instant, oldest = time.monotonic(), 0.0
        told: dict[Session, tuple[Told, int]] = {session: ([], 0) for session in active}
        for session in came:
            events, freed = told.get(session, ([], 0))
            while session.pieces and session.row is not None and not session.failed:
                piece, size, since = session.pieces.popleft()
                freed, oldest = freed + size, max(oldest, instant - since)
                self._read(session, piece, events)
            told[session] = events, freed
            active[session] = None
        self.late = oldest
        self._step(active, told, instant)
        for session, (events, _) in told.items():
            if session.row is not None:
                self._tell(session, events)
            if not session.inputs or session.row is None:
                del active[session]
        self.rounds += 1
        heard = [(session, *what) for session, what in told.items() if what[0] or what[1]]
        if heard:
            self.loop.call_soon_threadsafe(_hear, heard)

    def _read(self, session: Session, piece: Any, events: Told) -> None:
        """The inputs of a piece; an error ends the stream."""
        with self._guarded(session, events):
            if piece is END:
                session.ending = True
                session.inputs.extend(session.reader.end())
            else:
                inputs = session.reader.push(piece)
                if len(inputs) > self.piece and self.live.takes != "audio":
                    raise UserError(f"expected pieces of at most {self.piece:,} steps, got {len(inputs):,}; send less")
                session.inputs.extend(inputs)

    def _step(self, active: Mapping[Session, None], told: Mapping[Session, tuple[Told, int]], began: float) -> None:
        """Steps those that have inputs until none has, or for a while."""
        while time.monotonic() - began < ROUND:
            batch = [s for s in active if s.inputs and s.row is not None][:BATCH]
            if not batch:
                break
            rows = [s.row for s in batch if s.row is not None]
            outputs = self.rows.step(rows, [s.inputs.popleft() for s in batch]).numpy()
            for session, output in zip(batch, outputs, strict=True):
                with self._guarded(session, told[session][0]):
                    # Of its own, as what a reader keeps would keep all of a batch.
                    session.inputs.extend(session.reader.take(output.copy()))
            self.steps += len(batch)

    def _tell(self, session: Session, events: Told) -> None:
        """What there is to tell of a stream, and its end."""
        if session.failed:
            return
        with self._guarded(session, events):
            if (partial := session.reader.partial()) is not None:
                events.append(partial | {"final": False})
            if session.ending and not session.inputs:
                session.failed = True
                events += [session.reader.final() | {"final": True}, None]

    @contextmanager
    def _guarded(self, session: Session, events: Told) -> Iterator[None]:
        """Ends a stream at an error: the client's, or one of ours, which the other streams do not feel."""
        try:
            yield
        except UserError as error:
            refusal = RefusedError(422, in_line(str(error)))
        except Exception:  # one stream's error does not end the others'
            self.log({"event": "error", "trace": traceback.format_exc()})
            refusal = RefusedError(500, "an error of the server's own, which its log tells of")
        else:
            return
        session.failed = True
        session.inputs.clear()
        session.pieces.clear()
        events.append(refusal)


def _hear(heard: list[tuple[Session, Told, int]]) -> None:
    for session, events, freed in heard:
        session.hear(events, freed)


def _answer(future: asyncio.Future[Any], found: Any) -> None:
    if not future.cancelled():
        future.set_result(found)
