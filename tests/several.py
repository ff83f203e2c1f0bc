"""What each of three processes does in the tests of trainings by several."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from throughtime.api import Watching, running
from throughtime.tasks import find_task
from throughtime.training import Observer, StepReport, Trainer
from throughtime.training.processes import Ranks, acting_as

COUNT = 3


@dataclass(frozen=True)
class Case:
    """A training: its task, data and settings."""

    task: str
    data: Sequence[str]
    settings: dict[str, Any]


class LostError(Exception):
    """Stands for a power cut."""


class At(Observer):
    """Does something after a step, in one process or in all."""

    def __init__(self, step: int, act: Callable[[], object]) -> None:
        self.at, self.act = step, act

    def step(self, report: StepReport) -> None:
        if report.step == self.at:
            self.act()


def lose() -> None:
    raise LostError


def train(case: Case, out: Path, resumed: bool, watch: Callable[[Trainer[Any]], Observer] | None, **more: Any) -> None:
    """Begins a run or goes on with it, as the command does; ``watch`` makes what hears of every step."""
    run = Trainer.run

    def watched(self: Trainer[Any]) -> Any:
        self.observers = [*self.observers, *([watch(self)] if watch else [])]
        return run(self)

    Trainer.run = watched  # type: ignore[method-assign]
    try:
        task, watching = find_task(case.task), Watching(progress=False, watch=True)
        if resumed:
            running.resume(task, out, None, more, watching)
        else:
            running.begin(task, list(case.data), out, {**case.settings, **more}, watching)
    finally:
        Trainer.run = run  # type: ignore[method-assign]


def work(number: int, folder: Path, cases: dict[str, Case]) -> None:
    """Trains each case by 1, 2 and 3 processes, and by 3, 1 and then 2 that are lost or stopped between."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=COUNT)
    groups = {count: dist.new_group(list(range(count))) for count in range(1, COUNT + 1)}

    def by(count: int, *arguments: Any, **more: Any) -> None:
        if number < count:
            with acting_as(Ranks(groups[count])), suppress(LostError):
                train(*arguments, **more)
        dist.barrier()

    def stopping(trainer: Trainer[Any]) -> Observer:
        return At(8, trainer.stop if number == 1 else int)  # a signal, to one of two

    for name, case in cases.items():
        for count in groups:
            by(count, case, folder / f"{name}.{count}", False, None)
        broken = folder / f"{name}.broken"
        by(3, case, broken, False, lambda _: At(4, lose), checkpoint_seconds=0)
        by(2, case, broken, True, stopping, checkpoint_seconds=1e9)
        by(1, case, broken, True, None, checkpoint_seconds=0)
    dist.destroy_process_group()
    os._exit(0)
