"""A training from beginning to end: under a lock, watched, and stopped by signals with a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughtime.api.progress import ProgressObserver, waiting
from throughtime.applications.folder.model_folder import ModelFolder
from throughtime.applications.memory import is_nothing, is_paths
from throughtime.applications.reading.verdict import at_the_end
from throughtime.applications.task import Task
from throughtime.console import VisibleConsole
from throughtime.data.progress import showing
from throughtime.errors import UserError, listed, nearest
from throughtime.extras import extra
from throughtime.training import Observer, Trainer
from throughtime.training.lock import locked

CTRL_C = (signal.SIGINT,)


@dataclass(frozen=True)
class Watching:
    """How a training is watched, and stopped.

    Attributes:
        progress: Show progress on standard error.
        tensorboard: Write TensorBoard events, too.
        watch: Measure the gradient of every recurrent layer, too.
        ends: Signals that end it after the step at hand, with a checkpoint.
    """

    progress: bool = True
    tensorboard: bool = False
    watch: bool = False
    ends: Sequence[signal.Signals] = CTRL_C


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Attributes:
        finished: Why it ended; empty where it was stopped before.
        figures: Steps, seconds, the best evaluation.
    """

    finished: str
    figures: dict[str, Any]


def begin(
    task: Task,
    data: Any,
    out: Path,
    settings: Mapping[str, Any],
    watching: Watching,
    held: Mapping[str, Any] | None = None,
) -> Outcome:
    """Trains a task's model into a folder; ``held`` are validation and test data by part."""
    if watching.tensorboard:  # before anything is written
        extra("tensorboard", "track", "--tensorboard")
    options, memory, paths = plain(settings), {}, []
    if is_nothing(data) or is_paths(data):
        paths = _paths(data)
    else:
        memory["train"] = data
    for part, given in (held or {}).items():
        if given is None:
            continue
        check_names([part], task.settings.model_fields, f"task {task.name!r} has")
        if isinstance(given, str | Path):
            options[part] = str(given)
        elif is_paths(given):
            raise UserError(f"{part}: expected one file or folder, or data in memory, got {len(given)} paths")
        else:
            memory[part] = given
    with waiting("reading", watching.progress):
        trainer = task.start(paths, out, options, memory)
    with locked(out):
        return _go_on(task, trainer, out, settings.get("cell"), watching)


def resume(task: Task, out: Path, data: Any, settings: Mapping[str, Any], watching: Watching) -> Outcome:
    """Goes on with a run from its checkpoint.

    Args:
        task: What made it.
        out: The model folder.
        data: Paths where its data lie, if it asks.
        settings: That lengthen it.
        watching: How it is watched.

    Raises:
        UserError: If there is nothing to resume, or a setting would change the run.
        TrainingDivergedError: If the loss is infinite or no number.
    """
    check_names(settings, task.settings.model_fields, f"task {task.name!r} has")
    if watching.tensorboard:
        extra("tensorboard", "track", "--tensorboard")
    if not (is_nothing(data) or is_paths(data)):
        raise UserError("expected paths where the run's data lie, got data in memory; it goes on with what it has")
    options, cell = plain(settings), settings.get("cell")
    ModelFolder.open(out, task.name, cell)  # refuses what is no run, before the lock is made in it
    with locked(out):
        with waiting("reading", watching.progress):
            trainer = task.resume(out, options, _paths(data))
        return _go_on(task, trainer, out, cell, watching, resumed=True)


def _go_on(
    task: Task, trainer: Trainer[Any], out: Path, cell: str | None, watching: Watching, resumed: bool = False
) -> Outcome:
    """Trains from where a trainer stands."""
    observers: list[Observer] = []
    if watching.progress:
        shown = ProgressObserver(VisibleConsole(stderr=True), trainer.unit)
        for line in task.describe(trainer, cell).splitlines():
            shown.say(f"{out}: {line}")
        for line in trainer.plan.told(len(trainer.source), trainer.evaluate is not None):
            shown.say(f"{out}: {line}")
        if resumed:
            shown.say(f"resumed at step {trainer.progress.step}")
        observers.append(shown)
    if watching.tensorboard:
        from throughtime.training.tensorboard import TensorBoardObserver

        observers.append(TensorBoardObserver(out / "tensorboard", trainer.progress.step))
    trainer.observers, trainer.watch = observers, watching.watch
    with _stopping(trainer, watching.ends), showing(shown.judging) if watching.progress else nullcontext():
        progress = trainer.run()
    if watching.progress and progress.finished:
        for line in at_the_end(out, progress, len(trainer.source)):
            shown.say(f"{out}: {line}")
    figures: dict[str, Any] = {
        "run": str(out),
        "steps": progress.step,
        "seconds": round(progress.seconds, 1),
        "ended": progress.finished,
        "clipped_share": round(trainer.clipper.share, 4),
    }
    if trainer.evaluate is not None:
        figures |= {"best_step": progress.best_step, **progress.best_figures}
    return Outcome(progress.finished, figures)


@contextmanager
def _stopping(trainer: Trainer[Any], ends: Sequence[signal.Signals]) -> Iterator[None]:
    """Signals end the run after the step at hand, with a checkpoint; a second one acts as it did before.

    What the caller ignores stays ignored, as SIGHUP below ``nohup``. Only the main thread hears of signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        trainer.stop()
        signal.signal(number, before[signal.Signals(number)])

    before = {
        number: signal.signal(number, stop)
        for number in ends
        if number is signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the command line would give them: paths as text, a single option of the cell as one of several."""
    found = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    if isinstance(found.get("cell_option"), str):
        found["cell_option"] = (found["cell_option"],)
    return found


def check_names(given: Iterable[str], known: Iterable[str], has: str) -> None:
    """Refuses a name that is none, as Python's users write it.

    Raises:
        UserError: Names the nearest.
    """
    known = list(known)
    for name in given:
        if name not in known:
            raise UserError(f"unknown option {name!r}{nearest(name, known)}; {has}: {listed(known) or 'none'}")


def _paths(data: Any) -> list[str]:
    return [str(data)] if isinstance(data, str | Path) else [str(path) for path in data or ()]
