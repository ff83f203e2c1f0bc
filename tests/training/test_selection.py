"""Which weights a run keeps, when it stops, and what an evaluation without improvement brings about."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from throughtime.models import Model, State
from throughtime.training import Evaluation, Observer, Plan, StepReport, Trainer, load_tensors


@dataclass(frozen=True)
class One:
    tokens: int = 1


class Falling(Model):
    """One weight with the gradient 1: after n steps at a rate of 0.1 it is -0.1 n."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def loss(self, batch: One, carried: State | None) -> tuple[Tensor, State | None]:
        return self.weight.sum(), None


class Endless:
    def __len__(self) -> int:
        return 1000

    def batches(self, epoch: int, start: int = 0) -> Iterator[One]:
        return iter([One()] * (1000 - start))


class Rates(Observer):
    def __init__(self) -> None:
        self.rates: list[float] = []

    def step(self, report: StepReport) -> None:
        self.rates.append(report.lr)


class Script:
    """Evaluations with the objectives of a script; notes the weight that each saw."""

    def __init__(self, folder: Path, plan: Plan, objectives: list[float]) -> None:
        self.objectives, self.seen, self.steps = iter(objectives), list[float](), list[int]()
        self.observer = Rates()
        self.trainer: Trainer[One] = Trainer(Falling(), Endless(), plan, folder, self, [self.observer])

    def __call__(self) -> Evaluation:
        objective = next(self.objectives)
        self.seen.append(self.weight)
        self.steps.append(self.trainer.progress.step)
        return Evaluation(objective, {"objective": objective})

    @property
    def weight(self) -> float:
        return float(self.trainer.model.weight.detach())  # type: ignore[arg-type]

    @property
    def kept(self) -> float:
        return load_tensors(self.trainer.folder / "model.safetensors")[0]["weight"].item()


PLAN = Plan(steps=10, optimiser="sgd", lr=0.1, schedule="constant", evaluate_every=2, clip_norm=None)


def test_the_best_weights_are_kept_not_the_last(tmp_path: Path) -> None:
    script = Script(tmp_path, PLAN, [5.0, 4.0, 3.0, 3.0, 6.0])
    progress = script.trainer.run()
    assert script.seen == pytest.approx([-0.2, -0.4, -0.6, -0.8, -1.0])
    assert script.kept == pytest.approx(-0.6)  # as good is not better
    assert script.weight == pytest.approx(-1.0)
    assert (progress.best, progress.best_step, progress.best_figures) == (3.0, 6, {"objective": 3.0})
    assert (progress.stale, progress.drops) == (2, 2)


def test_an_evaluation_that_is_no_number_is_no_improvement(tmp_path: Path) -> None:
    script = Script(tmp_path, PLAN, [math.nan, 5.0, math.nan, 6.0, math.nan])
    assert script.trainer.run().best_step == 4
    assert script.kept == pytest.approx(-0.4)


def test_without_validation_the_last_weights_are_kept(tmp_path: Path) -> None:
    trainer: Trainer[One] = Trainer(Falling(), Endless(), replace(PLAN, steps=3), tmp_path)
    trainer.run()
    kept = load_tensors(tmp_path / "model.safetensors")[0]["weight"]
    assert kept.tolist() == pytest.approx([-0.3])


@pytest.mark.parametrize(
    ("patience", "objectives", "steps"),
    [
        (1, [5.0, 4.0, 4.5], 6),
        (2, [5.0, 6.0, 4.0, 6.0, 4.0], 10),  # an improvement begins the count anew
        (2, [5.0, 6.0, 7.0], 6),
        (None, [5.0, 6.0, 7.0, 8.0, 9.0], 10),
    ],
)
def test_patience(patience: int | None, objectives: list[float], steps: int, tmp_path: Path) -> None:
    script = Script(tmp_path, replace(PLAN, patience=patience), objectives)
    progress = script.trainer.run()
    assert progress.step == steps
    assert next(script.objectives, None) is None
    stopped = patience is not None and progress.stale >= patience
    assert progress.finished == (f"no improvement in {patience} evaluations" if stopped else "the plan is done")


LITTLE = replace(PLAN, steps=None, epochs=0.01, least_steps=20, evaluate_every=None)
"""Passes over the 1,000 batches that come to ten steps, and twice as many at least: an evaluation every two."""


@pytest.mark.parametrize(
    ("change", "objectives", "steps"),
    [
        ({}, [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0], 20),
        ({}, [9.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0], 14),  # half of the run without improvement
        ({"patience": 2}, [9.0, 8.0, 8.0, 8.0], 8),
        ({"patience": 10}, [9.0] * 10, 20),
        ({"evaluate_every": 1}, [9.0] * 20, 20),  # evaluations of the user's own are no tenths
        ({"least_steps": 10}, [9.0] * 10, 10),  # as many as passes come to: nothing is longer
        ({"least_steps": 0}, [9.0] * 10, 10),
        ({"steps": 6}, [9.0] * 6, 6),
    ],
)
def test_a_run_of_the_least_steps_ends_sooner_where_half_of_it_brings_nothing(
    change: dict[str, Any], objectives: list[float], steps: int, tmp_path: Path
) -> None:
    script = Script(tmp_path, replace(LITTLE, **change), objectives)
    assert script.trainer.run().step == steps
    assert next(script.objectives, None) is None


