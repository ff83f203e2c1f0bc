"""Cross-validation: a run for every fold, judged by what was held out of it, the mean, and the spread over folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from throughtime.api.housed import Housed
from throughtime.api.loading import TaskLike, as_task, open_task
from throughtime.api.progress import BriefObserver, waiting
from throughtime.api.run import Run
from throughtime.api.running import (
    Watching,
    check_settings_names,
    given_data,
    go_on,
    plain,
    resumed_data,
)
from throughtime.api.telling import telling_notes
from throughtime.api.together import refuse_several
from throughtime.applications.folder.folds import Folds, fold_folder
from throughtime.applications.folder.model_folder import FOLDS, resumed, task_of
from throughtime.applications.memory import is_nothing
from throughtime.applications.options import Options
from throughtime.applications.settings import EXTENDABLE
from throughtime.applications.task import Report, Table, Task, Use
from throughtime.console import VisibleConsole
from throughtime.data.progress import counted
from throughtime.errors import UserError, spelled
from throughtime.runtime.reading.notes import noting
from throughtime.training.lock import locked
from throughtime.visible import in_line

SHOWN = 3
"""Figures of a fold that are told when it ends."""


@spelled
class CrossValidation(Housed):
    """A cross-validation with its folder; ``throughtime.train(…, folds=10)`` gives one, or its folder.

    Args:
        folder: What was made with ``--folds``.
        cell: Allows the user's own cell that the models were trained with, ``module:Class``.
        task: Allows the user's own task that made them, ``module:Class``, or the class itself.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes:
        folder: Holds a model folder for every fold.
        task: What made them.
        progress: As of a run.

    Raises:
        UserError: If the folder is no cross-validation, or damaged.
    """

    def __init__(
        self, folder: str | Path, *, cell: str | None = None, task: TaskLike | None = None, device: str = "auto"
    ) -> None:
        super().__init__(folder)
        self.cell, self.device = cell, device
        Folds.load(self.folder)  # refuses what is none
        named, first = None if task is None else as_task(task), fold_folder(self.folder, 1)
        task_of(first, None if named is None else named.name)
        self.task: Task = open_task(first, None) if named is None else named
        self.progress = True
        self._runs: list[Run] = []

    @property
    def runs(self) -> Sequence[Run]:
        """The run of every fold, in order."""
        if not self._runs:
            for number in range(1, len(self.folds.examples) + 1):
                run = Run(fold_folder(self.folder, number), self.task, cell=self.cell, device=self.device)
                run.within, run.progress = self, self.progress
                self._runs.append(run)
        return self._runs

    @property
    def folds(self) -> Folds:
        """Examples and figures of every fold, as the folder has them."""
        return Folds.load(self.folder)

    @property
    def finished(self) -> bool:
        """Whether all folds are trained and judged."""
        folds = self.folds
        return folds.done == len(folds.examples)

    @property
    def figures(self) -> Sequence[Mapping[str, float] | None]:
        """The figures of every fold on what was held out of it; None where it has not been judged yet."""
        return self.folds.figures

    @property
    def mean(self) -> dict[str, float]:
        """The mean of every figure over folds; of leave-one-out, that over all examples."""
        return self.folds.mean

    @property
    def spread(self) -> dict[str, float]:
        """The standard deviation of every figure over folds, n - 1; none of leave-one-out, whose folds are single."""
        return self.folds.spread

    @property
    def table(self) -> Table:
        """A row for every fold."""
        return self.folds.table()

    @property
    def report(self) -> Report:
        """Mean, spread and folds."""
        return self.folds.report(self.folder)

    def options(self, use: Use) -> type[Options]:
        """What may be asked of ``"evaluate"``: a pydantic model."""
        return self.runs[0].options(use)

    def evaluate(self, data: Any = None, **options: Any) -> Report:
        """The same figures anew, with other options, or on other data: of every fold's model, their mean and spread.

        Args:
            data: As of :meth:`throughtime.Run.evaluate`; on none, each by what was held out of it.
            **options: Of the task: see :meth:`options`.

        Raises:
            UserError: If a fold is not trained yet; if the data or an option is bad.
        """
        folds = self.folds
        if folds.done < len(folds.examples):
            raise UserError(
                f"{self.folder}: expected all folds to be trained, {folds.done} of {len(folds.examples)} are; go on "
                "with --resume"
            )
        reports: list[Report] = []
        with waiting("judging", self.progress), telling_notes(self.progress):
            for run in counted(self.runs, "folds"):
                with noting() if reports else nullcontext():  # all of them read the same
                    reports.append(run.evaluate(data, **options))
        folds = Folds.begun(folds.examples, apart=is_nothing(data))
        for number, report in enumerate(reports, 1):
            folds = folds.judged(number, report)
        return folds.report(self.folder)

    def resume(self, data: Any = None, *, progress: bool = True, **settings: Any) -> CrossValidation:
        """Goes on where it was left; folds that are trained stay as they are, unless settings lengthen all of them.

        Args:
            data: Where the data lie, if it asks.
            progress: Show progress on standard error.
            **settings: That may change: see ``EXTENDABLE``.
        """
        if self.cell is not None:
            settings = {"cell": self.cell, **settings}
        resume_folds(self.task, self.folder, data, settings, Watching(progress))
        self._runs.clear()
        return self

    def _forget(self) -> None:
        self._runs.clear()

    def __str__(self) -> str:
        return str(self.report)

    def __repr__(self) -> str:
        folds = self.folds
        told = "".join(f", {name}={_brief(value, folds.spread.get(name))}" for name, value in _first(folds.mean))
        judged = f"folds={len(folds.examples)}" + (f", judged={folds.done}" if not self.finished else "")
        return in_line(f"CrossValidation({str(self.folder)!r}, task={self.task.name!r}, {judged}{told})")

    def _repr_html_(self) -> str:
        """For a notebook."""
        return self.report._repr_html_()


def is_cross_validation(folder: str | Path) -> bool:
    """Whether a folder holds a cross-validation."""
    return Path(folder, FOLDS).exists()


def begin_folds(
    task: Task,
    data: Any,
    out: Path,
    settings: Mapping[str, Any],
    watching: Watching,
    held: Mapping[str, Any] | None = None,
) -> bool:
    """Trains a model for every fold into folders below ``out``, and judges each.

    All folders are made, and all that can be refused is, before the first step.

    Returns:
        Whether all are trained; else the training was stopped, and :func:`resume_folds` goes on.

    Raises:
        UserError: If the data or a setting is bad; nothing is left behind.
        TrainingDivergedError: If a loss is infinite or no number; what was trained stays.
    """
    refuse_several("--folds", "train each fold by itself, with --fold")
    watching.check()
    cell = settings.get("cell")
    if isinstance(cell, str) and "," in cell and ":" not in cell:
        raise UserError(f"--folds: expected one --cell, got {cell}; cross-validate each into a folder of its own")
    given = given_data(task, data, settings, held)
    with waiting("reading", watching.progress):
        task.start_folds(given.paths, out, given.options, given.memory)
    with locked(out):
        return _train(task, out, {} if cell is None else {"cell": cell}, [], watching)


def resume_folds(task: Task, out: Path, data: Any, settings: Mapping[str, Any], watching: Watching) -> bool:
    """Goes on with a cross-validation: what is trained and judged stays, unless settings lengthen all of its runs.

    Raises:
        UserError: If there is nothing to resume, or a setting would change a run.
        TrainingDivergedError: As of :func:`begin_folds`.
    """
    refuse_several("--folds", "train each fold by itself, with --fold")
    check_settings_names(task, settings)
    watching.check()
    if "fold" in settings:
        run = fold_folder(out, settings["fold"])
        raise UserError(f"--fold: {out} holds all folds, which go on together; to go on with one: --out {run} --resume")
    options, paths, folds = plain(settings), resumed_data(data), Folds.load(out)
    for number in range(1, len(folds.examples) + 1):  # refuses what is damaged, before the lock is made in it
        resumed(fold_folder(out, number), task.name, task.settings, options)
    with locked(out):
        if EXTENDABLE & options.keys():
            for number in range(1, len(folds.examples) + 1):  # all of them before the first goes on
                task.resume(fold_folder(out, number), options, paths)
            Folds.begun(folds.examples).save(out)
        return _train(task, out, options, paths, watching)


def _train(task: Task, out: Path, options: dict[str, Any], paths: Sequence[str], watching: Watching) -> bool:
    """Trains and judges the folds that are left."""
    folds = Folds.load(out)
    shown = BriefObserver(VisibleConsole(stderr=True))

    def say(line: str) -> None:
        if watching.progress:
            shown.say(line)

    many = len(folds.examples)
    for number in [number for number, each in enumerate(folds.figures, 1) if each is None]:
        run, cell = fold_folder(out, number), options.get("cell")
        with locked(run):
            with waiting("reading", watching.progress):
                trainer = task.resume(run, options, paths)
            if number == 1:
                say(f"{out}: {_described(folds, trainer.plan.minutes)}")
            outcome = go_on(task, trainer, run, cell, replace(watching, brief=number > 1))
        if not outcome.finished:
            say(f"{out}: stopped in fold {number} of {many} at step {outcome.figures['steps']}")
            return False
        with waiting("judging", watching.progress):
            folds = folds.judged(number, task.load(run, cell).evaluate())
        folds.save(out)
        figures = {name: value for name, value in (folds.figures[number - 1] or {}).items() if name in folds.mean}
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in _first(figures))
        say(f"{run}: fold {number} of {many}, by {folds.examples[number - 1]:,} examples: {told}")
    return True


def _described(folds: Folds, minutes: float | None) -> str:
    least, most, many = min(folds.examples), max(folds.examples), len(folds.examples)
    sizes = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    clock = f"; each has --minutes {minutes:g}, {minutes * many:g} at most in all" if minutes is not None else ""
    return f"{many:,} models, each judged by {sizes} examples that it is not trained on{clock}"


def _first(figures: Mapping[str, float]) -> list[tuple[str, float]]:
    return list(figures.items())[:SHOWN]


def _brief(mean: float, spread: float | None) -> str:
    return f"{mean:.4g}" + ("" if spread is None else f"±{spread:.2g}")
