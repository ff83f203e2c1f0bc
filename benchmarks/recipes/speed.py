"""The full grid of speed measurements, part by part; a run that was cut off goes on where it stood.

    python benchmarks/recipes/speed.py --part torch --threads 1
    python benchmarks/recipes/speed.py --part torch --threads 2      # adds its rows to those of the first

Parts: ``torch`` (lstm, gru, rnn beside torch.nn) and ``loop`` (cells that torch.nn has not, beside an eager loop),
both over batch 1, 8, 32, 128 × time 20, 100, 500 × hidden 64, 128, 256, 512, 1024; ``ragged``, ``streaming``,
``memory``, ``start``. Each writes ``benchmarks/results/speed-<part>.json`` after every row, and leaves out the
rows that stand there already; ``--again`` begins afresh. ``--plot`` draws ``speed-<part>.png`` beside it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from record import ROOT, commit, machine, record

from throughtime.bench import Plan, add_share_of_peak, measure_cases, notes, summary, tables
from throughtime.bench.plan import GATED
from throughtime.bench.plot import draw

GRID: dict[str, Any] = {
    "what": ("training",),
    "batch": (1, 8, 32, 128),
    "time": (20, 100, 500),
    "hidden": (64, 128, 256, 512, 1024),
}
PARTS: dict[str, dict[str, Any]] = {
    "torch": {**GRID, "cells": ("lstm", "gru", "rnn")},
    "loop": {**GRID, "cells": GATED},
    "ragged": {"what": ("ragged",), "time": (250, 500, 1000, 2000)},
    "streaming": {"what": ("streaming",), "cells": ("lstm", "gru", *GATED)},
    "memory": {
        "what": ("memory",),
        "cells": ("lstm", "gru", "rnn", *GATED),
        "batch": (8, 32, 128),
        "time": (100, 500),
        "hidden": (128, 512),
    },
    "start": {"what": ("start",), "cells": ("lstm", "gru", "rnn", *GATED)},
}


def measure_part(
    part: str, threads: tuple[int, ...], seconds: float, engine: str, again: bool, narrow: dict[str, tuple[int, ...]]
) -> Path:
    """Measures the rows that are missing, and writes after each; ``narrow`` replaces sizes of the grid."""
    sizes = {name: given for name, given in narrow.items() if name in PARTS[part]}
    plan = Plan(**{**PARTS[part], **sizes}, threads=threads, seconds=seconds, engine=engine)
    plan.check()
    told = "".join(f" --{name} {','.join(map(str, given))}" for name, given in sizes.items())
    path = ROOT / "benchmarks" / "results" / f"speed-{part}.json"
    result: dict[str, Any] = {} if again or not path.exists() else json.loads(path.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = result.get("rows", [])
    missing = [case for case in plan.cases() if not any(case.key().items() <= row.items() for row in rows)]
    # Rows of several commits in one file would say nothing of any of them.
    if missing and result and result["commit"] != commit(ROOT):
        raise SystemExit(f"{path.name} is of commit {result['commit']}, this is {commit(ROOT)}; pass --again")
    before = result.get("machine") or machine()
    peaks: dict[str, float] = result.get("peak_gflops", {})
    spent, began = result.get("seconds", 0.0), time.perf_counter()

    def write() -> Path:
        add_share_of_peak(rows, peaks)
        return record(
            f"speed-{part}",
            {
                "command": f"python benchmarks/recipes/speed.py --part {part} --seconds {seconds:g}{told}",
                "seed": plan.seed,
                "engine": engine,
                "machine": before,
                "peak_gflops": peaks,
                "seconds": round(spent + time.perf_counter() - began, 1),
                "notes": notes(list(plan.cases())),
                "summary": summary(rows),
                "rows": rows,
            },
        )

    for done, row in enumerate(measure_cases(missing, plan, peaks), 1):
        rows.append(row)
        write()
        ratio = "  ".join(f"{name} {peer['ratio']['median']:.2f}×" for name, peer in row["peers"].items())
        print(
            f"{done}/{len(missing)}  {missing[done - 1]}  {row['ours']['median']:.4g} {row['unit']}  {ratio}",
            flush=True,
        )
    return write() if missing or not path.exists() else path


def numbers(text: str) -> tuple[int, ...]:
    """Integers separated by commas."""
    return tuple(int(number) for number in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(description="The full grid of speed measurements, part by part.")
    parser.add_argument("--part", choices=PARTS, action="append", help="May be repeated; default: all.")
    parser.add_argument("--threads", default="1,2", help="Separated by commas.")
    parser.add_argument("--seconds", type=float, default=2.0, help="Time for a row.")
    parser.add_argument("--engine", default="auto", help="What runs our side.")
    parser.add_argument("--plot", action="store_true", help="Draw what is recorded.")
    parser.add_argument("--again", action="store_true", help="Forget the rows that were recorded.")
    for name in ("batch", "time", "hidden"):
        parser.add_argument(f"--{name}", help="Sizes separated by commas, instead of the whole grid's.")
    given = parser.parse_args()
    threads = numbers(given.threads)
    narrow = {name: numbers(getattr(given, name)) for name in ("batch", "time", "hidden") if getattr(given, name)}
    for part in given.part or PARTS:
        path = measure_part(part, threads, given.seconds, given.engine, given.again, narrow)
        result = json.loads(path.read_text(encoding="utf-8"))
        for table in tables({**result, "rows": []}):  # the rows were printed as they came
            for words in (table.columns, *table.rows):
                print("  ".join(words))
        if given.plot:
            draw(result, path.with_suffix(".png"))
        print(f"recorded in {path}")


if __name__ == "__main__":
    main()
