"""What resets cost: a training step with them beside one without, in turns, on the compiled engine.

    python benchmarks/recipes/resets.py

Batches are whole; a row begins anew at each step with a chance of ``share``. Each pair runs one step with resets and
one without, the first of them changing from pair to pair; a row's ratio is the median over pairs, above 1 where resets
cost time. Writes ``benchmarks/results/resets.json``.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from typing import Any

import torch
from record import machine, record

from throughtime import Recurrent

CELLS = ("lstm", "gru", "gru-full")
SHAPES = ((1, 100, 128), (32, 100, 64), (32, 100, 256), (128, 20, 256), (8, 500, 256))
"""Rows, steps and hidden units."""

SHARES = (0.0, 0.01, 0.05, 0.2)
"""Of steps before which a row begins anew; with 0 there are resets, and none is true."""

DRAWN = 32
"""Resets of a row, in turns: more than are remembered, as every batch of an agent has its own."""


def measure(cell: str, shape: tuple[int, int, int], share: float, pairs: int) -> dict[str, Any]:
    """One row: both in turns."""
    rows, steps, hidden = shape
    torch.manual_seed(0)
    layer = Recurrent(cell, hidden, hidden, engine="compiled")
    x = torch.randn(rows, steps, hidden, requires_grad=True)
    resets = itertools.cycle([torch.rand(rows, steps) < share for _ in range(DRAWN)])

    def train(**marks: Any) -> float:
        began = time.perf_counter()
        outputs, _ = layer(x, **marks)
        outputs.sum().backward()
        return time.perf_counter() - began

    found: dict[str, list[float]] = {"with": [], "without": []}
    for pair in range(-3, pairs):  # the first ones compile and warm up
        for name in ("with", "without") if pair % 2 else ("without", "with"):
            seconds = train(resets=next(resets)) if name == "with" else train()
            if pair >= 0:
                found[name].append(seconds)
    ratios = [a / b for a, b in zip(found["with"], found["without"], strict=True)]
    return {
        "cell": cell,
        "batch": rows,
        "time": steps,
        "hidden": hidden,
        "share": share,
        "milliseconds": {name: round(1e3 * statistics.median(values), 3) for name, values in found.items()},
        "ratio": round(statistics.median(ratios), 3),
        "quartiles": [round(quartile, 3) for quartile in statistics.quantiles(ratios, n=4)[::2]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What resets cost.")
    parser.add_argument("--pairs", type=int, default=60, help="Pairs of training steps for a row.")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    before, rows = machine(), []
    for cell, shape, share in itertools.product(CELLS, SHAPES, SHARES):
        rows.append(measure(cell, shape, share, given.pairs))
        print(rows[-1], flush=True)
    result = {
        "command": f"python benchmarks/recipes/resets.py --pairs {given.pairs} --threads {given.threads}",
        "machine": before,
        "worst_ratio": max(row["ratio"] for row in rows),
        "rows": rows,
    }
    print(f"recorded in {record('resets', result)}")


if __name__ == "__main__":
    main()
