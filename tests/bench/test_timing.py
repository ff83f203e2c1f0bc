"""Taking turns under a clock that the tests move, and the statistics by hand."""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable

import pytest
import torch

from throughtime.bench.timing import geometric_mean, interleave, quantile, ratios, summarise, timed
from throughtime.engine.threads import threads


class Clock:
    """Moves only when a run moves it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now

    def run(self, name: str, *seconds: float) -> Callable[[], float]:
        """Takes each of ``seconds`` in turn, the last one for ever, and returns what it took."""
        left = list(seconds)

        def play() -> float:
            took = left.pop(0) if len(left) > 1 else left[0]
            self.log.append(name)
            self.now += took
            return took

        return play


def test_runs_take_turns_after_a_warm_up() -> None:
    clock = Clock()
    runs = {"ours": clock.run("o", 0.1), "peer": clock.run("p", 0.2), "other": clock.run("x", 0.1)}
    figures = interleave(runs, 1.6, clock=clock)
    assert "".join(clock.log) == "opx" * 5  # one warm-up (0.4 s of the 0.16 s allowed), then four rounds in 1.6 s
    assert figures == {"ours": [0.1] * 4, "peer": [0.2] * 4, "other": [0.1] * 4}


def test_a_first_call_that_compiles_does_not_count() -> None:
    clock = Clock()
    figures = interleave({"ours": clock.run("o", 9.0, 0.5), "peer": clock.run("p", 0.5)}, 1.0, clock=clock)
    assert figures == {"ours": [0.5] * 3, "peer": [0.5] * 3}  # three rounds at least, though two fill the time


def test_a_slow_peer_is_run_once() -> None:
    clock = Clock()
    figures = interleave({"ours": clock.run("o", 0.5), "peer": clock.run("p", 10.0)}, 2.0, clock=clock)
    assert figures == {"ours": [0.5] * 4, "peer": [10.0]}
    assert "".join(clock.log) == "opoooo"
    assert ratios(figures["ours"], figures["peer"]) == [20.0]


def test_what_is_slow_on_both_sides_is_measured_once_each() -> None:
    clock = Clock()
    figures = interleave({"ours": clock.run("o", 5.0), "peer": clock.run("p", 7.0)}, 2.0, clock=clock)
    assert figures == {"ours": [5.0], "peer": [7.0]}
    assert "".join(clock.log) == "opo"


def test_short_runs_stop_at_the_most_rounds_and_warm_up_longer() -> None:
    clock = Clock()
    figures = interleave({"ours": clock.run("o", 0.001)}, 1.0, at_most=50, clock=clock)
    assert len(figures["ours"]) == 50
    assert len(clock.log) == pytest.approx(150, abs=1)  # a tenth of a second of warm-up


def test_without_a_warm_up_every_run_counts() -> None:
    clock = Clock()
    runs = {"ours": clock.run("o", 3.0), "peer": clock.run("p", 1.0)}
    assert interleave(runs, 2.0, at_least=1, warm=False, clock=clock) == {"ours": [3.0], "peer": [1.0]}


def test_the_collector_rests_in_the_meantime() -> None:
    seen: list[bool] = []

    def run() -> float:
        seen.append(gc.isenabled())
        return 1.0

    interleave({"ours": run}, 1e-9)
    assert set(seen) == {False}
    assert gc.isenabled()


def test_preparing_a_step_is_not_counted() -> None:
    clock = Clock()
    measured = timed(clock.run("step", 2.0), clock.run("prepare", 5.0), clock)
    assert measured() == 2.0
    assert clock.log == ["prepare", "step"]


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before


def test_quantiles_are_those_of_the_statistics_module() -> None:
    values = [5.0, 1.0, 4.0, 2.5, 9.0, 7.0, 3.0]
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    for percent in (1, 25, 50, 75, 99):
        assert quantile(values, percent / 100) == pytest.approx(cuts[percent - 1])
    assert (quantile([3.0], 0.99), quantile(values, 0.0), quantile(values, 1.0)) == (3.0, 1.0, 9.0)


def test_a_summary_and_a_mean_by_hand() -> None:
    assert summarise([0.004, 0.001, 0.002, 0.003], 1e3) == {
        "median": 2.5,
        "q1": 1.75,
        "q3": 3.25,
        "min": 1.0,
        "max": 4.0,
        "runs": 4,
    }
    assert geometric_mean([1.0, 10.0, 100.0]) == pytest.approx(10.0)
    assert math.isclose(geometric_mean([3.0]), 3.0)
