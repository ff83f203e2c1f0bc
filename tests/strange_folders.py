"""Model folders changed by a stranger: what the tests of commands on them share."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from throughtime.tasks import TASKS


def commands(task: str, run: Path) -> dict[str, list[object]]:
    """Every command that reads a model folder."""
    one = ["--cell", "gru"] if TASKS[task].makes_data else []  # they train several by themselves
    return {
        "predict": ["predict", run, "--line", "a line"],
        "evaluate": ["evaluate", run],
        "sample": ["sample", run, "--length", 2],
        "score": ["score", run, "--line", "a line"],
        "inspect": ["inspect", run, "--rows", 1, "--length", 4],
        "train": ["train", task, "--out", run, "--resume", *one],
    }


def copied(run: Path, folder: Path) -> Path:
    """A model folder to change."""
    return Path(shutil.copytree(run, folder / "run"))


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where texts stand in plain data; of a list of texts the first stands for all."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from texts(member, (*path, name))
    elif isinstance(value, list):
        for number, member in enumerate(value[:1]):
            yield from texts(member, (*path, number))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Plain data with another value in one place."""
    value = copy.deepcopy(value)
    inner = value
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = new
    return value


def refused(call: Any, *arguments: object) -> str:
    """The line that a command ends with; before it at most that the model has hardly learnt."""
    answer = call(*arguments)
    assert (answer.code, answer.out) == (2, ""), arguments
    *told, line = answer.err.splitlines()
    assert [one for one in told if "hardly learnt" not in one] == []
    return str(line)
