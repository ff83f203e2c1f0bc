"""Processes that answer pieces, one each at a time; the answers come back in order, whatever becomes of a process.

Each process has a pipe of its own: where this one ends, however that is, theirs do.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Self

from throughtime.api.archive.answering import Answering, Reply, failure, reply
from throughtime.applications.pieces import Piece
from throughtime.errors import UserError

WINDOW = 8
"""Pieces for each process that are answered, or being answered, and not yet taken: a slow one holds up that many."""

CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = ["throughtime.api"]


@dataclass
class Job:
    """A piece and what was found for it; ``tries``: processes that ended over it."""

    piece: Piece
    reply: Reply | None = None
    tries: int = 0


class Member:
    """A process and what it works at.

    Args:
        work: What it does.
    """

    def __init__(self, work: Answering) -> None:
        self.pipe, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=serve, args=(theirs, work, os.getcwd()), daemon=True)
        self.process.start()
        theirs.close()
        self.ready = False
        self.job: Job | None = None

    def give(self, job: Job) -> None:
        """Lets it work at a job; that it is gone shows when it is waited for."""
        self.job = job
        with suppress(BrokenPipeError):
            self.pipe.send(job.piece)

    def end(self) -> int | None:
        """Ends it; gives its status."""
        self.pipe.close()
        self.process.terminate()
        self.process.join()
        return self.process.exitcode


def serve(pipe: Connection, work: Answering, folder: str) -> None:
    """What a process does: it answers what it is given, until there is nobody who gives.

    Args:
        pipe: To the one who gives.
        work: What answers.
        folder: Where names of files begin.
    """
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who gives
    with pipe, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            work.begin()
        except UserError as error:
            pipe.send(str(error))
            return
        pipe.send(None)
        while True:
            pipe.send(work(pipe.recv()))


class Team:
    """Some processes that answer pieces.

    Args:
        work: What each of them does.
        size: How many.
    """

    def __init__(self, work: Answering, size: int) -> None:
        CONTEXT.set_forkserver_preload(PRELOADED)
        self.work, self.size = work, size
        self.members: list[Member] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.end()

    def answers(self, pieces: Iterator[Piece]) -> Iterator[tuple[Piece, Reply]]:
        """Every piece with what was found for it, in order; pieces are taken as there is room for them.

        Raises:
            UserError: If a process cannot open the run.
        """
        jobs: deque[Job] = deque()
        waiting: deque[Job] = deque()
        more = True
        while True:
            while more and len(jobs) < WINDOW * self.size:
                piece = next(pieces, None)
                more = piece is not None
                if piece is not None:
                    jobs.append(self._job(piece, waiting))
            self._give(waiting)
            while jobs and (found := jobs[0].reply) is not None:
                yield jobs.popleft().piece, found
            if not jobs and not more:
                return
            if any(member.job or not member.ready for member in self.members):
                self._hear(waiting)

    def _job(self, piece: Piece, waiting: deque[Job]) -> Job:
        """A job, which waits for a process; what cannot be read needs none."""
        if piece.error is not None:
            return Job(piece, reply([failure(piece.file, UserError(piece.error))], self.work.written))
        waiting.append(job := Job(piece))
        return job

    def _give(self, waiting: deque[Job]) -> None:
        """Jobs for whoever has none, and processes for what waits still."""
        for member in self.members:
            if waiting and member.ready and member.job is None:
                member.give(waiting.popleft())
        while len(self.members) < min(self.size, len(waiting) + sum(m.job is not None for m in self.members)):
            self.members.append(Member(self.work))

    def _hear(self, waiting: deque[Job]) -> None:
        """Waits for a process that has something to say, or has ended."""
        heard = wait([member.pipe for member in self.members])
        for member in [member for member in self.members if member.pipe in heard]:
            try:
                said = member.pipe.recv()
            except (EOFError, ConnectionResetError):
                self._bury(member, waiting)
                continue
            if isinstance(said, str):
                raise UserError(said)
            if member.job is not None and member.ready:
                member.job.reply, member.job = said, None
            member.ready = True

    def _bury(self, member: Member, waiting: deque[Job]) -> None:
        """What becomes of a process that has ended, and of what it worked at: another process tries it, once."""
        self.members.remove(member)
        member.process.join()
        status, job = member.end(), member.job
        if not member.ready:
            raise UserError(f"a process ended with status {status} before it had the model; give fewer --workers")
        if job is None:
            return
        job.tries += 1
        if job.tries < 2:
            waiting.appendleft(job)
            return
        said = UserError(
            f"{job.piece.file}: two processes ended over it, with status {status}; is there memory enough?"
        )
        job.reply = reply([failure(name, said) for name in job.piece.names], self.work.written)
