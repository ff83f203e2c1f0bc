"""Runs a plan: row by row, then what the rows say together."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import torch

from throughtime.bench import onnx_peer
from throughtime.bench.machine import commit, machine, peak_gflops
from throughtime.bench.measures.drawing import measure_drawing
from throughtime.bench.measures.processes import measure_memory, measure_start
from throughtime.bench.measures.streaming import measure_streaming
from throughtime.bench.measures.training import measure_training
from throughtime.bench.measures.words import measure_words
from throughtime.bench.peers import make_layer
from throughtime.bench.plan import Case, Plan
from throughtime.bench.rows import Row, add_share_of_peak, summary
from throughtime.engine.threads import threads

MEASURES: dict[str, Callable[[Case, Plan], Row]] = {
    "training": measure_training,
    "ragged": measure_training,
    "streaming": measure_streaming,
    "drawing": measure_drawing,
    "words": measure_words,
    "memory": measure_memory,
    "start": measure_start,
}

SHORTLY = (0.15, (512, 1024, 1536))
"""Seconds and sizes of a look at the peak between rows."""


def measure_case(case: Case, plan: Plan) -> Row:
    """One row; the same seed draws the same weights, inputs and lengths, whatever was measured before."""
    gc.collect()  # what the row before left behind; in the meantime the collector rests
    torch.manual_seed(plan.seed)
    with threads(case.shape.threads):
        return MEASURES[case.what](case, plan)


def measure_cases(
    cases: Iterable[Case], plan: Plan, peaks: dict[str, float], tell: Callable[[str], object] | None = None
) -> Iterator[Row]:
    """Rows as they come.

    Args:
        cases: What to measure.
        plan: Seconds, engine and seed.
        peaks: The largest rate of matrix products seen, by number of threads; kept up here before every training
            step, for a machine that others use has good moments and bad ones.
        tell: Hears of each case before it is measured.
    """
    for case in cases:
        if tell is not None:
            tell(str(case))
        if case.what in ("training", "ragged"):
            number = str(case.shape.threads)
            seen = peak_gflops(case.shape.threads, *(SHORTLY if number in peaks else ()))
            peaks[number] = max(seen, peaks.get(number, 0.0))
        yield measure_case(case, plan)


def notes(cases: Sequence[Case]) -> list[str]:
    """What is missing from the measurements, in sentences."""
    streamed = {case.cell for case in cases if case.what == "streaming"}
    wanted = any(onnx_peer.has_node(make_layer(cell, 1, 1)) for cell in streamed)
    return [onnx_peer.MISSING] if wanted and not onnx_peer.installed() else []


def measure(plan: Plan, command: str, tell: Callable[[str], object] | None = None) -> dict[str, Any]:
    """Runs a plan.

    Returns:
        Plain data: command, seed, commit, date, machine, peak_gflops by number of threads, seconds, notes, rows
        (:data:`~throughtime.bench.rows.Row`), summary.

    Raises:
        UserError: If something cannot be measured; before anything is, where that can be known.
    """
    plan.check()
    began = time.perf_counter()
    cases = list(plan.cases())
    before = machine()
    peaks: dict[str, float] = {}
    rows = list(measure_cases(cases, plan, peaks, tell))
    add_share_of_peak(rows, peaks)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "command": command,
        "seed": plan.seed,
        "machine": before,
        "peak_gflops": peaks,
        "seconds": round(time.perf_counter() - began, 1),
        "notes": notes(cases),
        "rows": rows,
        "summary": summary(rows),
    }
