"""Sound that comes at another rate than it is wanted at, and can be taken up elsewhere.

The library that changes rates (libsoxr) shows nothing of what it holds. It is made of filters that forget: which bits
come out depends on the last samples alone, and on how many came before. So another of its streams that has read as many
zeros, and then those samples, goes on with the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from throughtime.data.speech.audio import Samples
from throughtime.extras import extra

REMEMBERED = 4096
"""Samples of the lower of both rates that its filters remember at most: measured, 2,400."""

ZEROS = 1 << 16
"""That are read at once."""


class Resampler:
    """Changes the rate of samples as they come; however these are cut, what comes out is the same.

    Args:
        given: Samples a second that come.
        wanted: Samples a second that go.
    """

    def __init__(self, given: int, wanted: int) -> None:
        library = extra("soxr", "speech", "audio at another rate")
        self.stream = library.ResampleStream(given, wanted, 1, dtype="float32")
        self.most = max(REMEMBERED, REMEMBERED * given // wanted)
        self.read, self.latest = 0, np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Samples:
        """What is complete with these."""
        self.read += len(samples)
        self.latest = np.concatenate([self.latest, samples])[-self.most :]
        return self._through(samples)

    def finish(self) -> Samples:
        """What waited for more."""
        found: Samples = self.stream.resample_chunk(np.zeros(0, np.float32), last=True)
        return found

    def _through(self, samples: Samples) -> Samples:
        found: Samples = self.stream.resample_chunk(samples)
        return found

    def dump(self) -> dict[str, Any]:
        """All that another of the same rates needs to go on."""
        return {"read": self.read, "latest": self.latest.copy()}

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Goes on where another was dumped, before anything is read."""
        self.read, self.latest = dumped["read"], dumped["latest"]
        left = self.read - len(self.latest)
        while left > 0:
            self._through(np.zeros(min(left, ZEROS), np.float32))
            left -= ZEROS
        self._through(self.latest)
