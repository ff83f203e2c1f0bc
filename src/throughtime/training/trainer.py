"""The training loop: truncated or full back-propagation through time, stopped and resumed at any step."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from throughtime.engine.threads import threads
from throughtime.errors import UserError
from throughtime.files import append_text, sync_file, write_chunks
from throughtime.models import Model, State
from throughtime.training.checkpoint import (
    TensorFile,
    check_forms,
    check_numbers,
    forms_of,
    open_tensors,
    save_tensors,
    save_weights,
)
from throughtime.training.clipping import Clipper, layer_norms
from throughtime.training.metrics import kept_lines
from throughtime.training.optimisers import Averager, make_optimiser
from throughtime.training.plan import Evaluation, Observer, Plan, Progress, StepReport, TrainingDivergedError
from throughtime.training.processes import Clock, Found, Shared, ranks
from throughtime.training.restore import (
    check_means,
    check_random,
    fill_optimiser,
    flatten_optimiser,
    read_clipper,
    read_progress,
)
from throughtime.training.schedules import factor
from throughtime.training.source import Batch, Source
from throughtime.training.weights import PREFIX, WEIGHTS

SLACK = 1.1
"""An evaluation may take so many times as long as the last one, and still end with the minutes of a run."""

T = TypeVar("T")
BatchT = TypeVar("BatchT", bound=Batch)


class Trainer(Generic[BatchT]):
    """Trains a model, so that any step may be the last: the run goes on from its checkpoint bit for bit.

    In a group of PyTorch's processes each has a share of every batch, and of the streams whose state is carried; the
    first one writes, judges and keeps the time, and hands on what it finds.

    Writes into ``folder``: ``model.safetensors`` (the best weights by validation, the last without one),
    ``checkpoint.safetensors`` (weights, optimiser, carried state, random state, position) and ``metrics.jsonl``.

    Args:
        model: What to train.
        source: Training batches.
        plan: How to train.
        folder: The run's folder.
        evaluate: Called with the model in evaluation mode; None: no validation.
        observers: Hear of every step.
        watch: Measure the gradient of every recurrent layer, too.
        unit: What the tokens of a batch are, for people.
    """

    def __init__(
        self,
        model: Model,
        source: Source[BatchT],
        plan: Plan,
        folder: str | Path,
        evaluate: Callable[[], Evaluation] | None = None,
        observers: Sequence[Observer] = (),
        watch: bool = False,
        unit: str = "tokens",
    ) -> None:
        self.unit = unit
        self.model, self.source, self.plan, self.folder = model, source, plan, Path(folder)
        self.evaluate, self.observers, self.watch = evaluate, observers, watch
        self.optimiser = make_optimiser(plan.optimiser, model.parameters(), plan.lr, plan.weight_decay, plan.momentum)
        self.clipper = Clipper(plan.clip_norm, plan.clip_value)
        self.averager = Averager(model)
        self.progress = Progress()
        self.carried: State | None = None
        self.ranks = ranks()
        in_parts = plan.deterministic or plan.accumulate > 1 or not self.ranks.alone
        self.shared = Shared(model, plan, self.ranks) if in_parts else None
        self.clock = Clock(self.ranks, plan.checkpoint_seconds)
        self._judging = 0.0

    def __repr__(self) -> str:
        model = type(self.model).__name__
        return (
            f"Trainer({model}, {len(self.source):,} batches an epoch, step {self.progress.step}, {str(self.folder)!r})"
        )

    @property
    def total(self) -> int | None:
        """Steps of the whole run; None where the clock bounds it."""
        return self.plan.total(len(self.source))

    @property
    def share(self) -> float:
        """Share of the run that is done."""
        by_steps = self.progress.step / self.total if self.total else 0.0
        by_clock = self.progress.seconds / (60.0 * self.plan.minutes) if self.plan.minutes else 0.0
        return min(1.0, max(by_steps, by_clock))

    def run(self) -> Progress:
        """Trains to the end of the plan.

        Raises:
            TrainingDivergedError: If the loss or the gradient is infinite or no number. The last checkpoint stays.
            UserError: If there is no batch to go on with.
        """
        if not len(self.source):
            raise UserError("expected at least one batch to train on, got none; give more data, or smaller batches")
        if self.progress.index >= len(self.source):
            raise UserError(
                f"the checkpoint stands at batch {self.progress.index} of an epoch that has {len(self.source)}: "
                "a run goes on with the data and the batches it began with"
            )
        self.clock.begin(self.progress.seconds)
        if self.shared is not None:
            self.shared.begin()
        if not self.progress.step:
            self.save()  # a run that is killed early can be resumed, too
        try:
            # How many threads there are decides how sums are cut, and so their last bits.
            with threads(1) if self.plan.deterministic else nullcontext():
                self._train()
        finally:
            for observer in self.observers:
                observer.close()
        return self.progress

    def _train(self) -> None:
        while not self.progress.finished:
            for batch in self._batches():
                self._step(batch)
                if self.ranks.alone:
                    self.clock.look()
                over = bool(self.progress.finished) or self.clock.stops
                if over or self.clock.due:
                    self.save()
                if over:
                    return

    def _batches(self) -> Iterator[Any]:
        """Batches, or what makes their shares."""
        epoch, index = self.progress.epoch, self.progress.index
        if self.shared is None:
            return self.source.batches(epoch, index)
        return self.source.shares(epoch, index, self.shared.count)

    def stop(self) -> None:
        """Asks the loop to end after the step at hand, with a checkpoint. Safe in a signal handler."""
        self.clock.stop = True

    def _step(self, batch: Any) -> None:
        progress, began, share = self.progress, time.perf_counter(), self.share
        lr = self.plan.lr * factor(self.plan.schedule, share, progress.step, self.plan.warmup, progress.drops)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.model.train()
        found = self._differentiate(batch)
        layers = layer_norms(self.model) if self.watch else {}
        value, norm = found.loss, self.clipper(self.model.parameters())
        if not (math.isfinite(value) and math.isfinite(norm)):
            self._log({"event": "diverged", "step": progress.step + 1})
            raise TrainingDivergedError(self._diagnosis(value, norm))
        self.optimiser.step()
        if share < 1.0 - self.plan.average or self.averager.started:
            self.averager.update()
        else:
            self.averager.start()
        progress.step += 1
        progress.tokens += found.tokens
        progress.index += 1
        if progress.index >= len(self.source):
            progress.epoch, progress.index = progress.epoch + 1, 0
        self.clock.heard(found.said)
        self._tick()
        self._report(value, norm, lr, found.tokens / (time.perf_counter() - began), layers)
        if self.share >= 1.0 or self._evaluations_left() < 1.0:
            progress.finished = "the plan is done"
        if progress.finished or (self._due(share) and self._evaluations_left() >= 2.0):
            self._evaluate()

    def _differentiate(self, batch: Any) -> Found:
        """Makes the gradient."""
        if self.shared is not None:
            return self.shared(batch, self.progress.step, self.clock.says)
        loss, self.carried = self.model.loss(batch, self.carried)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        return Found(float(loss.detach()), batch.tokens, ())

    def _evaluations_left(self) -> float:
        """How many evaluations fit into the minutes that are left, by the time of the last one; one is for the end."""
        if self.plan.minutes is None or not self._judging:
            return math.inf
        return (60.0 * self.plan.minutes - self.progress.seconds) / (SLACK * self._judging)

    def _due(self, share_before: float) -> bool:
        if self.plan.evaluate_every is not None:
            return self.progress.step % self.plan.evaluate_every == 0
        return int(10 * self.share) > int(10 * share_before)

    def _evaluate(self) -> None:
        progress = self.progress
        if self.evaluate is None:
            if progress.finished and self.ranks.first:
                with self.averager.averaged():
                    save_weights(self.folder / "model.safetensors", self.model)
            return
        with self.averager.averaged():
            evaluation = self._judged()
            better = evaluation.objective < progress.best
            if better and self.ranks.first:
                save_weights(self.folder / "model.safetensors", self.model, evaluation.temperature)
        if better:
            progress.best, progress.best_step, progress.stale = evaluation.objective, progress.step, 0
            progress.best_figures = evaluation.figures
        else:
            progress.stale += 1
            progress.drops += 1
            if self.plan.optimiser == "asgd" and not self.averager.started:
                self.averager.start()
            elif (most := self.plan.patient(len(self.source))) is not None and progress.stale >= most:
                progress.finished = f"no improvement in {progress.stale} evaluations"
        self._tick()
        self._log({"event": "evaluation", "step": progress.step, "best": better, **evaluation.figures})
        for observer in self.observers:
            observer.evaluation(progress.step, evaluation, better)

    def _judged(self) -> Evaluation:
        """What the first process finds; the others wait for it."""
        assert self.evaluate is not None
        began, evaluation = time.perf_counter(), None
        if self.ranks.first:
            self.model.eval()
            evaluation = self.evaluate()
        judging = time.perf_counter() - began
        evaluation, self._judging, self.clock.seconds = self.ranks.told((evaluation, judging, self.clock.now))
        assert evaluation is not None
        return evaluation

    def _tick(self) -> None:
        self.clock.tick()
        self.progress.seconds = self.clock.seconds

    def _report(self, loss: float, norm: float, lr: float, rate: float, layers: Mapping[str, float]) -> None:
        progress = self.progress
        left = progress.seconds * (1.0 / self.share - 1.0) if self.share else math.inf
        clipped = self.clipper.share
        report = StepReport(
            progress.step, self.total, self.share, progress.epoch, loss, lr, norm, clipped, rate, left, layers
        )
        if progress.step % self.plan.log_every == 0:
            figures = {"loss": loss, "lr": lr, "grad_norm": norm, "clipped_share": clipped, "tokens_per_s": round(rate)}
            watched = {"layers": dict(layers)} if layers else {}
            self._log({"event": "step", "step": progress.step, "epoch": progress.epoch, **figures, **watched})
        for observer in self.observers:
            observer.step(report)

    def _log(self, record: dict[str, Any]) -> None:
        if not self.ranks.first:
            return
        record["seconds"] = round(self.progress.seconds, 3)
        append_text(self.folder / "metrics.jsonl", json.dumps(record) + "\n")

    def _diagnosis(self, loss: float, norm: float) -> str:
        advice = [
            f"lower the learning rate (now {self.optimiser.param_groups[0]['lr']:g})",
            f"clip gradients at a smaller norm (now {self.plan.clip_norm:g})"
            if self.plan.clip_norm
            else "clip gradients by norm (now off; 1.0 is a good start)",
            "truncate earlier, or take a gated cell",
        ]
        return (
            f"training diverged at step {self.progress.step + 1}: loss {loss:g}, gradient norm {norm:g}; "
            f"{', or '.join(advice)}"
        )

    def save(self) -> None:
        """Writes the checkpoint: the first process does, with the state of all streams; the others wait for it."""
        self._tick()
        carried = self.carried if self.shared is None else self.shared.carried_on()
        if self.ranks.first:
            self._write(carried)
        self.ranks.told(None)
        self.clock.saved()

    def _write(self, carried: State | None) -> None:
        optimiser, groups = flatten_optimiser(self.optimiser)
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"optimiser.{name}": value for name, value in optimiser.items()}
        tensors |= {f"carried.{name}": value for name, value in (carried or {}).items()}
        tensors |= {f"average.{name}": value for name, value in self.averager.means.items()}
        tensors["random"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random_cuda"] = torch.cuda.get_rng_state()
        data = {
            "progress": asdict(self.progress),
            "groups": groups,
            "averaged": self.averager.count,
            "clipper": [self.clipper.steps, self.clipper.clipped],
        }
        sync_file(self.folder / "metrics.jsonl")  # a run goes on from the checkpoint: what came before it must stand
        save_tensors(self.folder / "checkpoint.safetensors", tensors, data)

    def resume(self) -> None:
        """Goes on from the folder's checkpoint, with the same bits as if the run had never stopped.

        A run that was killed before it wrote anything begins anew.

        Raises:
            UserError: If the checkpoint is missing beside a trained model, or damaged.
        """
        path = self.folder / "checkpoint.safetensors"
        if not path.exists():
            if (self.folder / "model.safetensors").exists():
                raise UserError(f"expected the file {path}, which does not exist; train again into another folder")
            self._cut_metrics()
            return
        try:
            with open_tensors(path) as file:
                self._restore(file)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            # A whole file with other things in it. What is missing or misshapen has no other sign than these.
            raise UserError(
                f"{path}: the checkpoint is damaged ({error!r}); train again into another folder"
            ) from error
        self._cut_metrics()

    def _restore(self, file: TensorFile) -> None:
        def part(prefix: str, whole: Mapping[str, T]) -> dict[str, T]:
            return {name.removeprefix(prefix): value for name, value in whole.items() if name.startswith(prefix)}

        path, data, model = file.path, file.data, self.model
        check_forms(path, forms_of(model.state_dict()), part(PREFIX, file.forms), WEIGHTS)
        progress, clipped = read_progress(data["progress"]), read_clipper(data["clipper"])
        tensors = file.load()
        check_numbers(path, {name: value for name, value in tensors.items() if not name.startswith("optimiser.")})
        means, carried = part("average.", tensors), part("carried.", tensors)
        check_means(data["averaged"], means, dict(model.named_parameters()))
        check_random(tensors["random"], torch.get_rng_state())
        if carried and progress.index < len(self.source):
            model.check_carried(carried, next(self.source.batches(progress.epoch, progress.index)))
        torch.set_rng_state(tensors["random"])
        if "random_cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random_cuda"])
        fill_optimiser(self.optimiser, part("optimiser.", tensors), data["groups"])
        model.load_state_dict(part(PREFIX, tensors))
        self.progress, (self.clipper.steps, self.clipper.clipped) = progress, clipped
        device = next(model.parameters()).device
        self.carried = {name: value.to(device) for name, value in carried.items()} or None
        if self.shared is not None:
            self.shared.carry_on(self.carried)
        self.averager.load(data["averaged"], {name: value.to(device) for name, value in means.items()})
        if self.progress.finished and self.share < 1.0:
            self.progress.finished = ""

    def _cut_metrics(self) -> None:
        """Drops the lines that were written after the checkpoint: the steps come again."""
        path = self.folder / "metrics.jsonl"
        if self.ranks.first and path.exists():
            write_chunks(path, [kept_lines(path, self.progress.step)])
