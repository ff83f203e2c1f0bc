"""The loop itself, on a model of two weights whose every step can be worked out by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from throughtime.errors import UserError
from throughtime.models import Model, State
from throughtime.training import Evaluation, Observer, Plan, StepReport, Trainer, load_tensors, make_optimiser
from throughtime.training.schedules import factor


@dataclass(frozen=True)
class Numbers:
    """A batch whose numbers are the gradient."""

    values: tuple[float, float]
    tokens: int = 7


class Line(Model):
    """The loss is weight · values."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
        self.modes: list[bool] = []

    def loss(self, batch: Numbers, carried: State | None) -> tuple[Tensor, State | None]:
        self.modes.append(self.training)
        return (self.weight * torch.tensor(batch.values, dtype=torch.float64)).sum(), None


class Listed:
    """The same batches in every epoch; notes what was asked for."""

    def __init__(self, *values: tuple[float, float]) -> None:
        self.all = [Numbers(value) for value in values]
        self.asked: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.all)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Numbers]:
        self.asked.append((epoch, start))
        yield from self.all[start:]


class Reports(Observer):
    def __init__(self) -> None:
        self.steps: list[StepReport] = []
        self.evaluations: list[tuple[int, float, bool]] = []
        self.closed = 0

    def step(self, report: StepReport) -> None:
        self.steps.append(report)

    def evaluation(self, step: int, evaluation: Evaluation, best: bool) -> None:
        self.evaluations.append((step, evaluation.objective, best))

    def close(self) -> None:
        self.closed += 1


ONES = Listed((1.0, 0.0), (0.0, 1.0), (3.0, 4.0), (0.0, 0.0))
PLAN = Plan(steps=8, optimiser="sgd", lr=0.1, schedule="constant", clip_norm=None, log_every=1, evaluate_every=2)


def trainer_of(folder: Path, plan: Plan, **options: Any) -> tuple[Trainer[Numbers], Reports]:
    reports = Reports()
    source = options.pop("source", None) or Listed(*(batch.values for batch in ONES.all))
    return Trainer(Line(), source, plan, folder, observers=[reports], **options), reports


def test_steps_by_hand(tmp_path: Path) -> None:
    trainer, reports = trainer_of(tmp_path, replace(PLAN, steps=3, clip_norm=2.5))
    trainer.run()
    # Gradients [1, 0], [0, 1], and [3, 4] of norm 5, which is halved.
    expected = [1 - 0.1 * (1 + 0 + 1.5), 2 - 0.1 * (0 + 1 + 2.0)]
    assert trainer.model.weight.tolist() == pytest.approx(expected, rel=1e-12)
    assert [report.loss for report in reports.steps] == pytest.approx([1.0, 2.0, 3 * 0.9 + 4 * 1.9])
    assert [report.grad_norm for report in reports.steps] == pytest.approx([1.0, 1.0, 5.0])
    assert [report.clipped_share for report in reports.steps] == pytest.approx([0.0, 0.0, 1 / 3])
    assert [report.share for report in reports.steps] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert [(report.step, report.total, report.lr) for report in reports.steps] == [
        (1, 3, 0.1),
        (2, 3, 0.1),
        (3, 3, 0.1),
    ]
    assert trainer.progress.tokens == 21
    assert reports.closed == 1


def test_a_gradient_is_that_of_its_own_batch(tmp_path: Path) -> None:
    # The last batch has none; a gradient left from the batch before would move the weights again.
    trainer, _ = trainer_of(tmp_path, replace(PLAN, steps=4))
    trainer.run()
    assert trainer.model.weight.tolist() == pytest.approx([1 - 0.1 * 4, 2 - 0.1 * 5])


