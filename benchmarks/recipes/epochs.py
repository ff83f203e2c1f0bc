"""Whole training steps of the character model on tinyshakespeare: the compiled engine beside PyTorch's kernels.

    python benchmarks/recipes/epochs.py

The model and the batches of the recorded training (1 × 512, 32 streams, cuts of 64), Adam and clipping included; the
same weights, batches and loop, the engine is all that differs. Steps are timed in turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch
from record import data, machine, record
from torch import Tensor, nn

from throughtime.data.batches import Streams
from throughtime.models import LanguageModel, LanguageModelConfig

BATCH, CUT, ROUNDS = 32, 64, 25


def steps(cell: str, engine: str, source: Streams, vocabulary: int) -> Iterator[float]:
    """Trains; gives the seconds of each step."""
    torch.manual_seed(0)
    config = LanguageModelConfig(vocabulary=vocabulary, cell=cell, hidden=512, embedding=128, dropout=0.3)
    model = LanguageModel(config, engine=engine)
    optimiser = torch.optim.Adam(model.parameters(), lr=4e-3)
    state: dict[str, Tensor] | None = None
    for batch in source.batches(0):
        began = time.perf_counter()
        loss, state = model.loss(batch, state)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        yield time.perf_counter() - began


def measure(cell: str, source: Streams, vocabulary: int) -> dict[str, object]:
    runs = {engine: steps(cell, engine, source, vocabulary) for engine in ("compiled", "torch")}
    seconds: dict[str, list[float]] = {engine: [] for engine in runs}
    for round_ in range(ROUNDS + 3):
        for engine, run in runs.items():
            took = next(run)
            if round_ >= 3:  # the first rounds warm up
                seconds[engine].append(took)
    ratios = [theirs / ours for ours, theirs in zip(seconds["compiled"], seconds["torch"], strict=True)]
    rates = {
        f"{engine}_characters_per_second": round(BATCH * CUT / statistics.median(times))
        for engine, times in seconds.items()
    }
    return {"cell": cell, **rates, "ratio": round(statistics.median(ratios), 3), "worst_ratio": round(min(ratios), 3)}


def main() -> None:
    before = machine()
    text = np.frombuffer(data("tinyshakespeare/input.txt").read_bytes(), np.uint8)
    letters, ids = np.unique(text, return_inverse=True)
    source = Streams(ids.astype(np.int64) + 3, BATCH, CUT, 2)
    rows = [measure(cell, source, len(letters) + 3) for cell in ("lstm", "gru")]
    for row in rows:
        print(row)
    result = {"command": "python benchmarks/recipes/epochs.py", "seed": 0, "machine": before, "rounds": ROUNDS}
    print(record("epochs", {**result, "rows": rows}))


if __name__ == "__main__":
    main()
