"""A little data of every task, and what trains a tiny model on it in a moment."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

RATE = 8000


def _text(folder: Path) -> list[str]:
    (folder / "text.txt").write_text("".join(f"the cat {n} sat on the mat.\n" for n in range(60)))
    return [str(folder / "text.txt"), "--batch", "2", "--bptt", "10", "--embedding", "4"]


def _sentiment(folder: Path) -> list[str]:
    rows = [f"a {word} film {n},{label}\n" for n in range(20) for word, label in (("good", "yes"), ("poor", "no"))]
    (folder / "reviews.csv").write_text("text,label\n" + "".join(rows))
    return [str(folder / "reviews.csv"), "--embedding", "4"]


def _trees(folder: Path) -> list[str]:
    lines = [f"({n % 2} (1 film{n}) ({n % 2} {'good' if n % 2 else 'poor'}))\n" for n in range(30)]
    (folder / "trees.txt").write_text("".join(lines))
    return [str(folder / "trees.txt"), "--embedding", "4"]


def _entities(folder: Path) -> list[str]:
    lines = [f"Anna B-PER\nsaw O\nParis B-LOC\n{n} O\n\n" for n in range(30)]
    (folder / "names.conll").write_text("".join(lines))
    return [str(folder / "names.conll"), "--embedding", "4"]


def _translation(folder: Path) -> list[str]:
    (folder / "pairs.tsv").write_text("".join(f"one {n}\tein {n}\n" for n in range(40)))
    return [str(folder / "pairs.tsv"), "--embedding", "4", "--unit", "words"]


def _pronunciation(folder: Path) -> list[str]:
    draw, sounds = random.Random(0), {"b": "B", "d": "D", "a": "AA1", "i": "IY1"}
    words = sorted({"".join(draw.choice("bd") + draw.choice("ai") for _ in range(3)) for _ in range(60)})
    (folder / "words.dict").write_text("".join(f"{w}  {' '.join(sounds[letter] for letter in w)}\n" for w in words))
    return [str(folder / "words.dict"), "--embedding", "4"]


def _speech(folder: Path) -> list[str]:
    import soundfile

    (folder / "songs").mkdir()
    for number in range(12):
        sound = np.sin(np.arange(RATE // 2) * (0.3 + 0.2 * (number % 2)))
        soundfile.write(folder / "songs" / f"{number:02}.wav", sound, RATE)
        (folder / "songs" / f"{number:02}.txt").write_text(("do", "mi")[number % 2] + "\n")
    return [str(folder / "songs"), "--unit", "words", "--layers", "1", "--mels", "8"]


def _music(folder: Path) -> list[str]:
    steps = [[60, 67], [60], [62, 65], [64]] * 2
    (folder / "round.json").write_text(json.dumps({part: [steps[n:] for n in range(3)] for part in PARTS}))
    return [str(folder / "round.json"), "--embedding", "4", "--steps-per-beat", "1"]


def _dna(folder: Path) -> list[str]:
    draw = random.Random(1)
    rows = [
        f">s{n} {'at' if n % 2 else 'cg'}\n{''.join(draw.choices('AT' if n % 2 else 'CG', k=20))}\n" for n in range(40)
    ]
    (folder / "all.fa").write_text("".join(rows))
    return [str(folder / "all.fa"), "--embedding", "4", "--layers", "1"]


def _video(folder: Path) -> list[str]:
    draw = random.Random(2)
    rows = [[("up", "down")[n % 2], *(f"{draw.random():.3f}" for _ in range(10))] for n in range(40)]
    (folder / "points.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    return [str(folder / "points.csv"), "--layers", "1"]


def _agreement(folder: Path) -> list[str]:
    return ["--examples", "40", "--held-out", "10", "--cell", "rnn", "--gap", "4"]


def _numbers(folder: Path) -> list[str]:
    return ["--examples", "40", "--held-out", "10", "--cell", "rnn", "--length", "10"]


PARTS = ("train", "valid", "test")

TASKS_ON: dict[str, Callable[[Path], list[str]]] = {
    "text": _text,
    "sentiment": _sentiment,
    "sentiment-trees": _trees,
    "entities": _entities,
    "translation": _translation,
    "pronunciation": _pronunciation,
    "speech": _speech,
    "music": _music,
    "dna": _dna,
    "video": _video,
    "agreement": _agreement,
    "adding": _numbers,
    "copy": _numbers,
}
"""Writes data of a task into a folder; gives the arguments that train on it."""


def arguments(task: str, folder: Path, out: Path) -> list[str]:
    """The command line that trains a tiny model of a task."""
    return ["train", task, *TASKS_ON[task](folder), "--hidden", "4", "--steps", "2", "--out", str(out)]
