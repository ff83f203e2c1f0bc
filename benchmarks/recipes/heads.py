"""What heads save: a training step and a streaming step of cells with 1, 2, 4 and 8 heads, all in turns.

    python benchmarks/recipes/heads.py                 # hidden 512, batch 32, time 100, one thread
    python benchmarks/recipes/heads.py --seconds 60

Prints a line for each and writes ``benchmarks/results/heads.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from record import machine, record

from throughtime import Recurrent
from throughtime.bench.measures.streaming import Blocks, open_stream
from throughtime.bench.measures.training import make_step
from throughtime.bench.peers import multiply_adds
from throughtime.bench.timing import interleave, no_collector, ratios, summarise
from throughtime.engine.threads import threads

HEADS = (1, 2, 4, 8)


def measure(what: str, cell: str, hidden: int, seconds: float) -> list[dict[str, Any]]:
    """A row for each number of heads; ratios are to one head, round by round."""
    runs: dict[str, Callable[[], float]] = {}
    weights = {}
    for heads in HEADS:
        torch.manual_seed(0)
        layer = Recurrent(cell, hidden, hidden, heads=heads, engine="compiled")
        weights[heads] = multiply_adds(layer.cell)
        if what == "training":
            x = torch.randn(32, 100, hidden, requires_grad=True)
            runs[str(heads)] = make_step(layer, x, torch.randn(32, 100, layer.output_size)).measured()
        else:
            runs[str(heads)] = Blocks(open_stream(layer), list(torch.randn(100, 1, hidden)))
    with no_collector():
        found = interleave(runs, seconds)
    return [
        {
            "what": what,
            "cell": cell,
            "hidden": hidden,
            "heads": heads,
            "weights": weights[heads],
            "milliseconds": summarise(found[str(heads)], 1e3),
            "share of one head's time": summarise(ratios(found["1"], found[str(heads)])),
        }
        for heads in HEADS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="What heads save.")
    parser.add_argument("--hidden", type=int, default=512, help="Units, and features of the input.")
    parser.add_argument("--threads", type=int, default=1, help="Of PyTorch.")
    parser.add_argument("--seconds", type=float, default=20.0, help="For all heads of a cell together.")
    given = parser.parse_args()
    rows = []
    with threads(given.threads):
        for what in ("training", "streaming"):
            for cell in ("lstm", "gru"):
                for row in measure(what, cell, given.hidden, given.seconds):
                    rows.append(row)
                    time, share = row["milliseconds"]["median"], row["share of one head's time"]["median"]
                    words = f"{what} {cell} {given.hidden} {row['heads']} heads: {row['weights']} weights"
                    print(f"{words}, {time:.4g} ms, {share:.3f} of one head's time", flush=True)
    command = f"python benchmarks/recipes/heads.py --hidden {given.hidden} --threads {given.threads}"
    result = {"command": command, "machine": machine(), "threads": given.threads, "rows": rows}
    print(f"recorded in {record('heads', result)}")


if __name__ == "__main__":
    main()