@pytest.mark.parametrize(
    ("epochs", "steps", "end"), [(1.0, 4, (1, 0)), (1.5, 6, (1, 2)), (0.01, 1, (0, 1)), (3, 12, (3, 0))]
)
def test_epochs(epochs: float, steps: int, end: tuple[int, int], tmp_path: Path) -> None:
    trainer, reports = trainer_of(tmp_path, replace(PLAN, steps=None, epochs=epochs))
    assert trainer.total == steps
    progress = trainer.run()
    assert progress.step == steps
    assert (progress.epoch, progress.index) == end
    assert progress.finished == "the plan is done"
    assert [report.epoch for report in reports.steps] == [(step + 1) // 4 for step in range(steps)]


def test_each_epoch_is_asked_for_by_its_number(tmp_path: Path) -> None:
    trainer, _ = trainer_of(tmp_path, replace(PLAN, steps=10))
    trainer.run()
    assert trainer.source.asked == [(0, 0), (1, 0), (2, 0)]  # type: ignore[attr-defined]
    again, _ = trainer_of(tmp_path, replace(PLAN, steps=13))
    again.resume()
    again.run()
    assert again.source.asked == [(2, 2), (3, 0)]  # type: ignore[attr-defined]


def test_the_schedule_sets_the_rate_of_every_step(tmp_path: Path) -> None:
    trainer, reports = trainer_of(tmp_path, replace(PLAN, schedule="linear", warmup=2))
    trainer.run()
    expected = [0.1 * min(1, (n + 1) / 2) * (0.01 + 0.99 * (1 - n / 8)) for n in range(8)]
    assert [report.lr for report in reports.steps] == pytest.approx(expected)
    moved = sum(rate * batch.values[0] for rate, batch in zip(expected, ONES.all * 2, strict=True))
    assert trainer.model.weight[0].item() == pytest.approx(1.0 - moved)


def test_metrics_are_lines_of_json(tmp_path: Path) -> None:
    figures = {"nats_per_token": 1.5}
    trainer, _ = trainer_of(tmp_path, replace(PLAN, log_every=3), evaluate=lambda: Evaluation(1.5, figures))
    trainer.run()
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    kinds = [(record["event"], record["step"]) for record in records]
    assert kinds == [
        ("evaluation", 2),
        ("step", 3),
        ("evaluation", 4),
        ("step", 6),
        ("evaluation", 6),
        ("evaluation", 8),
    ]
    assert records[0] | {"seconds": 0} == {"event": "evaluation", "step": 2, "best": True, "seconds": 0, **figures}
    third = records[1]
    assert third["loss"] == pytest.approx(3 * 0.9 + 4 * 1.9)
    assert (third["epoch"], third["lr"], third["grad_norm"], third["clipped_share"]) == (0, 0.1, 5.0, 0.0)


def test_training_and_evaluation_have_their_modes(tmp_path: Path) -> None:
    modes: list[bool] = []

    def evaluate() -> Evaluation:
        modes.append(trainer.model.training)
        return Evaluation(0.0)

    trainer, _ = trainer_of(tmp_path, PLAN, evaluate=evaluate)
    trainer.run()
    assert modes == [False] * 4
    assert trainer.model.modes == [True] * 8  # type: ignore[union-attr]


class Clock:
    """Time that passes only when something is computed."""

    def __init__(self, now: float) -> None:
        self.now = now

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(1000.0)
    loss = Line.loss

    def slow(self: Line, batch: Numbers, carried: State | None) -> tuple[Tensor, State | None]:
        clock.now += 10.0
        return loss(self, batch, carried)

    for module in ("trainer", "processes.clock"):
        monkeypatch.setattr(f"throughtime.training.{module}.time", clock)
    monkeypatch.setattr(Line, "loss", slow)
    return clock


def test_minutes_bound_a_run(clock: Clock, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=None, minutes=1.0, schedule="linear", checkpoint_seconds=1e9)
    trainer, reports = trainer_of(tmp_path, plan)
    progress = trainer.run()
    assert progress.step == 6
    assert progress.seconds == 60.0
    assert progress.finished == "the plan is done"
    # The schedule follows the clock; so does the time left.
    assert [report.lr for report in reports.steps] == pytest.approx(
        [0.1 * factor("linear", n / 6, n) for n in range(6)]
    )
    assert [report.seconds_left for report in reports.steps] == pytest.approx([50, 40, 30, 20, 10, 0])
    assert [report.total for report in reports.steps] == [None] * 6
    assert [report.tokens_per_second for report in reports.steps] == pytest.approx([0.7] * 6)


def test_evaluations_end_with_the_minutes(clock: Clock, tmp_path: Path) -> None:
    trainer, _ = trainer_of(tmp_path, replace(PLAN, steps=None, minutes=2.0, evaluate_every=1))
    judged: list[int] = []

    def evaluate() -> Evaluation:
        clock.now += 12.0
        judged.append(trainer.progress.step)
        return Evaluation(1.0)

    trainer.evaluate = evaluate
    progress = trainer.run()
    assert judged == [1, 2, 3, 4, 6]  # that after the fifth step would leave no time for the last
    assert progress.seconds == 120.0


def test_minutes_count_over_all_resumptions_but_not_between(clock: Clock, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=None, minutes=1.0)
    first, reports = trainer_of(tmp_path, plan)
    reports.step = lambda report: first.stop() if report.step == 2 else None  # type: ignore[method-assign]
    first.run()
    clock.now += 5000.0
    second, _ = trainer_of(tmp_path, plan)
    second.resume()
    progress = second.run()
    assert (progress.step, progress.seconds) == (6, 60.0)
    longer, _ = trainer_of(tmp_path, replace(plan, minutes=1.5))
    longer.resume()
    assert longer.run().step == 9


@pytest.mark.parametrize(("steps", "minutes", "expected"), [(3, 1.0, 3), (50, 1.0, 6)])
def test_the_first_bound_ends_the_run(clock: Clock, steps: int, minutes: float, expected: int, tmp_path: Path) -> None:
    trainer, _ = trainer_of(tmp_path, replace(PLAN, steps=steps, minutes=minutes))
    assert trainer.run().step == expected


def test_checkpoints_are_written_by_the_clock(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, _ = trainer_of(tmp_path, replace(PLAN, checkpoint_seconds=30.0))
    saved: list[int] = []
    save = trainer.save
    monkeypatch.setattr(trainer, "save", lambda: (saved.append(trainer.progress.step), save()))
    trainer.run()
    assert saved == [0, 3, 6, 8]
    assert load_tensors(tmp_path / "checkpoint.safetensors")[1]["progress"]["step"] == 8


def refused(act: Callable[[], object]) -> str:
    with pytest.raises((UserError, ValueError)) as caught:
        act()
    return str(caught.value)


def test_there_must_be_something_to_train_on(tmp_path: Path) -> None:
    trainer, _ = trainer_of(tmp_path, PLAN, source=Listed((1.0, 1.0)))
    trainer.source.all.clear()  # type: ignore[attr-defined]
    assert "expected at least one batch to train on, got none" in refused(trainer.run)


def test_a_checkpoint_that_stands_behind_the_end_of_its_data(tmp_path: Path) -> None:
    first, reports = trainer_of(tmp_path, PLAN)
    reports.step = lambda report: first.stop() if report.step == 3 else None  # type: ignore[method-assign]
    first.run()
    second, _ = trainer_of(tmp_path, PLAN, source=Listed((1.0, 1.0), (2.0, 2.0)))
    second.resume()
    assert "the checkpoint stands at batch 3 of an epoch that has 2" in refused(second.run)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0.0),
        ("epochs", -1.0),
        ("epochs", math.nan),
        ("steps", 0),
        ("minutes", 0.0),
        ("lr", 0.0),
        ("lr", math.inf),
        ("evaluate_every", 0),
        ("patience", 0),
        ("log_every", 0),
        ("warmup", -1),
        ("optimiser", "adamm"),
        ("schedule", "cosin"),
    ],
)
def test_a_plan_out_of_range(name: str, value: Any) -> None:
    assert name in refused(lambda: replace(PLAN, **{name: value}))


def test_unknown_names_are_not_taken_for_others() -> None:
    assert "'rmsprop'" in refused(lambda: make_optimiser("rmsprop", [nn.Parameter(torch.ones(1))], 0.1))  # type: ignore[arg-type]
    assert "'cosin'" in refused(lambda: factor("cosin", 0.5, 3))  # type: ignore[arg-type]
