"""One training step of an LSTM on a ragged batch: ours, torch.nn on a PackedSequence, torch.nn on the padded batch.

    python benchmarks/recipes/ragged.py

Batch 32, input 128, hidden 256, float32, lengths uniform from a tenth of T to T. The padded run computes
steps that ours leaves out; it is the rate that the same kernel reaches on a batch that is not ragged.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from record import machine, record
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import throughtime

BATCH, INPUT, HIDDEN = 32, 128, 256


def measure(steps: int, repeats: int) -> dict[str, object]:
    torch.manual_seed(0)
    theirs = nn.LSTM(INPUT, HIDDEN, batch_first=True)
    ours = throughtime.LSTM.from_torch(theirs)
    x = torch.randn(BATCH, steps, INPUT, requires_grad=True)
    lengths = torch.randint(steps // 10, steps + 1, (BATCH,))
    lengths[0] = steps

    def throughtime_ragged() -> None:
        ours(x, lengths=lengths)[0].sum().backward()

    def torch_packed() -> None:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs: Tensor = pad_packed_sequence(theirs(packed)[0], batch_first=True)[0]
        outputs.sum().backward()  # type: ignore[no-untyped-call]

    def torch_padded() -> None:
        theirs(x)[0].sum().backward()

    runs: tuple[Callable[[], None], ...] = (throughtime_ragged, torch_packed, torch_padded)
    seconds: dict[str, list[float]] = {run.__name__: [] for run in runs}
    for repeat in range(repeats + 1):
        for run in runs:
            began = time.perf_counter()
            run()
            if repeat:  # the first round warms up
                seconds[run.__name__].append(time.perf_counter() - began)
    figures = {
        name: {"median_ms": round(1e3 * statistics.median(times), 1), "worst_ms": round(1e3 * max(times), 1)}
        for name, times in seconds.items()
    }
    return {
        "steps": steps,
        "real_share": round(float(lengths.sum()) / (BATCH * steps), 3),
        "repeats": repeats,
        **figures,
    }


def main() -> None:
    before = machine()
    rows = [measure(steps, repeats) for steps, repeats in ((100, 9), (250, 7), (500, 5), (1000, 3))]
    for row in rows:
        print(row)
    command = "python benchmarks/recipes/ragged.py"
    print(f"recorded in {record('ragged', {'command': command, 'seed': 0, 'machine': before, 'rows': rows})}")


if __name__ == "__main__":
    main()
