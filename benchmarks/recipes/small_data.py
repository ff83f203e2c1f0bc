"""Every task on 50, 100, 500 and 5,000 examples of its own data: by the passes of its defaults, and by more steps.

    python benchmarks/recipes/small_data.py --tasks dna sentiment --sizes 50 100 --plans passes default 600

Each model is trained with its task's own settings on the first of shuffled examples and judged on the same 200
validation examples: by the passes of the defaults alone (``passes``), by the defaults as they are (``default``), or by
a number of steps. No test data are looked at. A run ends after ``--minutes``, which is noted where it happened. Rows
are added to those of earlier calls, and take the place of what had the same task, examples and plan.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from gestures import gestures
from record import ROOT, commit, curve, data, machine, record

import throughtime
from tasks import sst_sentences
from throughtime.api.run import Run
from throughtime.applications.dividing import divide
from throughtime.applications.reading.account import Guess, read_account
from throughtime.applications.supervised import Supervised
from throughtime.errors import UserError
from throughtime.tasks import find_task

SIZES, HELD, SEED = (50, 100, 500, 5000), 200, 0

Parts = dict[str, list[Path]]

TEXT = "text"
"""Its examples are lines, which lie side by side in one text; those to judge by are the last ones."""


def named(*paths: str) -> Callable[[Path], Parts]:
    return lambda folder: {"train": [data(path) for path in paths]}


def digits(folder: Path) -> Parts:
    """Spoken digits as a manifest, without those for the test, and without the few too short for their letters."""
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    files = [file for file in sorted(data("fsdd/recordings").glob("*.wav")) if int(file.stem.split("_")[2]) >= 5]
    files = [file for file in files if _seconds(file) >= 0.25]
    rows = (f"{file}\t{words[int(file.name[0])]}\n" for file in files)
    (folder / "digits.tsv").write_text("audio\ttranscript\n" + "".join(rows), encoding="utf-8")
    return {"train": [folder / "digits.tsv"]}


def _seconds(file: Path) -> float:
    with wave.open(str(file)) as sound:
        return float(sound.getnframes() / sound.getframerate())


def sentences(folder: Path) -> Parts:
    sst_sentences(folder)
    return {"train": [folder / "train.csv"]}


def points(folder: Path) -> Parts:
    gestures(folder)
    return {part: [folder / f"{part}.csv"] for part in ("train", "valid")}


TASKS: dict[str, tuple[Callable[[Path], Parts], dict[str, Any]]] = {
    "dna": (named("dna_splice/splice.data"), {}),
    "sentiment": (sentences, {}),
    "sentiment-trees": (named("sst_trees/train.txt"), {}),
    "entities": (named("wnut17/wnut17train.conll"), {}),
    "pronunciation": (named("cmudict/cmudict.dict"), {}),
    "speech": (digits, {}),
    "video": (points, {}),
    "music": (named("nottingham/MIDI"), {}),
    "translation": (named("multi30k/raw/train.de", "multi30k/raw/train.en"), {"from_": "de", "to": "en"}),
    TEXT: (named("tinyshakespeare/input.txt"), {}),
}
"""What each task learns from, and with which options."""

NOTHING = {
    "entities": Guess("f1", 0.0, "finding nothing", higher=True),
    "pronunciation": Guess("phoneme_error", 100.0, "saying nothing", higher=False),
    "speech": Guess("word_error", 100.0, "saying nothing", higher=False),
}
"""What guessing comes to, where a run does not tell."""


FIGURES = {"music": "nats", "translation": "nats_per_token", TEXT: "nats_per_token"}
"""What the evaluations of a run found, where there is no guess to stand beside it."""


def lines_of_text(folder: Path) -> tuple[list[str], list[str]]:
    (path,) = TASKS[TEXT][0](folder)["train"]
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return lines[:-HELD], lines[-HELD:]


def examples_of(name: str, folder: Path) -> tuple[list[Any], list[Any]]:
    """Training and validation examples in an order of chance: the task divides its files as it does itself."""
    if name == TEXT:
        return lines_of_text(folder)
    task, (paths, options) = find_task(name), TASKS[name]
    assert isinstance(task, Supervised)
    application = task.application
    settings = application.settings_type(**options)
    found = {}
    for part, files in paths(folder).items():
        names = application.find(files, settings)["train"] if part == "train" else files
        found[part] = list(application.read(names, settings))
    parts, _ = divide(application, found, settings)  # type: ignore[arg-type]
    for members in parts.values():
        random.Random(SEED).shuffle(members)
    return parts["train"], known(task, parts["train"], parts["valid"], folder / "least")


def known(task: Supervised, train: Sequence[Any], valid: Sequence[Any], folder: Path) -> list[Any]:
    """The validation examples whose labels stand in the least data, so that all sizes are judged alike."""
    options = {**TASKS[task.name][1], "steps": 1}
    run = throughtime.train(task.name, train[: SIZES[0]], out=folder, held_out=0, progress=False, **options)
    bound, kept = task.load(run.folder).bound, []
    for example in valid:
        with contextlib.suppress(UserError):
            bound.batch([example])
            kept.append(example)
    return kept[:HELD]


def figures(run: Run, task: str) -> dict[str, Any]:
    """The best validation, beside guessing, and what each evaluation found."""
    assert run.outcome is not None
    found = dict(run.outcome.figures)
    read = read_account(run.folder)
    guess = NOTHING.get(task) if read is None or read.guess is None else read.guess
    beside = {} if guess is None else {"guess": {"figure": guess.figure, "value": guess.value, "how": guess.how}}
    chosen = {name: value for name, value in found.items() if name not in ("run", "clipped_share")}
    shown = guess.figure if guess is not None else FIGURES[task]
    return {**chosen, **beside, "curve": [[point["step"], point[shown]] for point in curve(run.folder)]}


def learn(task: str, plan: str, minutes: float, train: list[Any], valid: list[Any], out: Path) -> dict[str, Any]:
    """Trains by a plan and judges."""
    settings = find_task(task).settings
    options = dict(TASKS[task][1])
    if plan == "passes":
        options["epochs"] = settings.model_fields["epochs"].default
    elif plan != "default":
        options["steps"] = int(plan)
    if task == TEXT:
        train, valid = [("".join(train),)], [("".join(valid),)]
    began = time.process_time()
    run = stopped(minutes, task, train, valid=valid, out=out, progress=False, seed=SEED, **options)
    found = figures(run, task)
    return {**found, "cut_short": not found["ended"], "cpu_seconds": round(time.process_time() - began, 1)}


def stopped(minutes: float, *given: Any, **options: Any) -> Run:
    """Trains, and stops by Ctrl-C's signal: minutes of the plan would change how the learning rate falls."""
    clock = threading.Timer(60 * minutes, os.kill, (os.getpid(), signal.SIGINT))
    clock.start()
    try:
        run: Run = throughtime.train(*given, **options)
        return run
    finally:
        clock.cancel()


