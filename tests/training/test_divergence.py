"""A loss or a gradient that is infinite or no number ends the run at once, before it can spoil the weights."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from throughtime.models import Model, State
from throughtime.training import Observer, OptimiserName, Plan, StepReport, Trainer, TrainingDivergedError
from throughtime.training.restore import flatten_optimiser


@dataclass(frozen=True)
class Factors:
    """What a step's loss and its gradient are multiplied by, and what is added to the loss alone."""

    loss: float = 1.0
    gradient: float = 1.0
    added: float = 0.0
    tokens: int = 1


class Fragile(Model):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.still = nn.Parameter(torch.tensor([3.0]))

    def loss(self, batch: Factors, carried: State | None) -> tuple[Tensor, State | None]:
        watched = self.weight * 1.0
        watched.register_hook(lambda gradient: gradient * batch.gradient)
        return (watched.square().sum() + self.still.square().sum()) * batch.loss + batch.added, {"h": torch.ones(1)}


class Source:
    def __init__(self, poison: Factors, at: int) -> None:
        self.all = [poison if number == at else Factors() for number in range(1, 9)]

    def __len__(self) -> int:
        return len(self.all)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Factors]:
        return iter(self.all[start:])


class Before(Observer):
    """Keeps the state after every step that was reported."""

    def __init__(self) -> None:
        self.closed = False

    def step(self, report: StepReport) -> None:
        self.last = report.step
        self.weights = copy.deepcopy(self.trainer.model.state_dict())
        self.optimiser = copy.deepcopy(flatten_optimiser(self.trainer.optimiser)[0])
        self.means = copy.deepcopy(self.trainer.averager.means)

    def close(self) -> None:
        self.closed = True

    trainer: Trainer[Factors]


def make(
    folder: Path, poison: Factors, optimiser: OptimiserName = "adam", norm: float | None = 0.5
) -> tuple[Trainer[Factors], Before]:
    plan = Plan(epochs=2, optimiser=optimiser, lr=0.1, clip_norm=norm, checkpoint_seconds=0.0, log_every=1)
    before = Before()
    before.trainer = Trainer(Fragile(), Source(poison, at=4), plan, folder, observers=[before])
    return before.trainer, before


def equal(got: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return got.keys() == expected.keys() and all(torch.equal(got[name], value) for name, value in expected.items())


POISONS = {
    "loss is no number": (Factors(loss=math.nan), "loss nan, gradient norm nan"),
    "loss is infinite": (Factors(loss=math.inf), "loss inf, gradient norm inf"),
    "loss alone is infinite": (Factors(added=math.inf), "loss inf, gradient norm "),
    "loss alone is no number": (Factors(added=math.nan), "loss nan, gradient norm "),
    "gradient is infinite": (Factors(gradient=math.inf), "gradient norm inf"),
    "gradient is no number": (Factors(gradient=math.nan), "gradient norm nan"),
}


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd", "asgd"])
@pytest.mark.parametrize("poison", POISONS)
def test_the_step_that_diverges_changes_nothing(poison: str, optimiser: OptimiserName, tmp_path: Path) -> None:
    trainer, before = make(tmp_path, POISONS[poison][0], optimiser)
    if optimiser == "asgd":
        trainer.averager.start()
    with pytest.raises(TrainingDivergedError, match="training diverged at step 4: ") as caught:
        trainer.run()
    message = str(caught.value)
    assert POISONS[poison][1] in message
    assert "\n" not in message
    assert before.last == trainer.progress.step == 3
    assert equal(trainer.model.state_dict(), before.weights)
    assert equal(flatten_optimiser(trainer.optimiser)[0], before.optimiser)
    assert equal(trainer.averager.means, before.means)
    assert before.closed
    # No figure of the step is shown as if it had been made.
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if record["event"] == "step"] == [1, 2, 3]
    assert records[-1] | {"seconds": 0} == {"event": "diverged", "step": 4, "seconds": 0}


@pytest.mark.parametrize("poison", POISONS)
def test_the_checkpoint_before_it_stays_whole(poison: str, tmp_path: Path) -> None:
    trainer, before = make(tmp_path, POISONS[poison][0])
    with pytest.raises(TrainingDivergedError):
        trainer.run()
    healthy, _ = make(tmp_path, Factors())
    healthy.resume()
    assert healthy.progress.step == 3
    assert equal(healthy.model.state_dict(), before.weights)
    assert healthy.run().step == 16
    assert all(bool(value.isfinite().all()) for value in healthy.model.state_dict().values())


def test_the_advice_is_about_this_run(tmp_path: Path) -> None:
    trainer, _ = make(tmp_path, Factors(loss=math.inf), norm=0.5)
    with pytest.raises(TrainingDivergedError) as caught:
        trainer.run()
    message = str(caught.value)
    rate = trainer.optimiser.param_groups[0]["lr"]
    assert f"lower the learning rate (now {rate:g})" in message
    assert "clip gradients at a smaller norm (now 0.5)" in message
    assert "take a gated cell" in message
    (tmp_path / "other").mkdir()
    unclipped, _ = make(tmp_path / "other", Factors(loss=math.inf), norm=None)
    with pytest.raises(TrainingDivergedError, match=r"clip gradients by norm \(now off; 1\.0 is a good start\)"):
        unclipped.run()


def test_a_great_but_finite_gradient_is_clipped_and_training_goes_on(tmp_path: Path) -> None:
    trainer, before = make(tmp_path, Factors(gradient=1e15))
    assert trainer.run().step == 16
    assert before.last == 16
    assert trainer.clipper.clipped == 16
