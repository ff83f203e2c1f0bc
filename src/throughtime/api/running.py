"""A training from beginning to end: under a lock, watched, and stopped by signals with a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from throughtime.api.progress import BriefObserver, ProgressObserver, waiting
from throughtime.api.together import goes_on, refuse_several, together
from throughtime.applications.folder.model_folder import ModelFolder, resumed, staged
from throughtime.applications.memory import is_nothing, is_paths
from throughtime.applications.reading.verdict import at_the_end
from throughtime.applications.settings import EXTENDABLE, refuse_lacking
from throughtime.applications.task import Task
from throughtime.console import VisibleConsole
from throughtime.data.progress import showing
from throughtime.errors import UserError, listed, nearest
from throughtime.extras import extra
from throughtime.training import Observer, Trainer
from throughtime.training.lock import locked
from throughtime.training.processes import ranks
from throughtime.training.processes.launch import launcher

CTRL_C = (signal.SIGINT,)

BESIDE = ("data", "out", "valid", "test", "progress", "tensorboard", "watch")
"""What training takes from Python beside settings."""


@dataclass(frozen=True)
class Watching:
    """How a training is watched, and stopped.

    Attributes:
        progress: Show progress on standard error.
        tensorboard: Write TensorBoard events, too.
        watch: Measure the gradient of every recurrent layer, too.
        ends: Signals that end it after the step at hand, with a checkpoint.
        brief: Leave out what was read, and evaluations.
    """

    progress: bool = True
    tensorboard: bool = False
    watch: bool = False
    ends: Sequence[signal.Signals] = CTRL_C
    brief: bool = False

    def here(self) -> Watching:
        """How it is watched in this process: in the first one of several alone."""
        return self if ranks().first else replace(self, progress=False, tensorboard=False)

    def check(self) -> None:
        """Refuses what cannot be watched, before anything is written.

        Raises:
            UserError: If a library is missing.
        """
        if self.tensorboard:
            extra("tensorboard", "track", "--tensorboard")


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
    watching = watching.here()
    watching.check()
    if goes_on(out):
        return resume(task, out, None, kept(settings), watching)
    given = given_data(task, data, settings, held)

    @contextmanager
    def started() -> Iterator[Trainer[Any]]:
        with waiting("reading", watching.progress):
            trainer = task.start(given.paths, out, given.options, given.memory)
        with locked(out):
            yield trainer

    with together(started(), lambda: task.resume(out, kept(given.options), given.paths)) as trainer:
        return go_on(task, trainer, out, settings.get("cell"), watching)


def prepare_cells(
    task: Task, data: Any, runs: Mapping[str, Path], settings: Mapping[str, Any], watching: Watching
) -> list[str]:
    """Makes the folders of runs that differ in their cell, so that what is refused is before the first is trained.

    Args:
        task: The task.
        data: To train on.
        runs: Folders by cell, all in one; those that are runs already stay, if they can go on.
        settings: Of all of them.
        watching: How they are to be watched.

    Returns:
        The cells whose folders were made; :func:`resume` trains them.

    Raises:
        UserError: If the data or a setting is bad, or nothing is held out to compare them by; nothing is left behind.
    """
    watching.check()
    refuse_several("--cell", f"train {listed(runs)} one at a time")
    missing = {cell: run for cell, run in runs.items() if not (run / "config.json").exists()}
    for cell in runs.keys() - missing.keys():
        resumed(runs[cell], task.name, task.settings, {**plain(settings), "cell": cell})
    out = next(iter(runs.values())).parent
    with nullcontext(out) if out.exists() else staged(out) as folder, waiting("reading", watching.progress):
        for cell, run in missing.items():
            given = given_data(task, data, {**settings, "cell": cell})
            if task.start(given.paths, folder / run.name, given.options, given.memory).evaluate is None:
                raise UserError(f"--cell: nothing is held out to compare {listed(runs)} by; train one at a time")
    return list(missing)


@dataclass(frozen=True)
class Given:
    """What a task is to train on, as it takes it.

    Attributes:
        paths: Files and folders.
        options: Settings by name.
        memory: Data in memory, by part.
    """

    paths: list[str]
    options: dict[str, Any]
    memory: dict[str, Any]


def given_data(task: Task, data: Any, settings: Mapping[str, Any], held: Mapping[str, Any] | None = None) -> Given:
    """Data and settings as a task takes them; ``held`` are validation and test data by part.

    Raises:
        UserError: If the task has no such part, or a part is several paths.
    """
    options, memory, paths = plain(settings), {}, []
    if is_nothing(data) or is_paths(data):
        paths = _paths(data)
    else:
        memory["train"] = data
    for part, given in (held or {}).items():
        if given is None:
            continue
        check_settings_names(task, [part])
        if isinstance(given, str | Path):
            options[part] = str(given)
        elif is_paths(given):
            raise UserError(f"{part}: expected one file or folder, or data in memory, got {len(given)} paths")
        else:
            memory[part] = given
    return Given(paths, options, memory)


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
    check_settings_names(task, settings)
    watching = watching.here()
    watching.check()
    options, cell, paths = plain(settings), settings.get("cell"), resumed_data(data)
    ModelFolder.open(out, task.name, cell)  # refuses what is no run, before the lock is made in it

    @contextmanager
    def opened() -> Iterator[Trainer[Any]]:
        with locked(out):
            with waiting("reading", watching.progress):
                trainer = task.resume(out, options, paths)
            yield trainer

    with together(opened(), lambda: task.resume(out, kept(options), paths)) as trainer:
        return go_on(task, trainer, out, cell, watching)


def kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of settings that a run keeps for good: with them it is opened where another process has changed the rest.

    Example:
        >>> kept({"steps": 10, "cell": "gru"})
        {'cell': 'gru'}
    """
    return {name: value for name, value in plain(settings).items() if name not in EXTENDABLE}


