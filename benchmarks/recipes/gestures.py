"""Hand gestures as blocks of neighbouring rows, so that no window of a recording is in two parts.

The rows of ``hand_gesture_history/point_history.csv`` are windows of 16 steps that slide over recordings, one class
after the other: rows drawn at random would be nearly the same in training and test.
"""

from __future__ import annotations

import csv
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from record import data

BLOCKS = 20
"""Blocks that the rows of a class are divided into."""

STEPS = 16
"""Of a window: rows nearer to each other than this may overlap."""

PARTS = ("train", "valid", "test")


def blocks(rows: int, random: np.random.Generator) -> list[tuple[int, int, str]]:
    """Contiguous blocks of so many rows, ``(begin, end, part)``: of 20, 14 for training and 3 for each other part."""
    edges = np.linspace(0, rows, BLOCKS + 1).round().astype(int).tolist()
    parts = ["train"] * (BLOCKS - 6) + ["valid"] * 3 + ["test"] * 3
    drawn = random.permutation(parts).tolist()
    return list(zip(edges[:-1], edges[1:], drawn, strict=True))


def apart(found: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """The blocks without the rows at their beginning that may overlap with a block before of another part."""
    kept = found[:1]
    for (_, _, before), (begin, end, part) in pairwise(found):
        kept.append((begin + (STEPS - 1 if part != before else 0), end, part))
    return [(begin, end, part) for begin, end, part in kept if begin < end]


def gestures(folder: Path, seed: int = 0) -> list[str]:
    """Writes ``train.csv``, ``valid.csv`` and ``test.csv`` into a folder."""
    random = np.random.default_rng(seed)
    with data("hand_gesture_history/point_history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    names_file = data("hand_gesture_history/point_history_classifier_label.csv")
    names = names_file.read_text(encoding="utf-8-sig").split("\n")
    written: dict[str, list[list[str]]] = {part: [] for part in PARTS}
    for number, group in groupby(rows, key=lambda row: row[0]):
        members = [[names[int(number)].strip(), *row[1:]] for row in group]
        for begin, end, part in apart(blocks(len(members), random)):
            written[part] += members[begin:end]
    for part, members in written.items():
        with (folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(members)
    return [str(folder)]
