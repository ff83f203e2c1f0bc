"""Calls of little work beside torch.nn, in turns: forward alone and training, and how long the machine code runs.

    python benchmarks/recipes/small_calls.py --threads 1 --what forward
    python benchmarks/recipes/small_calls.py --threads 1 --what training    # adds its rows to those of the first

Every cell of ``torch.nn``, hidden 64, 128 and 256, batch 1, 8 and 32, 20 and 100 steps. A row's ratio is the peer's
time over ours, round by round, above 1 where ours is faster; ``code`` is the time within machine code. Writes
``benchmarks/results/small-calls.json`` and replaces the rows that are measured again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from record import ROOT, machine, record

from throughtime.bench.measures.training import make_step
from throughtime.bench.peers import make_layer, make_peer
from throughtime.bench.timing import geometric_mean, interleave, quantile, ratios, rounded, timed
from throughtime.engine.compiled.team import Shared
from throughtime.engine.threads import threads

CELLS = ("lstm", "gru", "rnn")
HIDDEN, BATCH, TIME = (64, 128, 256), (1, 8, 32), (20, 100)
AXES = ("what", "threads", "cell", "hidden", "batch", "time")


def code_seconds(run: Callable[[], object], times: int = 20) -> float:
    """The seconds of a run that pass within machine code."""
    called, spent = Shared.__call__, 0.0

    def clocked(shared: Shared) -> None:
        nonlocal spent
        began = time.perf_counter()
        called(shared)
        spent += time.perf_counter() - began

    found = []
    Shared.__call__ = clocked  # type: ignore[method-assign, assignment]
    try:
        for _ in range(times):
            spent = 0.0
            run()
            found.append(spent)
    finally:
        Shared.__call__ = called  # type: ignore[method-assign]
    return quantile(found, 0.5)


def measure(row: dict[str, Any], seconds: float) -> dict[str, Any]:
    """A row with its figures."""
    torch.manual_seed(0)
    layer = make_layer(row["cell"], row["hidden"], row["hidden"])
    x = torch.randn(row["batch"], row["time"], row["hidden"], requires_grad=row["what"] == "training")
    gradient = torch.randn(row["batch"], row["time"], row["hidden"])
    modules = {"ours": layer, "torch.nn": make_peer(layer)}
    if row["what"] == "training":
        steps = {name: make_step(module, x, gradient) for name, module in modules.items()}
        runs = {name: step.measured() for name, step in steps.items()}
        code = code_seconds(steps["ours"])
    else:
        forwards = {name: torch.no_grad()(lambda module=module: module(x)) for name, module in modules.items()}
        runs = {name: timed(forward) for name, forward in forwards.items()}
        code = code_seconds(forwards["ours"])
    figures = interleave(runs, seconds, at_most=2000)
    found = ratios(figures["ours"], figures["torch.nn"])
    return {
        **row,
        "microseconds": {name: rounded(1e6 * quantile(values, 0.5)) for name, values in figures.items()},
        "code": rounded(1e6 * code),
        "ratio": rounded(quantile(found, 0.5)),
        "quartiles": [rounded(quantile(found, share)) for share in (0.25, 0.75)],
        "runs": len(found),
    }


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Geometric mean and worst of what is measured alike."""
    found = []
    for what, number in dict.fromkeys((row["what"], row["threads"]) for row in rows):
        these = [row for row in rows if (row["what"], row["threads"]) == (what, number)]
        worst = min(these, key=lambda row: row["ratio"])
        mean = rounded(geometric_mean([row["ratio"] for row in these]))
        slower = sum(row["ratio"] < 1 for row in these)
        shape = " ".join(f"{name} {worst[name]}" for name in AXES[2:])
        found.append(
            {"what": what, "threads": number, "rows": len(these), "geometric_mean": mean, "worst": worst["ratio"]}
            | {"worst_at": shape, "slower": slower}
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Calls of little work beside torch.nn.")
    parser.add_argument("--what", choices=("forward", "training"), required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.8, help="Time for a row.")
    given = parser.parse_args()
    path = ROOT / "benchmarks" / "results" / "small-calls.json"
    known = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    before = machine()
    with threads(given.threads):
        rows = [
            measure(dict(zip(AXES, (given.what, given.threads, *shape), strict=True)), given.seconds)
            for shape in product(CELLS, HIDDEN, BATCH, TIME)
        ]
    kept = [row for row in known if (row["what"], row["threads"]) != (given.what, given.threads)]
    for row in rows:
        print(row, flush=True)
    result = {
        "command": f"python benchmarks/recipes/small_calls.py --seconds {given.seconds:g}",
        "machine": before,
        "summary": summary([*kept, *rows]),
        "rows": [*kept, *rows],
    }
    print(f"recorded in {record('small-calls', result)}")


if __name__ == "__main__":
    main()
