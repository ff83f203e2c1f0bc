"""Every built-in cell on the built-in corpus, for as many minutes each: loss, numbers and steps a second.

    python benchmarks/recipes/cells.py --minutes 5                       # all cells, the plain RNN first
    python benchmarks/recipes/cells.py --minutes 5 --cells mingru,slstm  # these, beside the plain RNN
    python benchmarks/recipes/cells.py --minutes 5 --fresh               # again from the beginning

A character model of one layer, the same for every cell but for its own numbers; no other process should run. Writes
``benchmarks/results/cells.json`` after each cell, and goes on after the last one that it holds with the same settings.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from record import ROOT, curve, machine, record

import throughtime
from throughtime.bench.peers import multiply_adds
from throughtime.cells import CELLS
from throughtime.training.metrics import read_metrics

CORPUS, BASELINE = "builtin:python-manual", "rnn"


def measure(cell: str, settings: dict[str, Any]) -> dict[str, Any]:
    """One cell's row. Steps a second are the median of those that the log tells, without evaluations."""
    with tempfile.TemporaryDirectory() as folder:
        run = throughtime.train("text", CORPUS, out=Path(folder) / "run", cell=cell, **settings)
        points = curve(Path(folder) / "run")
        events = read_metrics(Path(folder) / "run" / "metrics.jsonl")
        rates = [event["tokens_per_s"] for event in events if event["event"] == "step"]
        if not points or not rates:
            raise SystemExit(f"{cell}: too few steps in its time; give more --minutes or less --evaluate-every")
        best = min(points, key=lambda point: point["nats_per_token"])
        made = CELLS[cell](settings["hidden"], settings["hidden"])
        return {
            "cell": cell,
            "nats_per_character": best["nats_per_token"],
            "best_step": best["step"],
            "steps": points[-1]["step"],
            "steps_per_second": round(statistics.median(rates) / (settings["batch"] * settings["bptt"]), 3),
            "numbers": sum(p.numel() for p in run.model.parameters()),
            "numbers_of_the_cell": sum(torch.Size(p.shape).numel() for p in made.parameters().values()),
            "multiply_adds_of_a_step": multiply_adds(made),
        }


def held(path: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of an earlier call with the same settings."""
    if not path.exists():
        return []
    result = json.loads(path.read_text(encoding="utf-8"))
    return result["rows"] if result["settings"] == settings else []


def beside(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with what each is beside the plain RNN, in the order of the registry."""
    plain = next(row for row in rows if row["cell"] == BASELINE)
    order = list(CELLS)
    return [
        {
            **row,
            "loss_beside_rnn": round(row["nats_per_character"] - plain["nats_per_character"], 4),
            "speed_beside_rnn": round(row["steps_per_second"] / plain["steps_per_second"], 3),
        }
        for row in sorted(rows, key=lambda row: order.index(row["cell"]))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Every cell on the built-in corpus.")
    parser.add_argument("--minutes", type=float, default=5.0, help="Of training, each cell.")
    parser.add_argument("--hidden", type=int, default=256, help="Units.")
    parser.add_argument("--batch", type=int, default=32, help="Texts side by side.")
    parser.add_argument("--evaluate-every", type=int, default=100, help="Steps between evaluations.")
    parser.add_argument("--cells", default=",".join(CELLS), help="Cells, separated by commas.")
    parser.add_argument("--fresh", action="store_true", help="Forget the rows of earlier calls.")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "cells.json", help="The file.")
    given = parser.parse_args()
    own = ("minutes", "hidden", "batch", "evaluate_every")
    settings = {**{name: getattr(given, name) for name in own}, "bptt": 100, "epochs": 10_000, "seed": 0}
    rows = [] if given.fresh else held(given.out, settings)
    wanted = dict.fromkeys([BASELINE, *given.cells.split(",")])
    for cell in [cell for cell in wanted if cell not in {row["cell"] for row in rows}]:
        rows.append(measure(cell, settings))
        command = f"python benchmarks/recipes/cells.py --minutes {given.minutes:g} --hidden {given.hidden}"
        result = {"command": command, "machine": machine(), "threads": torch.get_num_threads(), "settings": settings}
        path = record("cells", {**result, "rows": beside(rows)}, given.out)
        row = rows[-1]
        rate, loss = row["steps_per_second"], row["nats_per_character"]
        print(f"{cell}: {loss:.4f} nats, {rate:.3g} steps/s, {row['numbers']} numbers, in {path}", flush=True)


if __name__ == "__main__":
    main()
