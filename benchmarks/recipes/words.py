"""How fast models of words train: a whole step of ours beside a plain ``torch.nn`` loop, in turns in one run.

    python benchmarks/recipes/words.py                 # two threads, 10,000 and 30,000 words
    python benchmarks/recipes/words.py --seconds 60

One layer of 400 units, tied, batch 20 × 35; everything is counted: embedding, layer, softmax and loss, gradients,
clipping, Adam. Beside ours and ``torch.nn``'s a loop with our layer and ``F.cross_entropy`` says what the loss is worth
alone, and the three products of the softmax with whole matrices what no such step can go below.
Memory is the height of a step beyond weights and optimiser, each in a process of its own. Writes
``benchmarks/results/words.json``.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from record import machine, record

from throughtime.bench.measures.probe import mark, reset_mark
from throughtime.bench.measures.words import Step, layer_step, make_batch, make_model, our_step, peer_step
from throughtime.bench.peers import OURS, TORCH
from throughtime.bench.timing import interleave, ratios, summarise, timed
from throughtime.engine.threads import threads

LAYER = "our layer, F.cross_entropy"
STEPS: dict[str, Callable[..., Step]] = {OURS: our_step, LAYER: layer_step, TORCH: peer_step}
ROWS, TIME, HIDDEN = 20, 35, 400


def step_of(who: str, cell: str, words: int) -> Step:
    """A step of one of them; the same weights and ids for all."""
    torch.manual_seed(0)
    model, batch = make_model(cell, words, HIDDEN), make_batch(words, ROWS, TIME)
    return STEPS[who](model, batch)


def products(words: int) -> dict[str, Callable[[], float]]:
    """Measurements of the three products of the softmax."""
    rows, matrix = torch.randn(ROWS * TIME, HIDDEN), torch.randn(words, HIDDEN)
    scores, d_rows, d_matrix = torch.randn(ROWS * TIME, words), torch.empty_like(rows), torch.empty_like(matrix)
    return {
        "scores": timed(lambda: torch.mm(rows, matrix.t(), out=scores)),
        "rows": timed(lambda: torch.mm(scores, matrix, out=d_rows)),
        "matrix": timed(lambda: torch.mm(scores.t(), rows, out=d_matrix)),
    }


def measure(cell: str, words: int, seconds: float) -> dict[str, Any]:
    """Seconds of a step of each, how many times ours goes into the others', and the products' alone."""
    steps = {who: step_of(who, cell, words) for who in STEPS}
    losses = {who: [step(), step()] for who, step in steps.items()}
    alone = products(words)
    found = interleave({**{who: timed(step) for who, step in steps.items()}, **alone}, seconds)
    work = 2 * ROWS * TIME * words * HIDDEN / 1e9
    return {
        "cell": cell,
        "words": words,
        "losses": losses,
        "ms": {who: summarise(found[who], 1e3) for who in STEPS},
        "ratio": {who: summarise(ratios(found[OURS], found[who])) for who in (LAYER, TORCH)},
        "products of the softmax, ms": summarise([sum(t) for t in zip(*(found[p] for p in alone), strict=False)], 1e3),
        "products of the softmax, GFLOP/s": {p: summarise([work / t for t in found[p]]) for p in alone},
        "memory, MB": {who: memory(who, cell, words) for who in STEPS},
    }


def memory(who: str, cell: str, words: int) -> float:
    """Megabytes (10⁶) at the height of a step, in a process of its own."""
    command = [sys.executable, __file__, "--memory", who, "--cell", cell, "--words", str(words)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def height(who: str, cell: str, words: int) -> float:
    """The same, of this process."""
    step = step_of(who, cell, words)
    step()  # the optimiser's memory, and what is compiled
    ctypes.CDLL(None).malloc_trim(0)  # what the C library keeps of that step
    before = reset_mark()
    step()
    return round((mark() - before) / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast models of words train.")
    parser.add_argument("--threads", type=int, default=2, help="Of PyTorch.")
    parser.add_argument("--seconds", type=float, default=30.0, help="For a model.")
    parser.add_argument("--cell", default="lstm", help="Of the layer.")
    parser.add_argument("--words", type=int, nargs="+", default=[10_000, 30_000], help="Of the vocabulary.")
    parser.add_argument("--memory", choices=STEPS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        print(height(given.memory, given.cell, *given.words))
        return
    rows = []
    with threads(given.threads):
        for words in given.words:
            row = measure(given.cell, words, given.seconds)
            rows.append(row)
            print(told(row), flush=True)
    command = f"python benchmarks/recipes/words.py --threads {given.threads} --seconds {given.seconds:g}"
    sizes = {"batch": ROWS, "time": TIME, "hidden": HIDDEN}
    result = {"command": command, "machine": machine(), "threads": given.threads, **sizes, "rows": rows}
    print(f"recorded in {record('words', result)}")


def told(row: dict[str, Any]) -> str:
    """A row in a sentence."""
    ratios = ", ".join(f"{r['median']:.2f} × {who} (worst {r['min']:.2f})" for who, r in row["ratio"].items())
    megabytes = ", ".join(f"{who} {figure:,.0f} MB" for who, figure in row["memory, MB"].items())
    alone = row["products of the softmax, ms"]["median"]
    return (
        f"{row['words']:,} words, {row['cell']}: {row['ms'][OURS]['median']:.0f} ms a step, {ratios}; "
        f"the softmax's products alone {alone:.0f} ms; {megabytes}"
    )


if __name__ == "__main__":
    main()
