"""Timing in turns, and what is said about the timings: medians, spread, ratios."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

Clock = Callable[[], float]


def interleave(
    runs: Mapping[str, Callable[[], float]],
    seconds: float,
    *,
    at_least: int = 3,
    at_most: int = 300,
    warm: bool = True,
    slow: float | None = None,
    clock: Clock = time.perf_counter,
) -> dict[str, list[float]]:
    """Calls measurements in turns, round by round, so that whatever slows the machine down slows all of them.

    Rounds go on until ``seconds`` are over, but for ``at_least`` rounds. They are warmed up before, at least
    once, for up to a tenth of that time. What takes longer than ``slow`` for one run is measured once; of the
    peers, which have nothing to compile, the first run then counts.

    Args:
        runs: Measurements by name, ours first. Each returns its figure, as :func:`timed` does.
        seconds: Time for all rounds together.
        at_least: Rounds, however long they take.
        at_most: Rounds, however short they are.
        warm: Warm up; needless where every measurement is a process of its own.
        slow: Seconds; as many as for all rounds where None.
        clock: Seconds that pass.

    Returns:
        The figures of every measurement, round by round.
    """
    ours = next(iter(runs))
    figures: dict[str, list[float]] = {name: [] for name in runs}
    limit = seconds if slow is None else slow
    done: set[str] = set()

    def play(name: str, warming: bool) -> None:
        began = clock()
        figure = runs[name]()
        too_slow = clock() - began > limit
        if too_slow and not (warming and name == ours):
            done.add(name)
        if not warming or name in done:
            figures[name].append(figure)

    with no_collector():
        began, rounds = clock(), 0
        while warm and (not rounds or clock() - began < seconds / 10):
            for name in runs:
                if name not in done:
                    play(name, warming=True)
            rounds += 1
        began, rounds = clock(), 0
        while rounds < at_most and (rounds < at_least or clock() - began < seconds) and ours not in done:
            for name in runs:
                if name not in done:
                    play(name, warming=False)
            rounds += 1
    return figures


def timed(
    step: Callable[[], object], prepare: Callable[[], object] | None = None, clock: Clock = time.perf_counter
) -> Callable[[], float]:
    """A measurement of the seconds that a step takes; ``prepare`` is called before it and not counted."""

    def run() -> float:
        if prepare is not None:
            prepare()
        began = clock()
        step()
        return clock() - began

    return run


@contextmanager
def no_collector() -> Iterator[None]:
    """Python's garbage collector waits, for it would run in the middle of somebody's turn."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies, between two values by a straight line.

    Example:
        >>> quantile([4.0, 1.0, 3.0, 2.0], 0.5), quantile([1.0, 2.0], 0.99)
        (2.5, 1.99)
    """
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def summarise(values: Sequence[float], scale: float = 1.0) -> dict[str, float]:
    """Median, quartiles, extremes and the number of runs.

    Example:
        >>> summarise([0.001, 0.002, 0.003], scale=1e3)
        {'median': 2.0, 'q1': 1.5, 'q3': 2.5, 'min': 1.0, 'max': 3.0, 'runs': 3}
    """
    shares = {"median": 0.5, "q1": 0.25, "q3": 0.75, "min": 0.0, "max": 1.0}
    return {**{name: rounded(scale * quantile(values, share)) for name, share in shares.items()}, "runs": len(values)}


def ratios(ours: Sequence[float], peer: Sequence[float]) -> list[float]:
    """How many times ours goes into the peer's, round by round, in the rounds that both were in."""
    return [theirs / own for own, theirs in zip(ours, peer, strict=False)]


def geometric_mean(values: Sequence[float]) -> float:
    """The mean of ratios: twice as fast here and half as fast there are 1 together.

    Example:
        >>> geometric_mean([2.0, 0.5])
        1.0
    """
    return math.exp(sum(map(math.log, values)) / len(values))


def rounded(value: float) -> float:
    """Five significant digits: more are noise, and a burden in files.

    Example:
        >>> rounded(1234.5678), rounded(0.00123456789)
        (1234.6, 0.0012346)
    """
    return float(f"{value:.5g}")
