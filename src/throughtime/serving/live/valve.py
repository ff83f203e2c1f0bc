"""How many streams a model is given, by how late it is with those that it has.

Nothing is known of what a stream costs: the number of streams is cut to what was served in time, and grows a little at
a time (additive increase, multiplicative decrease; Chiu and Jain 1989), as senders do that share a network.
"""

from __future__ import annotations

import math

LOOK = 0.5
"""Seconds from one look to the next."""

NEW = 0.5
"""What share of the lateness that is allowed keeps new streams out."""

MADE_UP = 3.0
"""Seconds in which lateness is to be made up."""

GROWTH = 0.1
"""By what share the number of streams may grow in a second, once some had to go."""


class Valve:
    """Lets streams in, and says how many must go.

    Args:
        lag: Seconds that streams may be late.

    Attributes:
        most: Streams that are let in; infinity, unless some had to go.
    """

    def __init__(self, lag: float) -> None:
        self.lag, self.most = lag, math.inf
        self._before: tuple[float, float] = (-math.inf, 0.0)

    def admits(self, streams: int, late: float) -> bool:
        """Whether there is room for one more.

        Args:
            streams: That there are.
            late: Seconds that the latest of them is late.
        """
        return late <= NEW * self.lag and streams < self.most

    def excess(self, instant: float, streams: int, late: float) -> int:
        """How many have to go for the others to be in time again; asked every :data:`LOOK` seconds.

        A stream that comes in real time, and is served at a share s of that, falls behind by 1 - s seconds a second:
        so what lateness has grown by tells s, and for how many of the streams it would be enough. At most a half goes
        at once, and none while lateness is being made up, or where it was no more than one halt.

        Args:
            instant: In seconds of the monotonic clock.
            streams: That there are.
            late: Seconds that the latest of them is late.
        """
        (before, was), self._before = self._before, (instant, late)
        passed = instant - before
        if late <= self.lag:
            self._grow(min(passed, LOOK), streams, late)
            return 0
        if was <= self.lag or passed > 2 * LOOK:  # the first look, or one after a halt of everything
            return 0
        served = 1 - (late - was) / passed
        needed = 1 + (late - NEW * self.lag) / MADE_UP
        kept = min(streams, max(math.ceil(streams / 2), math.floor(streams * served / needed)))
        self.most = min(self.most, max(1, kept))
        return streams - kept

    def _grow(self, passed: float, streams: int, late: float) -> None:
        """Lets more in, while those that are there are in time; any number, where far fewer come."""
        if late <= NEW * self.lag:
            self.most = math.inf if streams < self.most / 2 else self.most + max(1, GROWTH * self.most) * passed
