"""Prefix beam search: the likeliest labellings of frames, each over all of its paths (Graves 2012; Hannun et al. 2014).

A prefix is what a labelling begins with. The search keeps, of each prefix, the probability of its paths that end in
blank and of those that end in its last symbol, since only these two go on differently::

    blank'(l)   = (blank(l) + symbol(l)) p(blank)
    symbol'(l)  = symbol(l) p(last of l)  +  what comes from l without its last symbol, as below
    symbol'(lk) = blank(l) p(k)                  where k is the last symbol of l: only a blank keeps them apart
                = (blank(l) + symbol(l)) p(k)    else

What a language model says depends on the prefix alone, so that it stands beside the paths' probability, and prefixes
are kept by ``acoustic + alpha language + beta units`` (shallow fusion).

Shapes::

    T  frames        V  symbols, blank among them        K  prefixes kept        C  symbols considered at a frame
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from throughtime.runtime.ctc.reading import Floats, Fusion, Ids, Reading

SLACK = 64
"""Prefixes that may be remembered before it is looked whether all that are kept share a stem."""


@dataclass(frozen=True)
class CTCBeam:
    """How to search.

    Attributes:
        width: Prefixes that are kept at every frame, K.
        alpha: Weight of the language model's log-probability.
        beta: Bonus for every unit: a symbol, or what the language model counts, such as a word. It makes up for what
            each further unit costs.
        prune: A symbol is considered at a frame where its log-probability is at most this much below the best one's,
            in nats.
        drop: A prefix is kept where its score is at most this much below the best one's, in nats. Without it old
            doubts are kept for ever while frames are sure.

    Raises:
        ValueError: If a setting is out of range.
    """

    width: int = 16
    alpha: float = 0.5
    beta: float = 0.0
    prune: float = 10.0
    drop: float = 20.0

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"expected a beam of at least 1, got {self.width}")
        if not 0 <= self.alpha < math.inf:
            raise ValueError(f"expected a language weight alpha of at least 0, got {self.alpha}")
        if not math.isfinite(self.beta):
            raise ValueError(f"expected a finite bonus beta, got {self.beta}")
        for name in ("prune", "drop"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"expected {name} to be a distance of at least 0 nats, got {getattr(self, name)}")

    def score(self, acoustic: float, language: float, units: int) -> float:
        """What hypotheses are ordered by."""
        return acoustic + self.alpha * language + self.beta * units


@dataclass(frozen=True)
class CTCHypothesis:
    """A labelling that a search found.

    Attributes:
        symbols: The labelling, without blanks.
        score: What hypotheses are ordered by.
        acoustic: Log-probability of the paths that were kept, in nats.
        language: Log-probability in the language model, in nats; 0 without one.
        units: What the bonus counts: symbols, or the language model's units.
    """

    symbols: tuple[int, ...]
    score: float
    acoustic: float
    language: float
    units: int


class _Prefix:
    """A prefix by its last symbol and the prefix before that one; there is one object of each at a time."""

    __slots__ = ("__weakref__", "before", "depth", "symbol")

    def __init__(self, before: _Prefix | None, symbol: int) -> None:
        self.before, self.symbol = before, symbol
        self.depth: int = before.depth + 1 if before else 0


class _Kept(NamedTuple):
    """What the search knows of a prefix that it keeps, beside its paths.

    Attributes:
        prefix: Which it is.
        reading: What the language model makes of it.
        further: The same with one more symbol, of those that were considered: nothing is asked twice.
    """

    prefix: _Prefix
    reading: Reading
    further: dict[int, Reading]


class CTCSearch:
    """The search over frames as they come; however they are cut, the result is that of the whole.

    What all kept prefixes begin with is taken off and kept once, so that memory grows with the text alone.

    Args:
        beam: How to search.
        lm: A language model.
        blank: The symbol that stands for none.

    Example:
        >>> search = CTCSearch(CTCBeam())
        >>> search.read(np.log([[0.2, 0.8], [0.6, 0.4]]))
        >>> search.read(np.log([[0.7, 0.3]]))
        >>> [(h.symbols, round(math.exp(h.acoustic), 3)) for h in search.best()]
        [((1,), 0.772), ((1, 1), 0.144), ((), 0.084)]
    """

    def __init__(self, beam: CTCBeam, lm: Fusion | None = None, blank: int = 0) -> None:
        self.beam, self.lm, self.blank = beam, lm, blank
        self._stem: list[int] = []
        self._known: WeakValueDictionary[tuple[_Prefix, int], _Prefix] = WeakValueDictionary()
        self._most_known = SLACK
        start = Reading(0.0, 0, lm.start() if lm else None)
        self._kept = [_Kept(_Prefix(None, -1), start, {})]
        # Of the paths that end in blank, and in the prefix's last symbol; the path before the first frame is as blank.
        self._in_blank, self._in_symbol = np.zeros(1), np.full(1, -np.inf)
        # What each symbol adds to the score of each prefix, [K, V]; not a number where that was not asked yet.
        self._added = np.full((1, 0), np.nan)

    def read(self, frames: Floats) -> None:
        """Reads further frames, log-probabilities ``[t, V]``."""
        if not self._added.size:
            self._added = np.full((1, frames.shape[1]), np.nan if self.lm else self.beam.beta)
        for frame in frames:
            self._read(frame)
            if len(self._known) > self._most_known:
                self._take_stem()

    def best(self) -> list[CTCHypothesis]:
        """The labellings of all frames so far as whole ones, the best first; more frames may follow."""
        acoustic = np.logaddexp(self._in_blank, self._in_symbol).tolist()
        readings = [kept.reading for kept in self._kept]
        if self.lm:
            ends = self.lm.finish([reading.state for reading in readings])
            readings = [reading.then(end) for reading, end in zip(readings, ends, strict=True)]
        found = [
            CTCHypothesis(
                self._symbols(kept.prefix),
                self.beam.score(heard, reading.log_prob, reading.units),
                heard,
                reading.log_prob,
                reading.units,
            )
            for kept, heard, reading in zip(self._kept, acoustic, readings, strict=True)
        ]
        return sorted(found, key=lambda hypothesis: -hypothesis.score)

    def latest(self, count: int) -> Sequence[int]:
        """The last symbols, at most so many, of the prefix that leads; what its end would add is not asked."""
        found: list[int] = []
        at: _Prefix | None = self._kept[0].prefix
        while len(found) < count and at is not None and at.before is not None:
            found.append(at.symbol)
            at = at.before
        rest = count - len(found)
        return [*self._stem[max(0, len(self._stem) - rest) :], *found[::-1]] if rest else found[::-1]

    def dump(self) -> dict[str, Any]:
        """All that it holds, as plain data and arrays; prefixes stand behind those that they go on from."""
        prefixes: dict[_Prefix, int] = {}
        for kept in self._kept:
            for each in _way(kept.prefix):
                prefixes.setdefault(each, len(prefixes))
        readings = [reading for kept in self._kept for reading in (kept.reading, *kept.further.values())]
        return {
            "stem": list(self._stem),
            "prefixes": [[prefixes[each.before] if each.before else -1, each.symbol] for each in prefixes],
            "kept": [[prefixes[kept.prefix], list(kept.further)] for kept in self._kept],
            "readings": [[reading.log_prob, reading.units] for reading in readings],
            "states": self.lm.dump([reading.state for reading in readings]) if self.lm else None,
            "in_blank": self._in_blank,
            "in_symbol": self._in_symbol,
            "added": self._added.copy(),
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Goes on where another of the same beam and language model was dumped."""
        prefixes: list[_Prefix] = []
        for before, symbol in dumped["prefixes"]:
            prefixes.append(_Prefix(prefixes[before] if before >= 0 else None, symbol))
            if before >= 0:
                self._known[prefixes[before], symbol] = prefixes[-1]
        states = self.lm.load(dumped["states"]) if self.lm else [None] * len(dumped["readings"])
        told = zip(dumped["readings"], states, strict=True)
        readings = iter([Reading(log_prob, units, state) for (log_prob, units), state in told])
        self._kept = [
            _Kept(prefixes[at], next(readings), {symbol: next(readings) for symbol in further})
            for at, further in dumped["kept"]
        ]
        self._stem = list(dumped["stem"])
        self._in_blank, self._in_symbol, self._added = (dumped[name] for name in ("in_blank", "in_symbol", "added"))

    def _read(self, frame: Floats) -> None:
        """One more frame, ``[V]``."""
        symbols = self._considered(frame)
        last = np.array([kept.prefix.symbol for kept in self._kept])
        both = np.logaddexp(self._in_blank, self._in_symbol)
        in_blank, in_symbol = both + frame[self.blank], self._in_symbol + frame[last]
        grown = np.where(last[:, None] == symbols, self._in_blank[:, None], both[:, None]) + frame[symbols]  # [K, C]
        # A kept prefix that another kept one leads to is the same, whichever way it comes.
        rows: dict[_Prefix | None, int] = {kept.prefix: row for row, kept in enumerate(self._kept)}
        origins = np.array([rows.get(kept.prefix.before, -1) for kept in self._kept])
        to = np.flatnonzero(origins >= 0)
        origin, symbol = origins[to], last[to]
        came = np.where(last[origin] == symbol, self._in_blank[origin], both[origin]) + frame[symbol]
        in_symbol[to] = np.logaddexp(in_symbol[to], came)
        places = np.full(len(frame), -1)
        places[symbols] = np.arange(len(symbols))
        among = places[symbol] >= 0
        grown[origin[among], places[symbol[among]]] = -np.inf
        self._choose(symbols, in_blank, in_symbol, grown)

    def _considered(self, frame: Floats) -> Ids:
        """The symbols that a prefix may grow by, ascending, ``[C]``."""
        near = (frame >= frame.max() - self.beam.prune) & (frame > -np.inf)
        near[self.blank] = False
        return np.flatnonzero(near)

    def _choose(self, symbols: Ids, in_blank: Floats, in_symbol: Floats, grown: Floats) -> None:
        """Keeps the best of the K prefixes as they were and of the K × C that are longer by a symbol."""
        if self.lm:
            self._ask(self.lm, symbols)
        weighted = np.array([self.beam.score(0.0, kept.reading.log_prob, kept.reading.units) for kept in self._kept])
        stayed = np.logaddexp(in_blank, in_symbol) + weighted
        longer = grown + self._added[:, symbols] + weighted[:, None]
        scores = np.concatenate([stayed, longer.ravel()])
        order = np.argsort(-scores, kind="stable")[: self.beam.width]
        best = scores[order[0]]
        order = order[(scores[order] > -np.inf) & (scores[order] >= best - self.beam.drop)]
        if not len(order):
            raise ValueError("expected log-probabilities, got a frame at which no labelling is possible")
        size = len(stayed)
        self._in_blank = np.concatenate([in_blank, np.full(grown.size, -np.inf)])[order]
        self._in_symbol = np.concatenate([in_symbol, grown.ravel()])[order]
        stay = order < size
        grow = order - size
        rows = np.where(stay, order, grow // max(1, len(symbols)))
        self._added = self._added[rows]
        if self.lm:
            self._added[~stay] = np.nan
        self._kept = [
            self._kept[row] if place < 0 else self._longer(self._kept[row], int(symbols[place % len(symbols)]))
            for row, place in zip(rows.tolist(), grow.tolist(), strict=True)
        ]

    def _ask(self, lm: Fusion, symbols: Ids) -> None:
        """Asks the language model what was not asked yet of the prefixes and the symbols that they may grow by."""
        rows, places = np.nonzero(np.isnan(self._added[:, symbols]))
        if not len(rows):
            return
        kept, chosen = [self._kept[row] for row in rows.tolist()], symbols[places].tolist()
        steps = lm.extend([each.reading.state for each in kept], chosen)
        for each, symbol, step in zip(kept, chosen, steps, strict=True):
            each.further[symbol] = each.reading.then(step)
        self._added[rows, symbols[places]] = [self.beam.score(0.0, step.log_prob, step.units) for step in steps]

    def _longer(self, kept: _Kept, symbol: int) -> _Kept:
        """A kept prefix with one more symbol."""
        key = (kept.prefix, symbol)
        prefix = self._known.get(key)
        if prefix is None:
            prefix = self._known[key] = _Prefix(kept.prefix, symbol)
        return _Kept(prefix, kept.further[symbol] if self.lm else kept.reading.then(Reading(0.0, 1, None)), {})

    def _symbols(self, prefix: _Prefix) -> tuple[int, ...]:
        """The whole labelling of a prefix."""
        return (*self._stem, *_path(prefix))

    def _take_stem(self) -> None:
        """Takes off what all kept prefixes begin with."""
        front = {kept.prefix for kept in self._kept}
        while len(front) > 1:
            deepest = max(front, key=lambda prefix: prefix.depth)
            assert deepest.before is not None  # only the shortest has nothing before it, and it is never the deepest
            front = front - {deepest} | {deepest.before}
        stem = front.pop()
        if stem.before is not None:
            self._stem += _path(stem)
            del self._known[stem.before, stem.symbol]
            stem.before = None
        self._most_known = 2 * len(self._known) + SLACK


def _way(prefix: _Prefix) -> list[_Prefix]:
    """The prefixes that lead to one, the stem first, itself last."""
    found = [prefix]
    while (before := found[-1].before) is not None:
        found.append(before)
    return found[::-1]


def _path(prefix: _Prefix) -> list[int]:
    """The symbols of a prefix, those of the stem not among them."""
    return [each.symbol for each in _way(prefix)[1:]]
