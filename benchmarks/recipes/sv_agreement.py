"""The verb's number in real sentences, by how many nouns of the other number stand before it (Linzen et al. 2016).

    python benchmarks/recipes/sv_agreement.py

Trains a plain RNN and an LSTM alike, one way, on ``numpred.val`` and 80 % of ``numpred.test.1`` to ``.5``; a tenth of
that is for validation, the other 20 % are the test data. Sentences that occur more than once stay together.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from record import ROOT, commit, curve, data, machine, record

from throughtime.data.parts import split
from throughtime.runtime.reading.files import file_lines

CELLS = ("rnn", "lstm")
OPTIONS = (
    "--no-bidirectional --pooling last --embedding 64 --hidden 128 --dropout 0.2 --word-dropout 0 --weight-decay 0.01 "
    "--optimiser adamw --lr 2e-3 --epochs 6 --seed 0"
)
ATTRACTORS = range(1, 6)

Line = tuple[str, str, int]
"""Label, words before the verb, nouns of the other number; 0 where that is not known."""


def read() -> tuple[list[Line], list[Line]]:
    """Training and test lines."""
    folder = data("sv_agreement/rnn_agr_simple")

    def lines(name: str, attractors: int) -> list[Line]:
        rows = (line.rstrip("\n").partition("\t") for line in file_lines(folder / name))
        return [(label, text, attractors) for label, _, text in rows if text]

    train, test = lines("numpred.val", 0), []
    held: list[Line] = [line for n in ATTRACTORS for line in lines(f"numpred.test.{n}", n)]
    kept, test = split(held, [0.2], seed=0, key=lambda line: line[1])
    seen = {text for _, text, _ in test}
    return [line for line in (*train, *kept) if line[1] not in seen], test


def write(path: Path, lines: list[Line]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("label", "text"))
        table.writerows(line[:2] for line in lines)


def command(*arguments: str) -> str:
    whole = [sys.executable, "-m", "throughtime", *arguments]
    return subprocess.run(whole, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "sv-agreement")
    out: Path = parser.parse_args().out
    before = machine()
    out.mkdir(parents=True, exist_ok=True)
    train, test = read()
    write(out / "train.csv", train)
    for n in ATTRACTORS:
        write(out / f"test.{n}.csv", [line for line in test if line[2] == n])
    results: dict[str, Any] = {}
    for cell in CELLS:
        run = out / cell
        if not (run / "model.safetensors").exists():
            paths = ["--data", str(out / "train.csv"), "--test", str(out / "test.1.csv"), "--out", str(run)]
            command("train", "sentiment", *paths, "--cell", cell, *OPTIONS.split(), "--text-column", "text")
        rows = []
        for n in ATTRACTORS:
            report = json.loads(command("evaluate", str(run), str(out / f"test.{n}.csv"), "--json"))
            error = 100 - report["accuracy"]
            rows.append({"attractors": n, "error": error, "majority_error": 100 - report["majority_accuracy"]})
            rows[-1]["sentences"] = report["examples"]
        total = sum(row["sentences"] for row in rows)
        points = curve(run)
        looked = json.loads(command("inspect", str(run), "--json"))
        results[cell] = {
            "by_attractors": rows,
            "error": sum(row["error"] * row["sentences"] for row in rows) / total,
            "training_seconds": points[-1]["seconds"],
            "gradients": looked["cells"],
            "memory": looked["memory"],
            "curve": points,
        }
    result = {
        "command": f"throughtime train sentiment --cell CELL {OPTIONS}",
        "trained_at": commit(ROOT),
        "machine": before,
        "sentences": {"train": len(train), "test": len(test)},
        "cells": results,
    }
    shown = {cell: [round(row["error"], 2) for row in found["by_attractors"]] for cell, found in results.items()}
    print(json.dumps(shown))
    print(f"recorded in {record('sv-agreement', result)}")


if __name__ == "__main__":
    main()
