"""Memory of a training step, and the first call of a new cell: measured in fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from throughtime.bench.peers import OURS, peer_of
from throughtime.bench.plan import Case, Plan
from throughtime.bench.rows import UNITS, Row, make_row
from throughtime.bench.timing import interleave, summarise
from throughtime.errors import UserError

CACHE = "THROUGHTIME_CACHE"
"""The environment variable that names the folder in which compiled cells are kept."""


def ask(
    kind: str, case: Case, plan: Plan, *, peer: bool = False, environment: Mapping[str, str] | None = None
) -> float:
    """The figure that :mod:`throughtime.bench.measures.probe` measures in a process of its own.

    Raises:
        UserError: If that process ends otherwise; with its last words.
    """
    request = {
        "kind": kind,
        "cell": case.cell,
        "engine": plan.engine,
        "peer": peer,
        "seed": plan.seed,
        **asdict(case.shape),
    }
    # The child takes the package that this process took, wherever that is.
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **(environment or {})}
    command = [sys.executable, "-m", "throughtime.bench.measures.probe", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(f"{case}: the process that measures it ended with {done.returncode}: {last}")
    return float(done.stdout.splitlines()[-1])


def measure_memory(case: Case, plan: Plan) -> Row:
    """The height of a training step's memory, ours and the peer's."""
    runs = {
        OURS: lambda: ask("memory", case, plan),
        peer_of(case.cell): lambda: ask("memory", case, plan, peer=True),
    }
    figures = interleave(runs, plan.seconds, at_least=1, warm=False)
    return make_row(case, figures, "MB")


def measure_start(case: Case, plan: Plan) -> Row:
    """The first call with an empty cache, and, as ``later``, that of another process which finds the cache filled."""
    later: list[float] = []

    def first() -> float:
        with tempfile.TemporaryDirectory(prefix="throughtime-bench-") as folder:
            seconds = ask("start", case, plan, environment={CACHE: folder})
            later.append(ask("start", case, plan, environment={CACHE: folder}))
            return seconds

    figures = interleave({OURS: first}, plan.seconds, at_least=1, warm=False)
    return make_row(case, figures, "ms", {"later": summarise(later, UNITS["ms"])})
