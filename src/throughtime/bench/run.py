"""Runs a plan: row by row, then what the rows say together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import torch

from throughtime.bench import onnx_peer, timing
from throughtime.bench.machine import commit, machine, peak_gflops
from throughtime.bench.peers import make_layer
from throughtime.bench.plan import Case, Plan
from throughtime.bench.processes import measure_memory, measure_start
from throughtime.bench.rows import Row, add_share_of_peak, summary
from throughtime.bench.streaming import measure_streaming
from throughtime.bench.training import measure_training

MEASURES: dict[str, Callable[[Case, Plan], Row]] = {
    "training": measure_training,
    "ragged": measure_training,
    "streaming": measure_streaming,
    "memory": measure_memory,
    "start": measure_start,
}


def measure_case(case: Case, plan: Plan) -> Row:
    """One row; the same seed draws the same weights, inputs and lengths, whatever was measured before."""
    torch.manual_seed(plan.seed)
    with timing.threads(case.shape.threads):
        return MEASURES[case.what](case, plan)


def measure_cases(cases: Iterable[Case], plan: Plan, tell: Callable[[str], object] | None = None) -> Iterator[Row]:
    """Rows as they come; ``tell`` hears of each before it is measured."""
    for case in cases:
        if tell is not None:
            tell(str(case))
        yield measure_case(case, plan)


def measure_peaks(cases: Sequence[Case]) -> dict[str, float]:
    """The rate of matrix products for every number of threads that a training step is measured with."""
    numbers = sorted({case.shape.threads for case in cases if case.what in ("training", "ragged")})
    return {str(number): peak_gflops(number) for number in numbers}


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
    peaks = measure_peaks(cases)
    rows = list(measure_cases(cases, plan, tell))
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
