"""The applications, a file each, by name."""

from __future__ import annotations

from typing import Any

from throughtime.own import find_class
from throughtime.tasks.adding import Adding
from throughtime.tasks.agreement import AgreementTask
from throughtime.tasks.application import Application
from throughtime.tasks.base import Task
from throughtime.tasks.copying import Copying
from throughtime.tasks.dna import Dna
from throughtime.tasks.entities import Entities
from throughtime.tasks.music import Music
from throughtime.tasks.pronunciation import Pronunciation
from throughtime.tasks.sentiment import Sentiment
from throughtime.tasks.sentiment_trees import SentimentTrees
from throughtime.tasks.speech import Speech
from throughtime.tasks.supervised import Supervised
from throughtime.tasks.text import TextTask
from throughtime.tasks.translation import Translation
from throughtime.tasks.video import VideoActions

APPLICATIONS: tuple[type[Application[Any]], ...] = (
    Sentiment,
    SentimentTrees,
    Entities,
    Translation,
    Pronunciation,
    Speech,
    Music,
    Dna,
    VideoActions,
    AgreementTask,
    Adding,
    Copying,
)

TASKS: dict[str, Task] = {task.name: task for task in (TextTask(), *map(Supervised, APPLICATIONS))}
"""Every task by name."""


def find_task(name: str) -> Task:
    """The task of that name: a built-in one, or ``module:Class``, an :class:`Application` whose module is imported.

    Raises:
        UserError: If there is none; names the nearest one.
    """
    found = find_class("task", name, TASKS, Application)
    return found if isinstance(found, Task) else Supervised(found, name)


__all__ = ["TASKS", "Application", "Task", "find_task"]
