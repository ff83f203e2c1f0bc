"""A pool for each model that streams are open on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from throughtime.serving.house import Hosted
from throughtime.serving.live.pool import Pool
from throughtime.serving.settings import ServeSettings


class Pools:
    """Pools by model, each made when the first stream is opened.

    A model that was opened anew has a pool of its own; that of the old one lasts while streams are open on it.

    Args:
        settings: Limits.
        log: Takes an event of the log.
    """

    def __init__(self, settings: ServeSettings, log: Callable[[Any], None]) -> None:
        self.settings, self.log = settings, log
        self.pools: dict[Hosted, Pool] = {}

    def __getitem__(self, hosted: Hosted) -> Pool:
        """The pool of a model.

        Raises:
            UserError: If the model reads no streams; says why.
        """
        if hosted not in self.pools:
            for old in [old for old, pool in self.pools.items() if old.name == hosted.name and not len(pool)]:
                self.pools.pop(old).close()
            self.pools[hosted] = Pool(
                hosted.run.live(),
                sessions=self.settings.sessions,
                queue=self.settings.queue,
                lag=self.settings.lag,
                log=self.log,
            )
        return self.pools[hosted]

    def __len__(self) -> int:
        return sum(map(len, self.pools.values()))

    def close(self) -> None:
        """Stops all rounds."""
        for pool in self.pools.values():
            pool.close()
