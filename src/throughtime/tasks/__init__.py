"""The applications, a file each, by name."""

from __future__ import annotations

from typing import Any

from throughtime.applications.application import Application
from throughtime.applications.supervised import Supervised
from throughtime.applications.task import Task
from throughtime.own import find_class
from throughtime.tasks.dna.task import Dna
from throughtime.tasks.forecast.task import Forecasting
from throughtime.tasks.memory.adding import Adding
from throughtime.tasks.memory.agreement import AgreementTask
from throughtime.tasks.memory.copying import Copying
from throughtime.tasks.music.task import Music
from throughtime.tasks.pairs.pronunciation import Pronunciation
from throughtime.tasks.pairs.translation import Translation
from throughtime.tasks.sentences.entities import Entities
from throughtime.tasks.sentences.sentiment import Sentiment
from throughtime.tasks.sentences.sentiment_trees import SentimentTrees
from throughtime.tasks.series.task import SeriesTask
from throughtime.tasks.speech.task import Speech
from throughtime.tasks.text.task import TextTask
from throughtime.tasks.video.task import VideoActions

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
    SeriesTask,
    Forecasting,
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
