"""The likeliest path through frames, with the time of every symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime.runtime.ctc.reading import Floats
from throughtime.runtime.ctc.search import CTCHypothesis

BLANK = 0
"""The symbol that stands for none."""


@dataclass(frozen=True)
class Sounded:
    """A symbol that was heard.

    Attributes:
        symbol: Which.
        first: The first step that it was heard in.
        last: The last one.
        probability: The highest that it had in them.
    """

    symbol: int
    first: int
    last: int
    probability: float


class BestPath:
    """The best path, with the time of every symbol; memory grows with the text alone.

    Example:
        >>> search = BestPath()
        >>> search.read(np.log([[0.1, 0.9], [0.2, 0.8]]))
        >>> search.read(np.log([[0.2, 0.8], [0.7, 0.3]]))
        >>> [(one.symbol, one.first, one.last) for one in search.sounded]
        [(1, 0, 2)]
    """

    def __init__(self) -> None:
        self.sounded: list[Sounded] = []
        self.log_prob = 0.0
        self._steps, self._before = 0, BLANK

    def read(self, frames: Floats) -> None:
        """Reads further steps, log-probabilities ``[t, V]``."""
        sure = frames.max(1)
        for symbol, value in zip(frames.argmax(1).tolist(), np.exp(sure).tolist(), strict=True):
            if symbol != BLANK and symbol == self._before:
                begun = self.sounded[-1]
                self.sounded[-1] = Sounded(symbol, begun.first, self._steps, max(begun.probability, value))
            elif symbol != BLANK:
                self.sounded.append(Sounded(symbol, self._steps, self._steps, value))
            self._before = symbol
            self._steps += 1
        self.log_prob += float(sure.sum())

    def best(self) -> list[CTCHypothesis]:
        """The labelling of the best path, scored by that path."""
        symbols = tuple(one.symbol for one in self.sounded)
        return [CTCHypothesis(symbols, self.log_prob, self.log_prob, 0.0, len(symbols))]

    def latest(self, count: int) -> Sequence[int]:
        """The last symbols so far."""
        return [one.symbol for one in self.sounded[-count:]]

    def dump(self) -> dict[str, Any]:
        """All that it holds, as plain data."""
        sounded = [[one.symbol, one.first, one.last, one.probability] for one in self.sounded]
        return {"sounded": sounded, "log_prob": self.log_prob, "steps": self._steps, "before": self._before}

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Goes on where another was dumped."""
        self.sounded = [Sounded(*one) for one in dumped["sounded"]]
        self.log_prob, self._steps, self._before = dumped["log_prob"], dumped["steps"], dumped["before"]
