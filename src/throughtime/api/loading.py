"""Which task is meant, and the run of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from throughtime.api.run import Run
from throughtime.applications.application import Application
from throughtime.applications.folder.model_folder import choose_device, task_of
from throughtime.applications.supervised import Supervised
from throughtime.applications.task import Task
from throughtime.errors import UserError, listed, spelled
from throughtime.tasks import APPLICATIONS, TASKS, find_task

TaskLike = str | Task | type[Application[Any]]
"""A task's name, ``module:Class``, the class itself, or a :class:`throughtime.tasks.Task`."""


@spelled
def load(folder: str | Path, *, cell: str | None = None, task: TaskLike | None = None, device: str = "auto") -> Run:
    """The run of a model folder, whatever its task.

    Args:
        folder: The model folder.
        cell: Allows the user's own cell that the model was trained with, ``module:Class``.
        task: Allows the user's own task that made the model, ``module:Class``, or the class itself.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        UserError: If the folder is no model folder, or damaged; if it asks for code that is not named here; if there
            is no such device.
    """
    folder = Path(folder)
    choose_device(device)
    named = None if task is None else as_task(task)
    found = open_task(folder, None if named is None else named.name) if not isinstance(named, Supervised) else named
    if found is named:
        task_of(folder, found.name)
    run = Run(folder, found, cell=cell, device=device)
    run.options("evaluate")  # refuses what is damaged at once
    return run


def open_task(folder: Path, own: str | None) -> Task:
    """The task that made a model folder; code of the user's own only where the user names it.

    Raises:
        UserError: If the folder is damaged, or its task is ``module:Class`` and ``own`` is not the same.
    """
    name = task_of(folder, own)
    try:
        return find_task(name)
    except UserError as error:
        raise UserError(f"{folder}: {error}") from error


def as_task(task: TaskLike) -> Task:
    """The task that is meant.

    Raises:
        UserError: If there is none; names the nearest one.
    """
    if isinstance(task, Task):
        return task
    if isinstance(task, str):
        return find_task(task)
    if not (isinstance(task, type) and issubclass(task, Application)):
        raise UserError(f"expected the name of a task, or an Application, got {task!r}; tasks: {listed(TASKS)}")
    if task in APPLICATIONS:
        return TASKS[task.name]
    return Supervised(task, f"{task.__module__}:{task.__qualname__}")
