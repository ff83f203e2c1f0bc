"""Run by test_sizes.py in a process of its own: each number of every task's config.json is made huge."""

from __future__ import annotations

import copy
import json
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from throughtime.errors import UserError
from throughtime.tasks import TASKS

HUGE = (20_000, 10**9, 10**18)
MEBIBYTES = 300
SECONDS = 10
HARMLESS = {"steps", "minutes", "warmup", "evaluate_every", "patience", "min_count", "seed", "found"}
"""Settings that no memory depends on."""


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where whole numbers stand, or could."""
    if isinstance(value, dict | list):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in HARMLESS:
                yield from places(member, (*at, key))
    elif value is None or type(value) is int:
        yield at


def peak() -> int:
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def fault(act: Callable[[], object]) -> str:
    """What is wrong with how a folder was met; nothing where it was read or refused in a line."""
    held, began, line = peak(), time.monotonic(), ""
    try:
        act()
    except UserError as error:
        line = str(error)
    found = [] if "\n" not in line else ["more than a line"]
    found += [] if peak() < held + MEBIBYTES else [f"{peak() - held} MiB"]
    found += [] if time.monotonic() < began + SECONDS else ["too slow"]
    return ", ".join(found)


def main(runs: Mapping[str, Path]) -> None:
    """Prints a line for every case that was met badly, and at the end how many there were.

    Args:
        runs: A model folder of every task, to change.
    """
    cases = refused = 0
    for name, out in runs.items():
        task = TASKS[name]
        config = json.loads((out / "config.json").read_text())

        def opened(out: Path = out, task: Any = task) -> None:
            task.load(out, None)

        def resumed(out: Path = out, task: Any = task) -> None:
            task.resume(out, {})

        for at in places({name: config[name] for name in ("settings", "model", "data")}):
            for huge in HUGE:
                changed = inner = copy.deepcopy(config)
                for key in at[:-1]:
                    inner = inner[key]
                inner[at[-1]] = huge
                for act in (opened, resumed) if huge == HUGE[1] else (opened,):
                    (out / "config.json").write_text(json.dumps(changed))
                    cases += 1
                    if bad := fault(act):
                        print(name, *at, huge, act.__name__, bad)
        config["settings"]["hidden"] = 20_000
        config["model"]["hidden"] = 20_000
        (out / "config.json").write_text(json.dumps(config))
        for act in (opened, resumed):
            try:
                act()
            except UserError as error:
                refused += "expected the weights that config.json describes" in str(error)
    print(f"{cases > 500} {refused == 2 * len(TASKS)}")