@pytest.mark.parametrize(
    ("change", "judged", "told"),
    [
        ({}, True, "at least 20 steps: 0.01 passes over 1,000 batches are 10; ends sooner after 5 evaluations without"),
        ({"patience": 1}, True, "at least 20 steps: 0.01 passes over 1,000 batches are 10; ends sooner after 1 eval"),
        ({}, False, "at least 20 steps: 0.01 passes over 1,000 batches are 10"),
        ({"evaluate_every": 1}, True, "at least 20 steps: 0.01 passes over 1,000 batches are 10"),
        ({"least_steps": 10}, True, ""),
        ({"steps": 6}, True, ""),
        ({"minutes": 1.0}, True, ""),
    ],
)
def test_more_steps_than_passes_come_to_are_told(change: dict[str, Any], judged: bool, told: str) -> None:
    found = replace(LITTLE, **change).told(1000, judged)
    assert [line[: len(told)] for line in found] == ([told] if told else [])
    assert all(("ends sooner" in line) == ("ends sooner" in told) for line in found)


def test_plateau_divides_the_rate_after_every_evaluation_without_improvement(tmp_path: Path) -> None:
    script = Script(tmp_path, replace(PLAN, schedule="plateau"), [5.0, 6.0, 4.0, 4.5, 4.5])
    script.trainer.run()
    assert script.observer.rates == pytest.approx([0.1] * 4 + [0.1 / 4] * 4 + [0.1 / 16] * 2)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (40, [4, 8, 12, 16, 20, 24, 28, 32, 36, 40]),
        (25, [3, 5, 8, 10, 13, 15, 18, 20, 23, 25]),
        (4, [1, 2, 3, 4]),
        (1, [1]),
    ],
)
def test_ten_evaluations_a_run(steps: int, expected: list[int], tmp_path: Path) -> None:
    script = Script(tmp_path, replace(PLAN, steps=steps, evaluate_every=None), [1.0] * 20)
    script.trainer.run()
    assert script.steps == expected


@pytest.mark.parametrize(("every", "expected"), [(4, [4, 8, 10]), (5, [5, 10]), (99, [10])])
def test_the_end_is_always_evaluated_and_once(every: int, expected: list[int], tmp_path: Path) -> None:
    script = Script(tmp_path, replace(PLAN, evaluate_every=every), [3.0, 2.0, 1.0])
    script.trainer.run()
    assert script.steps == expected


def test_averaging_starts_when_validation_stops_improving(tmp_path: Path) -> None:
    script = Script(tmp_path, replace(PLAN, steps=12, optimiser="asgd"), [5.0, 4.0, 4.5, 4.2, 3.0, 2.0])
    averages: list[int] = []
    script.observer.evaluation = lambda *_: averages.append(script.trainer.averager.count)  # type: ignore[method-assign]
    script.trainer.run()
    # Started with the weights after step 6, -0.6; from then on evaluations see means.
    assert averages == [0, 0, 1, 3, 5, 7]
    means = [sum(range(6, last + 1)) / (last - 5) for last in (8, 10, 12)]
    assert script.seen == pytest.approx([-0.2, -0.4, -0.6, *(-0.1 * mean for mean in means)])
    assert script.kept == pytest.approx(-0.1 * means[-1])
    assert script.weight == pytest.approx(-1.2)  # training goes on from the weights, not from their mean


def test_averaging_starts_before_patience_ends_the_run(tmp_path: Path) -> None:
    script = Script(tmp_path, replace(PLAN, optimiser="asgd", patience=1), [5.0, 6.0, 4.0, 4.5])
    progress = script.trainer.run()
    # The first evaluation without improvement starts the average, the next one stops.
    assert progress.step == 8
    assert progress.finished == "no improvement in 1 evaluations"


def test_weights_are_averaged_over_the_end_of_the_run(tmp_path: Path) -> None:
    """After n steps the weight is -0.1 n: the mean over steps 6 to n is what evaluations see and the run keeps."""
    script = Script(tmp_path, replace(PLAN, average=0.5), [5.0, 4.0, 3.0, 2.0, 1.0])
    script.trainer.run()
    assert script.seen == pytest.approx([-0.2, -0.4, -0.6, -0.7, -0.8])
    assert script.weight == pytest.approx(-1.0)  # training goes on with its own
    assert script.kept == pytest.approx(-0.8)


def test_an_averaged_run_goes_on_with_its_average(tmp_path: Path) -> None:
    plan = replace(PLAN, average=0.5)
    first = Script(tmp_path, plan, [5.0, 4.0, 3.0, 2.0])
    first.trainer.observers = [*first.trainer.observers, Stopper(first.trainer, 8)]
    first.trainer.run()
    second = Script(tmp_path, plan, [1.0])
    second.trainer.resume()
    second.trainer.run()
    assert second.seen == pytest.approx([-0.8])


class Stopper(Observer):
    def __init__(self, trainer: Trainer[One], at: int) -> None:
        self.trainer, self.at = trainer, at

    def step(self, report: StepReport) -> None:
        if report.step == self.at:
            self.trainer.stop()


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected average to be at least 0 and less than 1, got 1"):
        replace(PLAN, average=1.0)