def measure(task: str, sizes: Sequence[int], plans: Sequence[str], minutes: float, out: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        train, valid = examples_of(task, folder)
        for size in sorted({min(size, len(train)) for size in sizes}):
            for plan in plans:
                result = learn(task, plan, minutes, train[:size], valid, folder / f"{size}-{plan}")
                row = {"task": task, "examples": size, "plan": plan, "validation": len(valid), "commit": commit(ROOT)}
                print(json.dumps({**row, **result}), flush=True)
                keep({**row, **result}, out)


def keep(row: dict[str, Any], out: Path) -> None:
    """Adds a row to those that were measured before."""
    names = ("task", "examples", "plan")
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"] if out.exists() else []
    rows = [other for other in rows if any(other[name] != row[name] for name in names)]
    tasks = list(TASKS)
    rows = sorted([*rows, row], key=lambda each: (tasks.index(each["task"]), each["examples"]))
    command = "python benchmarks/recipes/small_data.py"
    record("small-data", {"command": command, "seed": SEED, "machine": machine(), "rows": rows}, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--plans", nargs="+", default=["passes", "default"], help="passes, default, or steps.")
    parser.add_argument("--minutes", type=float, default=10.0, help="Most of a run.")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "small-data.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for task in given.tasks:
        measure(task, given.sizes, given.plans, given.minutes, given.out)


if __name__ == "__main__":
    main()