def resumed_data(data: Any) -> list[str]:
    """The paths where the data of a run lie that goes on.

    Raises:
        UserError: If the data are in memory.
    """
    if not (is_nothing(data) or is_paths(data)):
        raise UserError("expected paths where the run's data lie, got data in memory; it goes on with what it has")
    return _paths(data)


def go_on(task: Task, trainer: Trainer[Any], out: Path, cell: str | None, watching: Watching) -> Outcome:
    """Trains from where a trainer stands."""
    observers: list[Observer] = []
    if watching.progress:
        shown = (BriefObserver if watching.brief else ProgressObserver)(VisibleConsole(stderr=True), trainer.unit)
        if not watching.brief:
            told = trainer.plan.told(len(trainer.source), trainer.evaluate is not None)
            for line in [*task.describe(trainer, cell).splitlines(), *told]:
                shown.say(f"{out}: {line}")
        if trainer.progress.step:
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
        if launcher() is None:  # which passes on what its processes have heard already
            signal.signal(number, before[signal.Signals(number)])

    before = {
        number: signal.signal(number, stop)
        for number in ends
        if number is signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    except BaseException:
        if launcher() is not None:  # it ends all processes once one has ended; this one is about to say why it does
            before |= {number: signal.SIG_IGN for number in before if number is not signal.SIGINT}
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the command line would give them: paths as text, a single option of the cell as one of several."""
    found = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    if isinstance(found.get("cell_option"), str):
        found["cell_option"] = (found["cell_option"],)
    return found


def check_settings_names(task: Task, given: Iterable[str]) -> None:
    """Refuses a setting that the task has not; tells why, or the nearest.

    Raises:
        UserError: If there is one.
    """
    given = list(given)
    refuse_lacking(task.settings, given)
    check_names(given, task.settings.model_fields, f"task {task.name!r} has", BESIDE)


def check_names(given: Iterable[str], known: Iterable[str], has: str, beside: Iterable[str] = ()) -> None:
    """Refuses a name that is none, as Python's users write it.

    Args:
        given: Names of options.
        known: Those that there are.
        has: Whose they are.
        beside: Arguments that stand beside them, one of which may be meant.

    Raises:
        UserError: Names the nearest.
    """
    known = list(known)
    for name in given:
        if name not in known:
            near = nearest(name, [*known, *beside])
            raise UserError(f"unknown option {name!r}{near}; {has}: {listed(known) or 'none'}")


def _paths(data: Any) -> list[str]:
    return [str(data)] if isinstance(data, str | Path) else [str(path) for path in data or ()]
