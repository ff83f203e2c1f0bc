"""Processes that work at jobs, in whatever order they come to an end; what is made does not depend on how many.

Each process has a pipe of its own: where this one ends, however that is, theirs do, at the next thing that they tell.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any, TypeVar

from throughtime.errors import UserError

CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = ["throughtime.data.shards.tokens"]

JobT = TypeVar("JobT")
ToldT = TypeVar("ToldT")


class WorkerLostError(UserError):
    """A process was killed, for want of memory, say: what was made stays."""


def worked(work: Callable[[JobT], Iterator[ToldT]], jobs: Sequence[JobT], size: int) -> Iterator[ToldT]:
    """What is told of jobs as they are worked at.

    Args:
        work: Does a job, and tells how far it has come; goes to other processes.
        jobs: In the order in which they are begun.
        size: Processes; 1: this one.

    Raises:
        UserError: If a job fails, or a process is killed.
    """
    if min(size, len(jobs)) < 2:
        for job in jobs:
            yield from work(job)
        return
    with ExitStack() as stack:
        waiting = list(reversed(jobs))
        members = {member.pipe: member for member in (Member(work) for _ in range(min(size, len(jobs))))}
        for member in members.values():
            stack.enter_context(closing(member))
            member.pipe.send(waiting.pop())
        while members:
            heard = wait(list(members))
            for pipe in [pipe for pipe in members if pipe in heard]:
                said, told = members[pipe].hear()
                if said == "failed":
                    raise UserError(told)
                if said == "told":
                    yield told
                elif waiting:
                    members[pipe].pipe.send(waiting.pop())
                else:
                    del members[pipe]


class Member:
    """A process that works.

    Args:
        work: What it does.
    """

    def __init__(self, work: Callable[[Any], Iterator[Any]]) -> None:
        CONTEXT.set_forkserver_preload(PRELOADED)
        self.pipe, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=serve, args=(theirs, work, os.getcwd()), daemon=True)
        with _without_main():
            self.process.start()
        theirs.close()

    def hear(self) -> tuple[str, Any]:
        """What it says next: ``told`` of its job, ``done``, or ``failed``.

        Raises:
            WorkerLostError: If it has ended.
        """
        try:
            said, told = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            raise WorkerLostError(
                f"a process that reads shards ended with status {self.process.exitcode}; is there memory enough? the "
                "same command goes on where this one stopped; --workers 1 takes the least"
            ) from None
        return said, told

    def close(self) -> None:
        """Ends it."""
        self.pipe.close()
        self.process.terminate()
        self.process.join()


@contextmanager
def _without_main() -> Iterator[None]:
    """Processes that begin in the block do not run the user's script again, which may have no guard against that."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def serve(pipe: Connection, work: Callable[[Any], Iterator[Any]], folder: str) -> None:
    """What a process does: the jobs that it is given, until there is nobody who gives.

    Args:
        pipe: To the one who gives.
        work: Does a job.
        folder: Where names of files begin.
    """
    os.chdir(folder)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # there is a process for every core
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who gives
    with pipe, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job = pipe.recv()
            try:
                for told in work(job):
                    pipe.send(("told", told))
            except UserError as error:
                pipe.send(("failed", str(error)))
                return
            except OSError as error:
                pipe.send(("failed", f"{error.filename}: {error.strerror or error}"))
                return
            pipe.send(("done", None))
