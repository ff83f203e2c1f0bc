"""The applications, a file each, by name."""

from __future__ import annotations

from throughtime.errors import UserError, nearest
from throughtime.tasks.base import Task
from throughtime.tasks.text import TextTask

TASKS: dict[str, Task] = {task.name: task for task in (TextTask(),)}
"""Every task by name."""


def find_task(name: str) -> Task:
    """The task of that name.

    Raises:
        UserError: If there is none; names the nearest one.
    """
    if name not in TASKS:
        raise UserError(f"unknown task {name!r}{nearest(name, TASKS)}; tasks: {', '.join(TASKS)}")
    return TASKS[name]


__all__ = ["TASKS", "Task", "find_task"]
