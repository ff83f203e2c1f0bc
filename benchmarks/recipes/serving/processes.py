"""The server's process: started, watched, stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

TICK = os.sysconf("SC_CLK_TCK")


class Process:
    """A server that runs.

    Args:
        arguments: That start it; its standard error names its address.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115  # a pipe that nobody reads would halt it
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=self.said, text=True)
        self.address = self._address()
        self.sizes: list[tuple[float, float]] = []

    def _address(self) -> str:
        while self.process.poll() is None:
            if found := re.search(r"http://([\w.:\[\]]+)/", self.told()):
                return found[1]
            time.sleep(0.05)
        raise SystemExit(f"the server did not start: {' '.join(self.process.args)}: {self.told()}")  # type: ignore[arg-type]

    def told(self) -> str:
        """What it said on its standard error."""
        size = os.fstat(self.said.fileno()).st_size
        return os.pread(self.said.fileno(), size, 0).decode(errors="replace")

    def errors(self) -> list[str]:
        """What it said since it told its address, which should be nothing."""
        return self.told().partition("Ctrl-C")[2].strip().splitlines()[:20]

    @property
    def seconds(self) -> float:
        """Of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def weigh(self) -> None:
        """Notes how much memory it has."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        self.sizes.append((time.monotonic(), int(found[1]) / 1024))

    def memory(self, settled: float) -> dict[str, Any]:
        """MB at the end, and by how many a minute it grew after so many seconds."""
        began = self.sizes[0][0] + settled
        later = [(instant, size) for instant, size in self.sizes if instant >= began]
        found: dict[str, Any] = {"megabytes": round(self.sizes[-1][1], 1)}
        if len(later) > 2:
            instants, sizes = np.array(later).T
            found["megabytes_a_minute"] = round(60 * float(np.polyfit(instants, sizes, 1)[0]), 3)
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it; its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(60)
        self.said.close()
        return status


@contextmanager
def running(arguments: Sequence[str]) -> Iterator[Process]:
    """A server, which is stopped in the end."""
    process = Process(arguments)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.stop()


def serving(run: Path, *options: str) -> AbstractContextManager[Process]:
    """Throughtime's server of a model folder, called ``model``."""
    return running([sys.executable, "-m", "throughtime", "serve", f"model={run}", "--port", "0", *options])
