"""The applications on real data: train one, judge it on its test data, record it.

    python benchmarks/recipes/tasks.py sentiment

The model goes to ``runs/<task>`` unless ``--run`` names a folder; one that is trained already is only judged
(``--trained-at`` names the commit that it was trained with, ``--options`` how). Training options stand in
:data:`RECIPES`; they were chosen on validation data alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gestures import gestures
from record import ROOT, commit, curve, data, machine, record


def sst_sentences(folder: Path) -> list[str]:
    """The sentences of the Stanford Sentiment Treebank as tables, negative or positive; neutral ones are left out."""
    from throughtime.data.trees.treebank import read_brackets

    for part in ("train", "dev", "test"):
        with (folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("text", "label"))
            for tree in read_brackets(data(f"sst_trees/{part}.txt")):
                label = int(tree.labels[tree.root])
                if label != 2:
                    table.writerow((" ".join(tree.sentence), "positive" if label > 2 else "negative"))
    return [str(folder)]


def bacteria(folder: Path) -> list[str]:
    """One bacterium to train on, another one to judge by."""
    names = {"train": "NC_002737_Streptococcus_pyogenes_M1_GAS", "test": "NC_000907_Haemophilus_influenzae_Rd_KW20"}
    for part, name in names.items():
        link = folder / f"{part}.gb"
        link.unlink(missing_ok=True)
        link.symlink_to(data(f"genomes/{name}.gb"))
    return [str(folder)]


def named(*paths: str) -> Callable[[Path], list[str]]:
    """Data that is read as it is."""
    return lambda folder: [str(data(path)) for path in paths]


def stick_figures(folder: Path) -> list[str]:
    """Videos of stick figures, drawn and encoded in the folder where they are not there yet."""
    from stick_figures import write_parts

    return [str(folder)] if any(folder.iterdir()) else write_parts(folder)


@dataclass(frozen=True)
class Recipe:
    """How a task is trained and judged.

    Attributes:
        paths: Makes the data in a folder, if need be, and names it.
        options: Of training.
        shown: The data as a reader would name them.
        task: What is trained, where the recipe has a name of its own.
    """

    paths: Callable[[Path], list[str]]
    options: str
    shown: str
    task: str = ""


RECIPES: dict[str, Recipe] = {
    "sentiment": Recipe(sst_sentences, "--seed 0", "sentences of sst_trees as CSV"),
    "entities": Recipe(named("wnut17"), "--seed 0", "wnut17"),
    "sentiment-trees": Recipe(named("sst_trees"), "--seed 0", "sst_trees"),
    "pronunciation": Recipe(named("cmudict/cmudict.dict"), "--minutes 30 --seed 0", "cmudict/cmudict.dict"),
    "translation": Recipe(
        named("multi30k/raw"), "--from de --to en --lowercase --vocab 6000 --minutes 60 --seed 0", "multi30k/raw"
    ),
    "dna": Recipe(
        bacteria,
        "--minutes 30 --seed 0",
        "NC_002737 (Streptococcus pyogenes) --test NC_000907 (Haemophilus influenzae)",
    ),
    "video-figures": Recipe(stick_figures, "--seed 0", "videos drawn by stick_figures.py", "video"),
    "video-gestures": Recipe(
        gestures, "--epochs 15 --batch 32 --seed 0", "blocks of hand_gesture_history/point_history.csv", "video"
    ),
    "music-jsb": Recipe(
        named("poly_music_mat/JSB_Chorales.mat"),
        "--steps-per-beat 1 --dropout 0.1 --lr 8e-3 --batch 16 --transpose 5 --minutes 2.9 --seed 0",
        "poly_music_mat/JSB_Chorales.mat",
        "music",
    ),
    "music-nottingham": Recipe(
        named("poly_music_mat/Nottingham.mat"),
        "--steps-per-beat 2 --dropout 0.1 --lr 1.4e-2 --batch 8 --minutes 2.9 --seed 0",
        "poly_music_mat/Nottingham.mat",
        "music",
    ),
    "music-events": Recipe(
        named("nottingham/MIDI"),
        "--hidden 160 --embedding 64 --dropout 0.1 --batch 4 --lr 1e-2 --minutes 2.5 --held-out 0.05 --seed 0",
        "nottingham/MIDI",
        "music",
    ),
}


def train(task: str, recipe: Recipe, run: Path) -> float:
    """Trains, in a process of its own; gives the most memory that it held, in MiB."""
    prepared = run.parent / f"{run.name}-data"
    prepared.mkdir(parents=True, exist_ok=True)
    paths = [part for path in recipe.paths(prepared) for part in ("--data", path)]
    command = ["train", task, *paths, *recipe.options.split(), "--out", str(run)]
    subprocess.run([sys.executable, "-m", "throughtime", *command], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def judge(run: Path) -> dict[str, Any]:
    """The report on the run's test data."""
    command = [sys.executable, "-m", "throughtime", "evaluate", str(run), "--json"]
    report: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    # The hardest errors are texts of the data.
    report["tables"] = {title: rows for title, rows in report.get("tables", {}).items() if title.startswith("by ")}
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--trained-at", help="The commit, where the model was not trained with this one.")
    parser.add_argument("--options", help="Of training, where they were not the recipe's.")
    parser.add_argument("--note", help="On how it was trained.")
    given = parser.parse_args()
    recipe = RECIPES[given.recipe]
    task = recipe.task or given.recipe
    run = given.run or ROOT / "runs" / given.recipe
    before = machine()
    trained = (run / "model.safetensors").exists()
    memory = None if trained else train(task, recipe, run)
    points = curve(run)
    result = {
        "command": f"throughtime train {task} --data {recipe.shown} {given.options or recipe.options}",
        **({"note": given.note} if given.note else {}),
        "trained_at": given.trained_at or commit(ROOT),
        "machine": before,
        "training_seconds": points[-1]["seconds"],
        "steps": points[-1]["step"],
        "memory_mib": None if memory is None else round(memory),
        "validation": min((p for p in points if p["best"]), key=lambda p: -p["step"]),
        "test": judge(run),
        "curve": points,
    }
    print(json.dumps({name: value for name, value in result["test"].items() if name != "tables"}, indent=1))
    print(f"recorded in {record(f'task-{given.recipe}', result)}")


if __name__ == "__main__":
    main()
