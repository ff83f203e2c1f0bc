"""Training from Python."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, overload

from throughtime.api.folds import CrossValidation, begin_folds
from throughtime.api.loading import TaskLike, as_task
from throughtime.api.run import Run
from throughtime.api.running import Watching, begin, check_settings_names
from throughtime.api.together import refuse_several
from throughtime.applications.memory import is_nothing
from throughtime.errors import UserError


@overload
def train(
    task: TaskLike,
    data: Any = None,
    *,
    folds: int,
    fold: None = None,
    out: str | Path | None = None,
    valid: Any = None,
    test: Any = None,
    progress: bool = True,
    tensorboard: bool = False,
    watch: bool = False,
    **settings: Any,
) -> CrossValidation: ...


@overload
def train(
    task: TaskLike,
    data: Any = None,
    *,
    folds: int | None = None,
    fold: int | None = None,
    out: str | Path | None = None,
    valid: Any = None,
    test: Any = None,
    progress: bool = True,
    tensorboard: bool = False,
    watch: bool = False,
    **settings: Any,
) -> Run: ...


def train(
    task: TaskLike,
    data: Any = None,
    *,
    folds: int | None = None,
    fold: int | None = None,
    out: str | Path | None = None,
    valid: Any = None,
    test: Any = None,
    progress: bool = True,
    tensorboard: bool = False,
    watch: bool = False,
    **settings: Any,
) -> Run | CrossValidation:
    """Trains a model. Ctrl-C ends the training after the step at hand, with a checkpoint: ``run.resume()`` goes on.

    Where a group of PyTorch's processes is initialised, ``torch.distributed.init_process_group``, all of them call this
    alike, and each has a share of every batch; the first one reads ``data`` and writes.

    Args:
        task: The name of a task (``throughtime tasks`` lists them), ``module:Class``, or a class of your own.
        data: A path, several paths, or data in memory, as the task's page names them; tasks that make their data
            need none.
        folds: Cross-validate: train so many models, each judged by another part of the data; see
            :class:`throughtime.CrossValidation`. All other settings, ``minutes`` too, are of each.
        fold: Train the one of them that is judged by this part, from 1.
        out: The model folder to make; without it the run lives in a temporary folder until :meth:`Run.save`.
        valid: Validation data, likewise; without it a share of the data is held out.
        test: Test data, likewise.
        progress: Show progress on standard error, of this and of what the run does later.
        tensorboard: Write TensorBoard events, too.
        watch: Measure the gradient of every recurrent layer, too.
        **settings: As the command line names them, with underscores: ``hidden=128, minutes=2``; a name that is a word
            of Python's own ends in one: ``from_="de"``.

    Raises:
        UserError: If the data or a setting is bad; nothing is left behind.
        TrainingDivergedError: If the loss is infinite or no number; the last checkpoint stays in ``out``.
    """
    found = as_task(task)
    settings |= {name: value for name, value in {"folds": folds, "fold": fold}.items() if value is not None}
    check_settings_names(found, settings)
    if is_nothing(data) and not found.makes_data:
        raise UserError(f'expected data to train on, got none; e.g.: throughtime.train({found.name!r}, "FILE")')
    cells = settings.get("cell", found.settings.model_fields["cell"].default)
    if isinstance(cells, str) and "," in cells:
        raise UserError(
            f"expected one cell, got {cells!r}; call train once for each, as with cell={cells.split(',')[0]!r}"
        )
    if out is None:
        refuse_several("out", "name a folder that all of them see")
    watching, held = Watching(progress, tensorboard, watch), {"valid": valid, "test": test}
    home = TemporaryDirectory(prefix="throughtime-") if out is None else None
    folder = Path(home.name, found.name.replace(":", ".")) if home is not None else Path(str(out))
    cell = settings.get("cell")
    cell = cell if isinstance(cell, str) and ":" in cell else None
    made: Run | CrossValidation
    try:
        if folds is not None and fold is None:
            begin_folds(found, data, folder, settings, watching, held)
            made = CrossValidation(folder, cell=cell, task=found)
            made.progress = progress
        else:
            outcome = begin(found, data, folder, settings, watching, held)
            made = Run(folder, found, cell=cell)
            made.outcome, made.progress = outcome, progress
    except BaseException:
        if home is not None:
            home.cleanup()
        raise
    if home is not None:
        made.live_in(home)
    return made
