"""Threads that share one call of compiled code.

The parties of a call meet inside the compiled code, at barriers that spin, so all of them must run at once. They are
the threads of PyTorch's own OpenMP runtime: those wait awake for a while after each of PyTorch's operations, and
threads beside them would have to share the processor with their waiting. Where OpenMP is not to be had (other systems,
a process forked after OpenMP was used, whose threads stayed behind) a team of Python threads serves one call at a time,
and whoever finds it busy works alone. Results do not depend on how many work.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch

from throughtime.engine.compiled.build import Code
from throughtime.engine.compiled.emit import BARRIER, JOB


def share(code: Code, frame: Any, blocks: int, groups: int, parts: int) -> None:
    """Runs code on a frame, by ``groups`` times ``parts`` threads."""
    parties = groups * parts
    barriers = (ctypes.c_int64 * (BARRIER // 8 * (groups + 1)))()
    openmp = None if parties == 1 or _forked else _openmp()
    thread, threads = (0, 0) if openmp is None else openmp[1:]
    job = (ctypes.c_int64 * len(JOB))(
        ctypes.addressof(frame), blocks, groups, parts, ctypes.addressof(barriers), thread, threads
    )
    if parties == 1:
        code.run(ctypes.addressof(job), 0, 1)
    elif openmp is not None:
        openmp[0](code.member, ctypes.addressof(job), parties, 0)
    else:
        _by_team(_Work(code, (job, frame, barriers), parties), parties)


@functools.cache
def _openmp() -> tuple[Any, int, int] | None:
    """``GOMP_parallel`` of PyTorch's runtime, and the addresses of its ``omp_get_thread_num`` and ``_num_threads``."""
    ending = {"darwin": "dylib", "win32": "dll"}.get(sys.platform, "so")
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / f"libtorch_cpu.{ending}"))
        parallel, asked = library.GOMP_parallel, (library.omp_get_thread_num, library.omp_get_num_threads)
    except (OSError, AttributeError):
        return None
    parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    parallel.restype = None
    thread, threads = (ctypes.cast(function, ctypes.c_void_p).value or 0 for function in asked)
    return parallel, thread, threads


class _Work:
    """One call, and what must live until the last party has left it."""

    def __init__(self, code: Code, alive: tuple[Any, ...], parties: int) -> None:
        self.code, self.alive, self.parties = code, alive, parties

    def serve(self, index: int) -> None:
        """Serves one party."""
        self.code.run(ctypes.addressof(self.alive[0]), index, self.parties)


class _Team:
    """The threads beside the caller's."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.queues: list[SimpleQueue[tuple[_Work, int]]] = []

    def grow(self, members: int) -> None:
        """Starts threads until there are so many."""
        while len(self.queues) < members:
            queue: SimpleQueue[tuple[_Work, int]] = SimpleQueue()
            threading.Thread(target=_serve, args=(queue,), name="throughtime", daemon=True).start()
            self.queues.append(queue)


def _serve(queue: SimpleQueue[tuple[_Work, int]]) -> None:
    while True:
        work, index = queue.get()
        work.serve(index)
        del work


def _by_team(work: _Work, parties: int) -> None:
    if not _team.lock.acquire(blocking=False):
        work.parties = 1
        work.serve(0)
        return
    try:
        _team.grow(parties - 1)
        try:
            for index in range(1, parties):
                _team.queues[index - 1].put((work, index))
        finally:
            # The others wait for this one, whatever interrupts it
            work.serve(0)
    finally:
        _team.lock.release()


_team = _Team()
_forked = False


def _forget() -> None:
    """A forked process has none of its parent's threads."""
    global _team, _forked
    _team, _forked = _Team(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
