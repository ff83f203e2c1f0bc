"""``throughtime train TASK``."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from throughtime.api import CrossValidation, Watching, begin, prepare_cells, resume
from throughtime.api.folds import begin_folds, is_cross_validation, resume_folds
from throughtime.api.progress import waiting
from throughtime.applications.task import Report, Task
from throughtime.cli.shared.common import WIDE_HELP, print_figures, print_report
from throughtime.cli.shared.options import SettingsCommand, given, settings_options
from throughtime.cli.shared.output import VisibleContext, echo
from throughtime.errors import UserError, listed
from throughtime.extras import extra
from throughtime.tasks import TASKS, find_task
from throughtime.training import TrainingDivergedError
from throughtime.training.processes import ranks
from throughtime.training.processes.launch import grouped
from throughtime.visible import in_line, tell

T = TypeVar("T")

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class TrainGroup(click.Group):
    """A subcommand a task, with the options of the task's settings."""

    context_class = VisibleContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every task."""
        return list(TASKS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        """The command that trains a task."""
        task = find_task(name)
        parameters: list[click.Parameter] = [
            click.Argument(["paths"], nargs=-1, metavar="PATHS..."),
            click.Option(["--data"], multiple=True, metavar="PATH", help="The same as PATHS; may be repeated."),
            *settings_options(task.settings),
            click.Option(["--out"], required=True, type=click.Path(path_type=Path), help="The model folder to make."),
            click.Option(["--resume"], is_flag=True, help="Go on with the run in --out; no PATHS are needed."),
            click.Option(["--tensorboard"], is_flag=True, help="Write TensorBoard events, too."),
            click.Option(["--watch"], is_flag=True, help="Measure the gradient of every recurrent layer, too."),
            click.Option(["--wide"], **WIDE_HELP),
            click.Option(["--json"], is_flag=True, help="Print the result as JSON."),
        ]

        @click.pass_context
        def callback(ctx: click.Context, /, **values: Any) -> int:
            try:
                with grouped():
                    return _train(task, given(ctx, task.settings), values)
            except TrainingDivergedError as error:
                tell(str(error))
                return 1

        made = SettingsCommand(name, params=parameters, callback=callback, help=f"Train a {task.summary}.")
        made.lacking = task.settings
        return made


command = TrainGroup("train", help="Train a model of a task, and resume a run.")


def _train(task: Task, options: dict[str, Any], values: dict[str, Any]) -> int:
    """Trains one model, one for each fold, or one for each cell."""
    begun = values["resume"] and is_cross_validation(values["out"])
    if begun or ("folds" in options and "fold" not in options and not values["resume"]):
        return cross_validate(task, options, values)
    cells = str(options.get("cell", task.settings.model_fields["cell"].default)).split(",")
    begun = values["resume"] and (values["out"] / "config.json").exists()  # a run of one cell knows which
    if len(cells) > 1 and ("cell" in options or not begun):
        return train_all(task, cells, options, values)
    return train(task, options, values)


def train(task: Task, options: dict[str, Any], values: dict[str, Any]) -> int:
    """Trains, shows progress, and prints where the run ended."""
    outcome = _begun(begin, resume, task, options, values)
    if not outcome.finished:
        return _stopped(task, values["out"], f"stopped at step {outcome.figures['steps']}")
    if ranks().first:
        print_figures(outcome.figures, values["json"])
    return 0


def cross_validate(task: Task, options: dict[str, Any], values: dict[str, Any]) -> int:
    """Trains a model for every fold, and prints what they come to."""
    out: Path = values["out"]
    if not _begun(begin_folds, resume_folds, task, options, values):
        return _stopped(task, out, "stopped")
    print_report(CrossValidation(out, cell=options.get("cell"), task=task).report, values["json"])
    return 0


def _begun(
    begin: Callable[..., T], resume: Callable[..., T], task: Task, options: dict[str, Any], values: dict[str, Any]
) -> T:
    """What beginning comes to, or going on."""
    out, paths, watching = values["out"], _paths(task, values), _watching(values)
    if values["resume"]:
        return resume(task, out, paths, options, watching)
    return begin(task, paths, out, options, watching)


def _paths(task: Task, values: dict[str, Any]) -> list[str]:
    paths = [*values["paths"], *values["data"]]
    if not (values["resume"] or paths or task.makes_data):
        raise UserError(f"expected data to train on; e.g.: throughtime train {task.name} FILE --out {values['out']}")
    return paths


def _watching(values: dict[str, Any]) -> Watching:
    return Watching(tensorboard=values["tensorboard"], watch=values["watch"], ends=ENDS)


def _stopped(task: Task, out: Path, how: str) -> int:
    if not ranks().first:
        return 130
    again = shlex.join(["throughtime", "train", task.name, "--out", str(out), "--resume"])
    echo(in_line(f"{how}; go on with: {again}"), err=True)
    return 130


def train_all(task: Task, cells: Sequence[str], options: dict[str, Any], values: dict[str, Any]) -> int:
    """Trains one model for each cell, alike in all else, into folders below ``--out``, and compares them.

    With ``--resume`` finished runs are left as they are, a broken one goes on, and those that are missing begin.
    """
    out: Path = values["out"]
    runs = {cell: out / cell.replace(":", ".") for cell in cells}
    if len(runs) < len(cells) or not all(cells):
        raise UserError(f"--cell: expected different cells separated by commas, got {listed(cells)}")
    if out.exists() and not values["resume"]:
        raise UserError(f"{out}: exists already; give --out another folder, or go on with --resume")
    picture = out / "comparison.png"
    extra("matplotlib", "plots", "comparing cells")
    for run in runs.values():
        if run.is_symlink():  # whoever made the folder may have planted it
            raise UserError(f"{run}: expected a folder, found a link, which is not followed; remove it")
    made = prepare_cells(task, _paths(task, values), runs, options, _watching(values))
    for cell, run in runs.items():
        anew = {} if cell in made else options
        code = train(task, {**anew, "cell": cell}, {**values, "out": run, "resume": True})
        if code:
            return code
    with waiting("comparing"):
        tables = task.compare(runs, picture)
    report = Report({"picture": str(picture)}, tables)
    print_report(report, values["json"])
    return 0
