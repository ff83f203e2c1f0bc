"""Streams that have to go where a model is late, so that the others are in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from throughtime.serving.live.pools import Pools
from throughtime.serving.live.stream import Stream
from throughtime.serving.live.valve import LOOK


class Shedding:
    """Looks how late models are, and lets the youngest streams go of one that is too late.

    Args:
        streams: All of them.
        pools: Of the models.
    """

    def __init__(self, streams: Mapping[str, Stream], pools: Pools) -> None:
        self.streams, self.pools = streams, pools

    async def run(self) -> None:
        """Looks again and again."""
        while True:
            due = time.monotonic() + LOOK
            await asyncio.sleep(LOOK)
            instant = time.monotonic()
            self.look(instant, instant - due)

    def look(self, instant: float, halted: float) -> None:
        """One look.

        Args:
            instant: In seconds of the monotonic clock.
            halted: Seconds that the loop which answers is late itself.
        """
        for pool in self.pools.pools.values():
            pool.halted = halted
            held = [s for s in self.streams.values() if s.pool is pool and s.session.holder and not s.parked]
            excess = pool.valve.excess(instant, len(held), pool.late)
            held.sort(key=lambda stream: stream.since, reverse=True)
            for stream in held[:excess]:
                stream.let_go()
