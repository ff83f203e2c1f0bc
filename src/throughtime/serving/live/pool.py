"""All streams of one model: rounds that step those which have an input, in one batch.

A row's bits do not depend on the rows beside it, so no answer depends on the load.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from throughtime.applications.live import Live, Reader
from throughtime.errors import UserError
from throughtime.serving.live.session import END, Session
from throughtime.serving.live.valve import Valve
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

AHEAD = 16
"""Steps that wait beyond which no further piece of a stream is read: what is read can not be given back."""

LATER = 5.0
"""Seconds after which it is worth while to come again to a server that was late."""


@dataclass(eq=False)
class Said:
    """What a round has for a stream.

    Attributes:
        events: To be told.
        freed: Bytes of pieces that were read.
    """

    events: list[dict[str, Any] | RefusedError | None] = field(default_factory=list)
    freed: int = 0


class Pool:
    """Runs the streams of one model in a thread of its own.

    Args:
        live: How the model reads streams.
        sessions: Most at once.
        queue: Most bytes that one has waiting.
        piece: Most steps of a piece that is no sound: a few notes may be far apart.
        lag: Seconds that a stream may be late; see :class:`Valve`.
        log: Takes an event of the log.
        loop: Which answers; default: the one that runs.
        ticked: Is told of every round, in the pool's thread: its seconds and steps.

    Attributes:
        broken: An error of the server's own ended the rounds.
        steps: Made so far, a row each.
        rounds: Made so far.
        valve: How many streams are let in.
        oldest: When what waits longest was due, as of the last round, in seconds of the monotonic clock; infinity
            where nothing waits.
        halted: Seconds that the loop which answers was late, as of the last look.
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
        self.live, self.most, self.queue, self.piece, self.log = live, sessions, queue, piece, log
        self.rows = live.side_by_side()
        self.loop, self.ticked = loop or asyncio.get_running_loop(), ticked
        self.open_sessions: set[Session] = set()
        self.steps = self.rounds = 0
        self.valve, self.oldest, self.halted = Valve(lag), math.inf, 0.0
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
        if (refusal := self.too_late()) is not None:
            raise refusal

    @property
    def late(self) -> float:
        """Seconds since the oldest unanswered piece of any stream was due, or that the loop which answers is late."""
        return max(self.halted, time.monotonic() - self.oldest)

    def too_late(self) -> RefusedError | None:
        """Why no stream is opened while those that there are have to wait."""
        if self.valve.admits(len(self.open_sessions), self.late):
            return None
        return RefusedError(429, "the server is late with the streams that it has; try again later", after=LATER)

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

    def untake(self, session: Session) -> asyncio.Future[None]:
        """Gives back to a session what was not read, but for what its client was told is taken."""
        future: asyncio.Future[None] = self.loop.create_future()

        def back() -> None:
            pieces = list(session.pieces)
            first = session.pieces_taken - sum(piece is not END for piece, _, _ in pieces)
            dropped = pieces[max(0, session.promised - first) :]
            if any(piece is not END for piece, _, _ in dropped):
                for _ in dropped:
                    session.pieces.pop()
                self.loop.call_soon_threadsafe(session.untake, dropped)
            self.loop.call_soon_threadsafe(_answer, future, None)

        self._call(back)
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
        active: dict[Session, None] = {}  # those that have something left
        began = 0.0
        while True:
            if not active and len(self.open_sessions) > MANY:
                time.sleep(max(0.0, began + GATHER - time.monotonic()))
            with self.changed:
                while not (self.waiting or self.calls or active or self.stopped):
                    self.oldest = math.inf
                    self.changed.wait()
                if self.stopped:
                    return
                calls, self.calls = self.calls, []
                came, self.waiting = self.waiting, {}
            for call in calls:
                call()
            began, before = time.monotonic(), self.steps
            active.update(came)
            self._round(active, began)
            self.ticked(time.monotonic() - began, self.steps - before)

    def _round(self, active: dict[Session, None], began: float) -> None:
        """Reads what came, steps for a while, and tells what there is to tell."""
        said = {session: Said() for session in active}
        self._read(said)
        self._step(said, began)
        for session, what in said.items():
            if session.row is not None:
                self._tell(session, what.events)
            if session.row is None or session.failed or not (session.inputs or session.pieces):
                del active[session]
        self.oldest = min(map(_since, active), default=math.inf)
        self.rounds += 1
        heard = [(session, what) for session, what in said.items() if what.events or what.freed]
        if heard:
            self.loop.call_soon_threadsafe(_hear, heard)

    def _read(self, said: Mapping[Session, Said]) -> None:
        """Makes inputs of the pieces that wait, the next one of every stream at a time."""
        while come := [s for s in said if s.pieces and len(s.inputs) < AHEAD and s.row is not None and not s.failed]:
            for session in come:
                piece, size, due = session.pieces.popleft()
                said[session].freed += size
                with self._guarded(session, said[session].events):
                    self._add(session, self._inputs(session, piece), due)

    def _inputs(self, session: Session, piece: Any) -> Sequence[Any]:
        """The inputs of a piece."""
        if piece is END:
            session.ending = True
            return session.reader.end()
        inputs = session.reader.push(piece)
        if len(inputs) > self.piece and self.live.takes != "audio":
            raise UserError(f"expected pieces of at most {self.piece:,} steps, got {len(inputs):,}; send less")
        return inputs

    def _add(self, session: Session, inputs: Sequence[Any], due: float) -> None:
        """Inputs of a piece. Of sound all are due with it; what else comes at once takes its time, from its first."""
        for given in inputs:
            session.inputs.append((given, due))
            due = due if self.live.takes == "audio" else math.inf

    def _step(self, said: Mapping[Session, Said], began: float) -> None:
        """Steps those that have inputs until none has, or for a while."""
        while time.monotonic() - began < ROUND:
            batch = [s for s in said if s.inputs and s.row is not None][:BATCH]
            if not batch:
                break
            rows = [s.row for s in batch if s.row is not None]
            outputs = self.rows.step(rows, [s.inputs.popleft()[0] for s in batch]).numpy()
            for session, output in zip(batch, outputs, strict=True):
                with self._guarded(session, said[session].events):
                    # Of its own, as what a reader keeps would keep all of a batch.
                    session.inputs.extend((given, math.inf) for given in session.reader.take(output.copy()))
            self.steps += len(batch)

    def _tell(self, session: Session, events: list[Any]) -> None:
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
    def _guarded(self, session: Session, events: list[Any]) -> Iterator[None]:
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


def _hear(heard: list[tuple[Session, Said]]) -> None:
    for session, what in heard:
        session.hear(what.events, what.freed)


def _since(session: Session) -> float:
    """When what a stream waits for was due."""
    return (session.inputs or ((None, session.pieces[0][2]),))[0][1]


def _answer(future: asyncio.Future[Any], found: Any) -> None:
    if not future.cancelled():
        future.set_result(found)
