"""Processes that begin in an instant: each is forked from a server that has loaded PyTorch and the package already."""

from __future__ import annotations

import io
import multiprocessing
import multiprocessing.forkserver
import os
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 120.0
"""Seconds after which a process hangs."""

CONTEXT = multiprocessing.get_context("forkserver")
# The first optimiser of a process would import the compiler behind it: more than a second, at every start.
CONTEXT.set_forkserver_preload(
    ["throughtime.cli.train", "throughtime.api", "throughtime.serving.listen", "torch._dynamo"]
)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its status (below 0: the signal), and what it wrote."""

    status: int | None
    out: str
    err: str


class Forked:
    """A process that calls something, as a fresh one would, but for what is loaded.

    Args:
        folder: Of its own, for what it writes.
        call: What it calls.
        arguments: Of the call.
        out: Where it writes instead, for instance a pipe of that name.
        environment: What is added to this process's.
    """

    def __init__(
        self, folder: Path, call: Callable[..., object], *arguments: Any, out: Path | None = None, **environment: str
    ) -> None:
        self.streams = out or folder / "out", folder / "err"
        # As many threads as in this process, so that sums are formed in the same order.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")
            multiprocessing.forkserver.ensure_running()
        self.process: BaseProcess = CONTEXT.Process(
            target=_be, args=(call, arguments, environment, Path.cwd(), self.streams)
        )
        self.process.start()

    def line(self) -> str:
        """Waits for the first line that it writes."""
        end = time.monotonic() + PATIENCE
        while not (self.streams[0].is_file() and "\n" in (text := self.streams[0].read_text("utf-8"))):
            assert self.process.is_alive()
            assert time.monotonic() < end
            time.sleep(0.001)
        return text.partition("\n")[0]

    def end(self) -> Ended:
        """Waits for its end."""
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, "it hangs"
        out, err = (stream.read_text("utf-8") if stream.is_file() else "" for stream in self.streams)
        return Ended(self.process.exitcode, out, err)


def _be(
    call: Callable[..., object],
    arguments: tuple[Any, ...],
    environment: Mapping[str, str],
    folder: Path,
    streams: tuple[Path, Path],
) -> None:
    """What the process does."""
    for number, path in enumerate(streams, start=1):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    # Python's own buffers, also where the server has none.
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="utf-8")
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(
        os.fdopen(2, "wb", closefd=False), encoding="utf-8", line_buffering=True, errors="backslashreplace"
    )
    os.environ.update(environment)
    os.chdir(folder)
    call(*arguments)


def execute(code: str) -> None:
    """Runs code as a script."""
    exec(textwrap.dedent(code), {"__name__": "__main__"})
