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

from throughtime.engine.compiled.llvm.build import Code
from throughtime.engine.compiled.llvm.emit import BARRIER, JOB

_Job = ctypes.c_int64 * len(JOB)


class Shared:
    """A call that may be made again and again, by ``groups`` times ``parts`` threads.

    Args:
        code: The machine code.
        frame: What it reads.
        blocks: Blocks of rows.
        groups: Groups of parties that share rows.
        parts: Parties in each, which share the units.
    """

    def __init__(self, code: Code, frame: Any, blocks: int, groups: int, parts: int) -> None:
        self.code = code
        self.parties = groups * parts
        if self.parties == 1:  # meets nobody
            self.openmp, barriers, place, thread, threads = None, None, 0, 0, 0
        else:
            self.openmp = _openmp()
            thread, threads = (0, 0) if self.openmp is None else self.openmp[1:]
            barriers = (ctypes.c_int64 * (BARRIER // 8 * (groups + 1)))()
            place = ctypes.addressof(barriers)
        self.job = _Job(ctypes.addressof(frame), blocks, groups, parts, place, thread, threads)
        self.place = ctypes.addressof(self.job)
        self.alive = (frame, barriers)

    def __call__(self) -> None:
        """Runs."""
        if self.parties == 1:
            self.code.run(self.place, 0, 1)
        elif self.openmp is not None and not _forked:
            self.openmp[0](self.code.member, self.place, self.parties, 0)
        else:
            _by_team(self)


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


class _Team:
    """The threads beside the caller's."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.queues: list[SimpleQueue[tuple[Shared, int]]] = []

    def grow(self, members: int) -> None:
        """Starts threads until there are so many."""
        while len(self.queues) < members:
            queue: SimpleQueue[tuple[Shared, int]] = SimpleQueue()
            threading.Thread(target=_serve, args=(queue,), name="throughtime", daemon=True).start()
            self.queues.append(queue)


def _serve(queue: SimpleQueue[tuple[Shared, int]]) -> None:
    while True:
        shared, index = queue.get()
        shared.code.run(shared.place, index, shared.parties)
        del shared  # what it keeps alive must live until here, and no longer


def _by_team(shared: Shared) -> None:
    if not _team.lock.acquire(blocking=False):
        shared.code.run(shared.place, 0, 1)
        return
    try:
        _team.grow(shared.parties - 1)
        try:
            for index in range(1, shared.parties):
                _team.queues[index - 1].put((shared, index))
        finally:
            # The others wait for this one, whatever interrupts it
            shared.code.run(shared.place, 0, shared.parties)
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
