"""How to train, where a run stands, and who hears of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from throughtime.errors import listed, nearest
from throughtime.training.optimisers import OptimiserName
from throughtime.training.schedules import Schedule

PATIENCE = 5
"""Evaluations without improvement that end a run of the least steps: half of those that it has."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        epochs: Passes over the data, if neither steps nor minutes are given.
        steps: Steps of the optimiser in all.
        least_steps: Steps of a run at least, if neither steps nor minutes are given: passes over little data are few
            steps. A run that this makes longer ends after :data:`PATIENCE` of its ten evaluations without
            improvement, unless ``patience`` or ``evaluate_every`` say otherwise.
        minutes: Wall-clock minutes in all, evaluations included. Where a run is bounded by minutes, a schedule follows
            the clock, so that a resumed run does not repeat the same bits.
        optimiser: adam, adamw, sgd, or asgd: SGD with averaged weights once validation stops improving.
        lr: Peak learning rate.
        schedule: Of the learning rate.
        warmup: Steps over which the learning rate rises.
        momentum: Of SGD.
        weight_decay: Of the optimiser.
        average: Share of the run, at its end, over which weights are averaged (Polyak and Juditsky 1992).
        clip_norm: Bound on the gradients' norm.
        clip_value: Bound on every component of the gradients.
        evaluate_every: Steps between evaluations; None: ten evaluations a run.
        patience: Evaluations without improvement after which training stops; None: never.
        checkpoint_seconds: Between two checkpoints.
        log_every: Steps between two lines of metrics.jsonl.
        accumulate: Parts that each process goes through its share of a batch in, one after the other.
        deterministic: Whether any number of processes gives the same bits: every batch is cut into ``shards``, whose
            gradients are added in a fixed order, and each process calculates on one thread.
        shards: That many, or as many as a batch has rows.
        seed: Of what is drawn for a part of a batch.

    Raises:
        ValueError: If a setting is out of range, or there is no optimiser or schedule of that name.
    """

    epochs: float = 10.0
    steps: int | None = None
    least_steps: int = 0
    minutes: float | None = None
    optimiser: OptimiserName = "adam"
    lr: float = 4e-3
    schedule: Schedule = "cosine"
    warmup: int = 0
    momentum: float = 0.0
    weight_decay: float = 0.0
    average: float = 0.0
    clip_norm: float | None = 1.0
    clip_value: float | None = None
    evaluate_every: int | None = None
    patience: int | None = None
    checkpoint_seconds: float = 60.0
    log_every: int = 20
    accumulate: int = 1
    deterministic: bool = False
    shards: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in {"optimiser": get_args(OptimiserName), "schedule": get_args(Schedule)}.items():
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}{nearest(str(value), known)}; expected {listed(known)}")
        for name in ("epochs", "minutes", "lr"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise ValueError(f"expected {name} to be above 0 and finite, got {value}")
        if not 0.0 <= self.average < 1.0:
            raise ValueError(f"expected average to be at least 0 and less than 1, got {self.average}")
        for name, least in {
            "steps": 1,
            "least_steps": 0,
            "warmup": 0,
            "evaluate_every": 1,
            "patience": 1,
            "log_every": 1,
            "accumulate": 1,
            "shards": 1,
        }.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"expected {name} to be at least {least}, got {value}")

    def total(self, batches: int) -> int | None:
        """Steps of a run whose passes have so many batches; None where the clock alone bounds it.

        Example:
            >>> Plan(epochs=10).total(11), Plan(epochs=10, least_steps=600).total(11), Plan(minutes=2).total(11)
            (110, 600, None)
        """
        if self.steps is not None or self.minutes is not None:
            return self.steps
        return max(1, self.least_steps, round(self.epochs * batches))

    def lengthened(self, batches: int) -> bool:
        """Whether passes of so many batches are fewer steps than a run has at least."""
        return self.steps is None and self.minutes is None and round(self.epochs * batches) < self.least_steps

    def told(self, batches: int, judged: bool = True) -> list[str]:
        """Why a run is longer than its passes of so many batches, in a line; it ends sooner only if it is judged.

        Example:
            >>> Plan(epochs=10, least_steps=600).told(11)[0]
            'at least 600 steps: 10 passes over 11 batches are 110; ends sooner after 5 evaluations without improvement'
        """
        if not self.lengthened(batches):
            return []
        passes = f"{self.epochs:g} passes over {batches:,} batch{'es' if batches > 1 else ''}"
        line = f"at least {self.least_steps:,} steps: {passes} are {round(self.epochs * batches):,}"
        stale = self.patient(batches) if judged else None
        ends = f"; ends sooner after {stale} evaluation{'s' if stale != 1 else ''} without improvement"
        return [line if stale is None else line + ends]

    def patient(self, batches: int) -> int | None:
        """Evaluations without improvement after which a run with passes of so many batches stops; None: never."""
        as_ever = self.patience is None and self.evaluate_every is None  # ten a run: half of it
        return PATIENCE if as_ever and self.lengthened(batches) else self.patience


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: Steps done.
        epoch: Epochs done.
        index: Batches of the epoch done.
        seconds: Wall-clock time in the loop, over all of its resumptions.
        tokens: Tokens trained on.
        best: The lowest objective of all evaluations.
        best_step: The step it was found at.
        best_figures: What that evaluation found.
        stale: Evaluations since then.
        drops: Evaluations without improvement in all.
        finished: Why training ended; empty while it has not.
    """

    step: int = 0
    epoch: int = 0
    index: int = 0
    seconds: float = 0.0
    tokens: int = 0
    best: float = math.inf
    best_step: int = 0
    best_figures: dict[str, float] = field(default_factory=dict)
    stale: int = 0
    drops: int = 0
    finished: str = ""


@dataclass(frozen=True)
class StepReport:
    """One step, for observers.

    Attributes:
        step: Number of the step, from 1.
        total: Steps of the run; None where the clock bounds it.
        share: Share of the run that is done.
        epoch: Epochs done.
        loss: In nats a token.
        lr: Learning rate.
        grad_norm: Norm of the gradient before clipping.
        clipped_share: Share of all steps so far that were clipped.
        tokens_per_second: Of this step.
        seconds_left: To the end of the run.
        layers: Norm of the gradient of every recurrent layer and direction, before clipping, where they are watched.
    """

    step: int
    total: int | None
    share: float
    epoch: int
    loss: float
    lr: float
    grad_norm: float
    clipped_share: float
    tokens_per_second: float
    seconds_left: float
    layers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What a validation found.

    Attributes:
        objective: What training lowers and selects by.
        figures: By name, for people and for metrics.jsonl.
        temperature: What fits the model's probabilities to the validation data; kept with the weights.
    """

    objective: float
    figures: dict[str, float] = field(default_factory=dict)
    temperature: float = 1.0


class Observer:
    """Hears of a run. Every method may be left as it is."""

    def step(self, report: StepReport) -> None:
        """A step of the optimiser was made."""

    def evaluation(self, step: int, evaluation: Evaluation, best: bool) -> None:
        """The model was evaluated."""

    def close(self) -> None:
        """The run ends."""


class TrainingDivergedError(RuntimeError):
    """The loss or the gradient became infinite or no number; says where, and what helps."""
