"""Every built-in cell on the built-in corpus, for as many minutes each: loss, numbers and steps a second.

    python benchmarks/recipes/cells.py measure                 # steps a second, on a machine that does nothing else
    python benchmarks/recipes/cells.py train                   # trains each cell that has been measured
    python benchmarks/recipes/cells.py train --lr 0.002 0.008  # what lies above the plain RNN, and the RNN, once more

A character model of one layer, the same for every cell but for its own numbers. A cell is trained for as many steps as
it takes in that many minutes by its measured rate, so that losses do not depend on what else the machine does.
Writes ``benchmarks/results/cells.json`` after each cell, and goes on after the last one that it holds with the same
settings; ``--fresh`` begins anew.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from record import ROOT, curve, machine, record

import throughtime
from throughtime.bench.peers import multiply_adds
from throughtime.cells import CELLS
from throughtime.engine.threads import threads
from throughtime.training.metrics import read_metrics

CORPUS, BASELINE, LR = "builtin:python-manual", "rnn", 0.004
LOGGED = 20
"""Steps between two lines of a run's metrics."""


class Table:
    """What is known so far.

    Args:
        path: The file.
        settings: Of every run; what was found with others is forgotten.
        fresh: Forget it in any case.
    """

    def __init__(self, path: Path, settings: dict[str, Any], fresh: bool) -> None:
        self.path, self.settings = path, settings
        self.rates: dict[str, dict[str, float]] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        if path.exists() and not fresh:
            result = json.loads(path.read_text(encoding="utf-8"))
            if result["settings"] == settings:
                self.rates = result["rates"]
                self.rows = {row["cell"]: row for row in result["rows"]}

    def write(self) -> None:
        """Records it, cells in the order of the registry."""
        rows = [self.beside(self.rows[cell]) for cell in CELLS if cell in self.rows]
        command = f"python benchmarks/recipes/cells.py measure (then train) --minutes {self.settings['minutes']:g}"
        result = {"command": command, "machine": machine(), "settings": self.settings}
        record("cells", {**result, "rates": self.rates, "rows": rows}, self.path)

    def beside(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with what it is beside the plain RNN, each with the best of the learning rates that were tried."""
        plain = self.rows[BASELINE]
        return {**row, "loss_beside_rnn": round(best(row) - best(plain), 4)}


def best(row: dict[str, Any]) -> float:
    """The least loss of a row."""
    return float(min(row["nats_per_character"].values()))


def settings_of(settings: dict[str, Any], cell: str) -> dict[str, Any]:
    """Those of a run."""
    return {**{name: settings[name] for name in ("hidden", "batch", "bptt", "seed")}, "cell": cell, "progress": False}


def rate(cell: str, settings: dict[str, Any]) -> float:
    """Steps a second in training, without the first ones."""
    with tempfile.TemporaryDirectory() as folder:
        run, given = Path(folder) / "run", settings_of(settings, cell)
        throughtime.train("text", CORPUS, out=run, steps=2 * LOGGED, evaluate_every=10_000, **given)
        times = [event["seconds"] for event in read_metrics(run / "metrics.jsonl") if event["event"] == "step"]
    return float(LOGGED / (times[1] - times[0]))


def measure(table: Table, cells: list[str], rounds: int) -> None:
    """Steps a second of cells in turns with the plain RNN."""
    found: dict[str, list[float]] = {cell: [] for cell in dict.fromkeys([BASELINE, *cells])}
    for _ in range(rounds):
        for cell, values in found.items():
            values.append(rate(cell, table.settings))
    for cell, values in found.items():
        ratios = [own / plain for own, plain in zip(values, found[BASELINE], strict=True)]
        line = {"steps_per_second": statistics.median(values), "beside_rnn": statistics.median(ratios)}
        table.rates.setdefault(cell, {name: round(value, 3) for name, value in line.items()})
        print(f"{cell}: {values}", flush=True)
    table.write()


def train(table: Table, cell: str, lr: float) -> None:
    """Trains a cell for its minutes."""
    settings = table.settings
    speed = table.rates[cell]
    steps = round(60 * settings["minutes"] * speed["steps_per_second"])
    with tempfile.TemporaryDirectory() as folder:
        given = settings_of(settings, cell) | {"steps": steps, "lr": lr, "evaluate_every": max(1, steps // 5)}
        diverged = False
        try:
            throughtime.train("text", CORPUS, out=Path(folder) / "run", **given)
        except throughtime.TrainingDivergedError:
            diverged = True  # what was best before stands
        loss = min((point["nats_per_token"] for point in curve(Path(folder) / "run")), default=math.inf)
        numbers = sum(p.numel() for p in throughtime.load(Path(folder) / "run").model.parameters())
    made = CELLS[cell](settings["embedding"], settings["hidden"])
    before = table.rows.get(cell, {})
    known, broken = before.get("nats_per_character", {}), before.get("diverged_with", [])
    table.rows[cell] = {
        "cell": cell,
        "nats_per_character": {**known, f"{lr:g}": round(loss, 4)},
        "diverged_with": [*broken, *([lr] if diverged else [])],
        "steps": steps,
        **speed,
        "numbers": numbers,
        "numbers_of_the_cell": sum(torch.Size(p.shape).numel() for p in made.parameters().values()),
        "multiply_adds_of_a_step": multiply_adds(made),
    }
    table.write()
    print(f"{cell}: {loss:.4f} nats with a learning rate of {lr:g}, {steps} steps", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Every cell on the built-in corpus.")
    parser.add_argument("what", choices=["measure", "train"])
    parser.add_argument("--minutes", type=float, default=1.0, help="Of training, each cell.")
    parser.add_argument("--hidden", type=int, default=128, help="Units.")
    parser.add_argument("--batch", type=int, default=32, help="Texts side by side.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cells", default=",".join(CELLS), help="Cells, separated by commas.")
    parser.add_argument("--at-most", type=int, default=len(CELLS), help="Cells to measure in this call.")
    parser.add_argument("--rounds", type=int, default=2, help="Of measuring.")
    parser.add_argument("--lr", type=float, nargs="+", default=[LR], help="Learning rates.")
    parser.add_argument("--fresh", action="store_true", help="Forget what earlier calls found.")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "cells.json", help="The file.")
    given = parser.parse_args()
    own = {name: getattr(given, name) for name in ("minutes", "hidden", "batch", "threads")}
    table = Table(given.out, {**own, "embedding": 128, "bptt": 100, "seed": 0}, given.fresh)
    cells = list(dict.fromkeys([BASELINE, *given.cells.split(",")]))
    with threads(given.threads):
        if given.what == "measure":
            left = [cell for cell in cells if cell not in table.rates]
            measure(table, left[: given.at_most], given.rounds)
        for lr in given.lr if given.what == "train" else []:
            for cell in (cell for cell in cells if cell in table.rates):
                row = table.rows.get(cell, {"nats_per_character": {}})
                again = lr == LR or cell == BASELINE or best(row) > best(table.rows[BASELINE])
                if again and f"{lr:g}" not in row["nats_per_character"]:
                    train(table, cell, lr)


if __name__ == "__main__":
    main()
