"""How late it is in a run, and what is asked of it: the same in all processes after every step."""

from __future__ import annotations

import time
from collections.abc import Sequence

from throughtime.training.processes.ranks import Ranks


class Clock:
    """The first process's clock, and the wish of any of them to stop.

    Args:
        ranks: The processes.
        every: Seconds between two checkpoints.

    Attributes:
        stop: Whether this process was asked to; may be set at any time.
        stops: Whether one of them was, before the step at hand ended.
        due: Whether a checkpoint is.
    """

    def __init__(self, ranks: Ranks, every: float) -> None:
        self.ranks, self.every = ranks, every
        self.stop = self.stops = self.due = False

    def begin(self, seconds: float) -> None:
        """A run goes on that has taken so long."""
        self.began, self.seconds = time.perf_counter() - seconds, seconds
        self.saved()

    @property
    def now(self) -> float:
        """Seconds of the run by this process's clock."""
        return time.perf_counter() - self.began

    def saved(self) -> None:
        """A checkpoint was written."""
        self._saved = time.perf_counter()

    def tick(self) -> None:
        """Looks at the clock; several processes do so together, by :meth:`heard`."""
        if self.ranks.alone:
            self.seconds = self.now

    def look(self) -> None:
        """After a step of one process: a signal may come at any time, so what is asked is read once."""
        self.stops, self.due = self.stop, time.perf_counter() - self._saved >= self.every

    def says(self) -> list[float]:
        """What this process adds to what all of them hear."""
        if not self.ranks.first:
            return [0.0, self.stop, 0.0]
        return [self.now, self.stop, time.perf_counter() - self._saved >= self.every]

    def heard(self, said: Sequence[float]) -> None:
        """What all of them said, summed."""
        if not self.ranks.alone:
            self.seconds, self.stops, self.due = said[0], said[1] > 0, said[2] > 0
