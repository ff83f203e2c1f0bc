"""Whether classifiers are right as often as they say, with the temperature that validation fits and without it.

    python benchmarks/recipes/calibration.py

Each is trained on a few hundred examples of real data, into ``runs/calibration/<task>-<seed>``, and judged on the test
part, which the temperature has not seen: accuracy, loss and expected calibration error. A folder that is trained
already is only judged, and tasks that ``--tasks`` leaves out stay as they are recorded.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import mean
from typing import Any

from gestures import gestures
from record import ROOT, commit, curve, data, machine, record

import throughtime
from tasks import sst_sentences

COUNTS = {"train": 1000, "valid": 300, "test": 600}
"""Examples of each part, at most: with few to learn from, models learn by heart."""

Groups = list[str]
"""Examples as a file has them."""


def few(found: Groups, part: str) -> Groups:
    """As many as there may be, from all over a part."""
    step = max(1.0, len(found) / COUNTS[part])
    return [found[int(number * step)] for number in range(min(len(found), COUNTS[part]))]


def sentences(folder: Path) -> dict[str, Groups]:
    """Sentences of the Stanford Sentiment Treebank, positive or negative."""
    sst_sentences(folder)
    files = {"train": "train", "valid": "dev", "test": "test"}
    read = {part: (folder / f"{name}.csv").read_text("utf-8").splitlines(True) for part, name in files.items()}
    (folder / "dev.csv").unlink()
    return {part: [lines[0], *few(lines[1:], part)] for part, lines in read.items()}


def trees(folder: Path) -> dict[str, Groups]:
    """Its trees."""
    files = {"train": "train", "valid": "dev", "test": "test"}
    return {p: few(data(f"sst_trees/{name}.txt").read_text("utf-8").splitlines(True), p) for p, name in files.items()}


def junctions(folder: Path) -> dict[str, Groups]:
    """UCI's splice junctions, each sequence once, drawn at random."""
    lines = data("dna_splice/splice.data").read_text("ascii").splitlines(True)
    once = [*{line.rpartition(",")[2].strip(): line for line in lines}.values()]
    random.Random(0).shuffle(once)
    edges = [0, *accumulate(COUNTS.values())]
    return {part: once[begin:end] for part, (begin, end) in zip(COUNTS, pairwise(edges), strict=True)}


def points(folder: Path) -> dict[str, Groups]:
    """Gestures, in blocks so that no recording is in two parts."""
    gestures(folder)
    return {part: few((folder / f"{part}.csv").read_text("utf-8").splitlines(True), part) for part in COUNTS}


def entities(folder: Path) -> dict[str, Groups]:
    """Sentences of WNUT 2017."""
    files = {"train": "wnut17train.conll", "valid": "emerging.dev.conll", "test": "emerging.test.annotated"}
    read = {part: data(f"wnut17/{name}").read_text("utf-8").strip("\n").split("\n\n") for part, name in files.items()}
    return {part: few([f"{sentence.strip()}\n\n" for sentence in found], part) for part, found in read.items()}


RECIPES: dict[str, tuple[Callable[[Path], dict[str, Groups]], str, str, str]] = {
    "sentiment": (sentences, "sentences of sst_trees", ".csv", ""),
    "sentiment-trees": (trees, "sst_trees", ".txt", "--hidden 100 --embedding 100"),
    "dna": (junctions, "dna_splice/splice.data", ".data", "--hidden 32 --layers 1 --batch 32"),
    "video": (points, "hand_gesture_history/point_history.csv", ".csv", "--hidden 32 --layers 1 --epochs 10"),
    "entities": (entities, "wnut17", ".conll", "--hidden 50 --embedding 50 --spelled 50 --epochs 10"),
}
"""Of each task: what reads its data, their name and suffix, options of training."""

RECORDED = ROOT / "benchmarks" / "results" / "calibration.json"

FIGURES = ("accuracy", "root_accuracy", "f1", "token_accuracy", "nats", "calibration_error")


def train(task: str, seed: int, run: Path) -> list[str]:
    """Trains where there is no model yet; gives the command, its data named as a reader would."""
    read, shown, suffix, options = RECIPES[task]
    told = ["throughtime", "train", task, "--data", f"{shown}, cut", *options.split(), "--seed", str(seed)]
    if not (run / "model.safetensors").exists():
        beside = run.parent / f"{task}-data"
        beside.mkdir(parents=True, exist_ok=True)
        for part, lines in read(beside).items():
            (beside / f"{part}{suffix}").write_text("".join(lines), "utf-8")
        command = ["train", task, "--data", str(beside), *options.split(), "--seed", str(seed), "--out", str(run)]
        subprocess.run([sys.executable, "-m", "throughtime", *command], check=True)
    return told


def judge(folder: Path) -> dict[str, Any]:
    """Figures on the test data, at the model's temperature and at 1."""
    run = throughtime.load(folder)
    temperature = run.model.temperature
    after = run.evaluate().figures
    run.model.temperature = 1.0
    before = run.evaluate().figures
    best = [event for event in curve(folder) if event["best"]][-1]
    found = {name: {key: row[key] for key in FIGURES if key in row} for name, row in (("1", before), ("fitted", after))}
    return {
        "temperature": temperature,
        "training_seconds": curve(folder)[-1]["seconds"],
        "step": best["step"],
        "validation": {key: value for key, value in best.items() if key.startswith(("calibration", "temperature"))},
        "examples": {part: read.examples for part, read in run.read.parts.items()},
        "test": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "calibration")
    parser.add_argument("--tasks", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--trained-at", default=commit(ROOT), help="The commit, where models were trained before.")
    given = parser.parse_args()
    before, rows = machine(), dict[str, Any]()
    if RECORDED.exists():
        rows = json.loads(RECORDED.read_text("utf-8"))["tasks"]
    for task in given.tasks:
        runs = {seed: given.out / f"{task}-{seed}" for seed in given.seeds}
        commands = [" ".join(train(task, seed, run)) for seed, run in runs.items()]
        found = {str(seed): judge(run) for seed, run in runs.items()}
        figures = [row["test"] for row in found.values()]
        rows[task] = {
            "commands": commands,
            "trained_at": given.trained_at,
            "mean": {at: {key: mean(f[at][key] for f in figures) for key in figures[0][at]} for at in ("1", "fitted")},
            "seeds": found,
        }
        print(task, json.dumps(rows[task]["mean"], indent=1))
    result = {"command": "python benchmarks/recipes/calibration.py", "machine": before}
    print(f"recorded in {record('calibration', {**result, 'tasks': rows})}")


if __name__ == "__main__":
    main()
