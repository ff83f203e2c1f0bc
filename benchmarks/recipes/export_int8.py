"""What matrices of int8 cost trained models that leave: figures of held-out data, and sizes, before and after.

    python benchmarks/recipes/export_int8.py                     # every model, one after the other
    python benchmarks/recipes/export_int8.py --models entities digits

Trains each into ``runs/export``, with the command that its own recipe records, where it is not trained yet; those that
take longer than ten minutes (pronunciation, translation) are trained for four here, and ``book`` is that of the page of
programs. Then does
what ``throughtime export RUN --int8`` does: judges the model by the run's test data, or its validation data where
there are none, once as it is and once with its matrices rounded, and writes the graphs both ways. ``--train`` only
trains. Models that are not asked for stay as they are recorded in ``benchmarks/results/export-int8.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import homophones
import splice
import sv_agreement
import torch
from record import ROOT, commit, curve, data, machine, record
from speech import OPTIONS as SPEECH
from speech import prepare

import throughtime
from tasks import RECIPES

BYTES = "bytes of "
MARK = "trained-at"
"""A file in a run that is trained to its end; it holds the commit."""


@dataclass(frozen=True)
class Trained:
    """How a model is trained.

    Attributes:
        task: What it does.
        data: Makes the data in a folder, if need be, and gives the arguments that name them.
        options: Of training.
        result: The recorded result that has the same command; empty where it is trained for a shorter time.
    """

    task: str
    data: Callable[[Path], list[str]]
    options: str
    result: str = ""


def recipe(name: str, options: str = "") -> Trained:
    """A model of ``tasks.py``."""
    found = RECIPES[name]
    task, result = found.task or name, "" if options else f"task-{name}"
    return Trained(task, lambda folder: as_options(found.paths(folder)), options or found.options, result)


def as_options(paths: list[str]) -> list[str]:
    """Each behind ``--data``."""
    return [part for path in paths for part in ("--data", path)]


def speech(name: str) -> Trained:
    """A model of ``speech.py``."""
    return Trained("speech", lambda folder: [str(prepare(name, folder))], SPEECH[name], f"speech-{name}")


def captions(_: Path) -> list[str]:
    """What ``homophones.py`` trains on."""
    return [str(data("multi30k/raw/train.en")), "--valid", str(data("multi30k/raw/val.en"))]


def one_fold(folder: Path) -> list[str]:
    """The first fold of ``splice.py``, and what it is judged by."""
    parts = splice.folds(data("dna_splice/splice.data"))
    splice.write(folder / "train.data", [sequence for part in parts[1:] for sequence in part])
    splice.write(folder / "test.data", parts[0])
    return ["--data", str(folder)]


def verbs(folder: Path) -> list[str]:
    """What ``sv_agreement.py`` trains on, and the sentences with one noun of the other number."""
    train, test = sv_agreement.read()
    sv_agreement.write(folder / "train.csv", train)
    sv_agreement.write(folder / "test.csv", [line for line in test if line[2] == 1])
    return ["--data", str(folder / "train.csv"), "--test", str(folder / "test.csv")]


MODELS = {
    "characters": Trained("text", lambda _: ["builtin:python-manual"], "--hidden 256 --steps 1500 --seed 0", "weights"),
    "book": Trained("text", lambda _: ["builtin:python-manual"], "--hidden 128 --steps 300 --lr 8e-3 --seed 0"),
    "captions": Trained("text", captions, homophones.OPTIONS, "homophones"),
    "sentiment": recipe("sentiment"),
    "verbs": Trained("sentiment", verbs, f"--cell lstm {sv_agreement.OPTIONS} --text-column text", "sv-agreement"),
    "entities": recipe("entities"),
    "translation": recipe("translation", "--from de --to en --lowercase --vocab 6000 --minutes 4 --seed 0"),
    "pronunciation": recipe("pronunciation", "--minutes 4 --layers 1 --batch 64 --lr 3e-3 --dropout 0.1 --seed 0"),
    "digits": speech("one-way"),
    "yesno": speech("yesno"),
    "events": recipe("music-events"),
    "chorales": recipe("music-jsb"),
    "nottingham": recipe("music-nottingham"),
    "splice": Trained("dna", one_fold, splice.OPTIONS, "dna-splice"),
    "gestures": recipe("video-gestures"),
}


def run_of(name: str, runs: Path) -> Path:
    """A model's folder, trained where it is not yet."""
    run, how = runs / name, MODELS[name]
    if not (run / MARK).exists():
        prepared = runs / f"{name}-data"
        prepared.mkdir(parents=True, exist_ok=True)
        command = ["train", how.task, *how.data(prepared), *how.options.split(), "--out", str(run)]
        subprocess.run([sys.executable, "-m", "throughtime", *command], check=True)
        (run / MARK).write_text(commit(ROOT) or "", encoding="utf-8")
    return run


def judged(name: str, runs: Path, note: str) -> dict[str, Any]:
    """What a model gives up: every figure and every file's size, as they are and with int8."""
    folder, how = run_of(name, runs), MODELS[name]
    run = throughtime.load(folder)
    found = run.rounding()
    return {
        "command": f"throughtime train {how.task} DATA {how.options}",
        "as_recorded_in": how.result or None,
        **({"note": note} if note else {}),
        "trained_at": (folder / MARK).read_text("utf-8"),
        "training_seconds": curve(folder)[-1]["seconds"],
        "steps": curve(folder)[-1]["step"],
        "parameters": sum(value.numel() for value in run.model.parameters()),
        "figures": {key: pair for key, pair in found.items() if not key.startswith(BYTES)},
        "bytes": {key.removeprefix(BYTES): pair for key, pair in found.items() if key.startswith(BYTES)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "export", help="Folder of the models.")
    parser.add_argument("--train", action="store_true", help="Only train what is not trained yet.")
    parser.add_argument("--note", default="", help="On how they were trained.")
    given = parser.parse_args()
    if given.train:
        for name in given.models:
            run_of(name, given.runs)
        return
    torch.set_num_threads(1)
    path = ROOT / "benchmarks" / "results" / "export-int8.json"
    before: dict[str, Any] = json.loads(path.read_text("utf-8"))["models"] if path.exists() else {}
    found = {name: before.get(name) for name in MODELS}
    for name in given.models:
        found[name] = judged(name, given.runs, given.note)
        print(name, json.dumps(found[name]), flush=True)
    command = "python benchmarks/recipes/export_int8.py"
    models = {name: one for name, one in found.items() if one}
    record("export-int8", {"command": command, "machine": machine(), "models": models})


if __name__ == "__main__":
    main()
