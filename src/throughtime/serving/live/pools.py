"""A pool for each model that streams are open on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from throughtime._version import __version__
from throughtime.api import Run
from throughtime.serving.house import Hosted, House
from throughtime.serving.live.pool import Pool
from throughtime.serving.settings import ServeSettings
from throughtime.serving.watch import Watch

LAST = 5.0
"""Seconds that the last round may take when the server ends."""


class Pools:
    """Pools by model, each made when the first stream is opened.

    A model that was opened anew has a pool of its own; that of the old one lasts while streams are open on it, or
    parked.

    Args:
        settings: Limits.
        watch: Is told of every round.
        log: Takes an event of the log.
        held: Whether a stream needs a model, by name and fingerprint, though it is not in its pool.
    """

    def __init__(
        self,
        settings: ServeSettings,
        watch: Watch,
        log: Callable[[Any], None],
        held: Callable[[str, str], bool] = lambda name, fingerprint: False,
    ) -> None:
        self.settings, self.watch, self.log, self.held = settings, watch, log, held
        self.pools: dict[Hosted, Pool] = {}
        self.fingerprints: dict[Hosted, str] = {}
        self.making = asyncio.Lock()

    async def of(self, hosted: Hosted) -> Pool:
        """The pool of a model.

        Raises:
            UserError: If the model reads no streams; says why.
        """
        async with self.making:
            if hosted not in self.pools or self.pools[hosted].broken:
                loop = asyncio.get_running_loop()
                # A stream of a model may be compiled first.
                pool, mark = await loop.run_in_executor(None, self._make, hosted, loop)
                self.pools[hosted], self.fingerprints[hosted] = pool, mark
            return self.pools[hosted]

    async def again(self, current: Hosted, mark: str) -> Pool | None:
        """The pool of the model that a stream began with; None, if there is none any more.

        Args:
            current: The model that has its name by now.
            mark: The fingerprint of the one that the stream began with.
        """
        for hosted, found in self.fingerprints.items():
            if (hosted.name, found) == (current.name, mark) and not self.pools[hosted].broken:
                return self.pools[hosted]
        pool = await self.of(current)
        return pool if self.fingerprints[current] == mark else None

    def _make(self, hosted: Hosted, loop: asyncio.AbstractEventLoop) -> tuple[Pool, str]:
        steps = self.watch.steps.labels(hosted.name)

        def ticked(seconds: float, made: int) -> None:
            self.watch.ticks.observe(seconds)
            steps.inc(made)

        pool = Pool(
            hosted.run.live(),
            sessions=self.settings.sessions,
            queue=self.settings.queue,
            piece=2 * self.settings.tokens,  # a token may take two: an end of a line beside it
            lag=self.settings.lag,
            log=self.log,
            loop=loop,
            ticked=ticked,
        )
        return pool, fingerprint(hosted.run)

    def close_unused(self, house: House) -> None:
        """Lets the pools of models go that were opened anew since, when no stream needs them."""
        for old, pool in list(self.pools.items()):
            needed = len(pool) or self.held(old.name, self.fingerprints[old])
            if house.models.get(old.name) is not old and not needed:
                self.pools.pop(old).close()
                del self.fingerprints[old]

    def __len__(self) -> int:
        return sum(map(len, self.pools.values()))

    async def close(self) -> None:
        """Stops all rounds, and waits for the last ones."""
        for pool in self.pools.values():
            pool.close()
            await asyncio.get_running_loop().run_in_executor(None, pool.thread.join, LAST)


def fingerprint(run: Run) -> str:
    """What tells a model from others whose streams have states of another meaning: its weights, and this version."""
    return run.model.fingerprint(__version__, run.task.name)
