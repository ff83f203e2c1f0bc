"""Damaged files of every format, and damaged model folders: each must be read, or refused in one line that names it.

    python benchmarks/recipes/fuzz.py --inputs 1000000 --seed 0 --workers 2 --out benchmarks/results/fuzz.json

Input number ``n`` of a seed is always the same file, so that ``--only n`` repeats what was found. What counts as a
fault: any exception but a one-line refusal, the death of the process, more than 10 seconds, more than 1 GB, a file
opened or written outside, a process left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from record import ROOT, commit, machine

SHOWN = 10
"""Of the slowest and the largest."""


@dataclass
class Tally:
    """What became of the inputs so far."""

    by_case: dict[str, Counter[str]] = field(default_factory=dict)
    by_file: Counter[str] = field(default_factory=Counter)
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    slowest: list[tuple[float, int, str]] = field(default_factory=list)
    largest: list[tuple[float, int, str]] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)
    count: int = 0

    def add(self, result: Any) -> None:
        """Counts a result."""
        self.count += 1
        self.by_case.setdefault(result.case, Counter())[result.verdict.kind] += 1
        if result.target.startswith("run/"):
            self.by_file[result.target.removeprefix("run/")] += 1
        self.seconds[result.case] += result.seconds
        name = f"{result.case}: {result.target}"
        self.slowest = sorted([*self.slowest, (round(result.seconds, 3), result.number, name)], reverse=True)[:SHOWN]
        mebibytes = round(result.memory / 2**20, 1)
        self.largest = sorted([*self.largest, (mebibytes, result.number, name)], reverse=True)[:SHOWN]
        if result.verdict.kind not in ("read", "refused"):
            first = {"kind": result.verdict.kind, "inputs": [], "count": 0, "detail": result.verdict.detail[-3000:]}
            fault = self.faults.setdefault(result.verdict.alike, first)
            fault["count"] += 1
            fault["inputs"] = [*fault["inputs"], f"{result.number} ({name})"][:5]

    @property
    def verdicts(self) -> Counter[str]:
        """How many inputs came to what."""
        return sum(self.by_case.values(), Counter[str]())


def run(
    numbers: Iterable[int],
    seed: int,
    workers: int,
    seconds: float,
    only: str = "",
    shown: bool = True,
    once: bool = False,
) -> Tally:
    """Reads inputs, those whose reader's name holds ``only``; ``once``: those that show a reader what is new to it."""
    import torch

    torch.set_num_threads(1)  # before anything is computed: a process with threads cannot be forked safely
    from fuzzing.cases import all_cases
    from fuzzing.inputs import Inputs
    from fuzzing.workers import fuzz

    memory = Path("/dev/shm")
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        os.environ["THROUGHTIME_CACHE"] = f"{folder}/cache"
        cases = [case for case in all_cases(Path(folder) / "models") if only in case.name]
        begun = told = time.monotonic()
        inputs = Inputs(cases, seed)
        chosen = inputs.once(numbers) if once else list(numbers)
        for result in fuzz(inputs, chosen, Path(folder) / "work", workers, seconds):
            seen = len(tally.faults)
            tally.add(result)
            if shown and len(tally.faults) > seen:
                print(f"{result.number} ({result.case}: {result.target}): {result.verdict.detail}", flush=True)
            if shown and time.monotonic() - told > 10:
                told = time.monotonic()
                rate = tally.count / (told - begun)
                print(f"{tally.count:,} inputs, {rate:.0f} a second, {dict(tally.verdicts)}", flush=True)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="Number of the first input.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0, help="After which an input counts as hung.")
    parser.add_argument("--only", type=int, nargs="*", help="Numbers of inputs to read, instead of all.")
    parser.add_argument("--once", action="store_true", help="Each damage to a kind of file once for each reader.")
    parser.add_argument("--reader", default="", help="Readers whose name holds this; numbers then mean other inputs.")
    parser.add_argument("--out", type=Path, help="Where the result is recorded; faults go beside it.")
    given = parser.parse_args()
    before, begun = machine(), time.monotonic()
    numbers = given.only if given.only is not None else range(given.first, given.first + given.inputs)
    tally = run(numbers, given.seed, given.workers, given.seconds, given.reader, once=given.once)
    took = time.monotonic() - begun
    for alike, fault in sorted(tally.faults.items(), key=lambda item: -item[1]["count"]):
        print(f"\n{fault['count']} × {alike}\n  inputs {', '.join(fault['inputs'])}\n{fault['detail']}")
    result = {
        "command": f"python benchmarks/recipes/fuzz.py {' '.join(sys.argv[1:])}",
        "commit": commit(ROOT),
        "machine": before,
        "seed": given.seed,
        "inputs": tally.count,
        "seconds": round(took),
        "verdicts": dict(tally.verdicts),
        "faults": {alike: {k: v for k, v in f.items() if k != "detail"} for alike, f in tally.faults.items()},
        "by_reader": {name: dict(found) for name, found in sorted(tally.by_case.items())},
        "by_file_of_a_model_folder": dict(sorted(tally.by_file.items())),
        "slowest_seconds": tally.slowest,
        "largest_mebibytes": tally.largest,
    }
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    spent = {name: f"{1e3 * total / sum(tally.by_case[name].values()):.1f}" for name, total in tally.seconds.items()}
    print("\nms an input:", dict(sorted(spent.items(), key=lambda item: -float(item[1]))))
    print(f"{tally.count:,} inputs in {took:.0f} s: {dict(tally.verdicts)}")
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
