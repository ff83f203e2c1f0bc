"""Tiny trained models of every task, as the files of their folders."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from fuzzing.corpus import SMALL, Data
from throughtime.applications.task import Task
from throughtime.tasks import TASKS

MADE = {"examples": 10, "held_out": 10, "length": 6, "gap": 3, "shortest": 0, "cell": "lstm"}
"""Settings of the tasks that make their data."""


def settings(task: Task, own: Mapping[str, Any]) -> dict[str, Any]:
    """The small ones that a task has, and others."""
    known = task.settings.model_fields
    small = {**SMALL, **(MADE if task.makes_data else {"held_out": 0.2, "min_count": 1})}
    return {**{name: value for name, value in small.items() if name in known}, **own}


@contextmanager
def still() -> Iterator[None]:
    """The clock counts its readings, so that what is trained twice is the same twice."""
    kept, ticks = time.perf_counter, count()
    time.perf_counter = lambda: next(ticks) * 1e-3
    try:
        yield
    finally:
        time.perf_counter = kept


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Files by their path below the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Works in a folder, so that what is written of paths is the same wherever the folder lies."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def train(folder: Path, task: str, data: Data | None) -> dict[str, bytes]:
    """The folder of a model after two steps."""
    found = TASKS[task]
    write(folder, data.files if data else {})
    paths = [data.path] if data else []
    with inside(folder), still():
        found.start(paths, Path("run"), settings(found, data.options if data else {})).run()
        here = f"{Path.cwd().resolve()}/".encode()
        return {name: content.replace(here, b"../") for name, content in contents(Path("run")).items()}
