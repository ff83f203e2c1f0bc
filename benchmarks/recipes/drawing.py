"""How fast text is drawn: our sampling beside a plain ``torch.nn`` loop with the same weights, in turns in one run.

    python benchmarks/recipes/drawing.py                 # one thread, LSTM and GRU
    python benchmarks/recipes/drawing.py --weights int8  # matrices in 8 bits, ours alone

Everything is counted: embedding, step, softmax, draw, and the text put together and written out. Models of 65
characters with 1 × 256, 1 × 512 and 2 × 512 units, and of 10,000 words with 1 × 400. Weights are drawn at random, those
of the softmax so large that tokens differ in probability as a trained model's do. Prints a line for each and writes
``benchmarks/results/drawing.json``, with other weights ``drawing-int8.json``.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from record import machine, record

from throughtime.bench.measures.drawing import drawers, measured
from throughtime.bench.peers import OURS, TORCH
from throughtime.bench.timing import interleave, no_collector, ratios, summarise
from throughtime.engine import WEIGHTS
from throughtime.engine.threads import threads
from throughtime.models import LanguageModel, LanguageModelConfig

MODELS: dict[str, dict[str, Any]] = {
    "characters, 1 × 256": {"vocabulary": 65, "hidden": 256},
    "characters, 1 × 512": {"vocabulary": 65, "hidden": 512},
    "characters, 2 × 512": {"vocabulary": 65, "hidden": 512, "layers": 2},
    "10,000 words, 1 × 400": {"vocabulary": 10_000, "hidden": 400, "embedding": 400},
}


SURE = 30.0
"""What the softmax's matrix is multiplied by: scores then spread as those of a trained model, by about three nats."""


def measure(name: str, cell: str, weights: str, tokens: int, seconds: float) -> dict[str, Any]:
    """Tokens a second of both, and how many times ours is ahead, text by text."""
    torch.manual_seed(0)
    model = LanguageModel(LanguageModelConfig(cell=cell, **MODELS[name])).eval()
    with torch.no_grad():
        model.softmax.weight.mul_(SURE)
    names = [f"{token} " if len(model.embedding.weight) > 65 else chr(32 + token) for token in range(10_000)]
    runs = {who: measured(draw, tokens, names) for who, draw in drawers(model, weights).items()}
    with no_collector():
        found = interleave(runs, seconds)
    rates = {who: summarise([1 / each for each in figures]) for who, figures in found.items()}
    return {
        "model": name,
        "cell": cell,
        "tokens a text": tokens,
        "tokens a second": rates,
        "ratio": summarise(ratios(found[OURS], found[TORCH])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast text is drawn.")
    parser.add_argument("--threads", type=int, default=1, help="Of PyTorch.")
    parser.add_argument("--tokens", type=int, default=300, help="Of a text.")
    parser.add_argument("--seconds", type=float, default=20.0, help="For a model.")
    parser.add_argument("--weights", choices=WEIGHTS, default="float32", help="What matrices are kept in.")
    given = parser.parse_args()
    rows = []
    with threads(given.threads):
        for name in MODELS:
            for cell in ("lstm", "gru"):
                row = measure(name, cell, given.weights, given.tokens, given.seconds)
                rows.append(row)
                ours, theirs = (row["tokens a second"][who]["median"] for who in (OURS, TORCH))
                ratio = row["ratio"]
                print(
                    f"{name}, {cell}: {ours:,.0f} tokens/s, torch.nn {theirs:,.0f}; "
                    f"{ratio['median']:.2f} ×, worst {ratio['min']:.2f} ×",
                    flush=True,
                )
    command = f"python benchmarks/recipes/drawing.py --weights {given.weights} --threads {given.threads}"
    result = {
        "command": f"{command} --tokens {given.tokens} --seconds {given.seconds:g}",
        "machine": machine(),
        "threads": given.threads,
        "rows": rows,
    }
    name = "drawing" if given.weights == "float32" else f"drawing-{given.weights}"
    print(f"recorded in {record(name, result)}")


if __name__ == "__main__":
    main()
