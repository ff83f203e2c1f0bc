"""Trainings that are killed, and disks that are full or fail: every run goes on to the bits of one that nothing met.

    python benchmarks/recipes/kill.py

Processes are killed at random moments and inside writes, after a part of the bytes; the system's calls in
:mod:`throughtime.files` fail with ENOSPC and EIO, and take a few bytes at a time. After each fault the folder must be
whole, or absent, and what is no kill must end in one line that names a file and leave no part of one behind; then the
run goes on, to meet the next fault or its end. What is injected depends on ``--seed`` alone.
"""

from __future__ import annotations

import argparse
import errno
import faulthandler
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # the first optimiser of a process imports it: here, before the processes part
from record import machine, record

import throughtime.cli.train
from throughtime import files
from throughtime.applications.folder import model_folder as run_folder
from throughtime.cli import run as run_command
from throughtime.training import load_tensors

CALLS = ("open", "write", "fsync", "fchmod", "replace")
KINDS = ("moment", "moment", "inside", "inside", "ENOSPC", "EIO")
COMMON = "--hidden 8 --layers 1 --batch 4 --steps 16 --evaluate-every 5 --dropout 0.2 --checkpoint-seconds 0 --seed 5"
TASKS = {
    "text": f"TEXT --embedding 8 --bptt 12 {COMMON}",
    "copy": f"--cell gru --examples 60 --held-out 10 {COMMON}",
}
PATIENCE = 120.0
"""Seconds after which a process hangs."""
WORDS = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "tree", "and", "then"]


@dataclass(frozen=True)
class Fault:
    """What meets a process.

    Attributes:
        kind: ``moment`` and ``inside``: it is killed; else the error of a call.
        at: When, as a share of a whole run: of its seconds, or of its calls.
        short: Whether writes take a part at a time.
    """

    kind: str
    at: float
    short: bool

    @property
    def kills(self) -> bool:
        return self.kind in ("moment", "inside")


class Disk:
    """Stands for :mod:`os` in the modules that write; counts calls, and lets one of them meet a fault.

    Args:
        fault: The fault, if any.
        at: Number of the call that it meets.
    """

    def __init__(self, fault: Fault | None, at: int) -> None:
        self.fault, self.at, self.count = fault, at, 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return (lambda *given, **named: self._call(name, real, *given, **named)) if name in CALLS else real

    def _call(self, name: str, real: Any, *given: Any, **named: Any) -> Any:
        self.count += 1
        fault = self.fault
        if fault is None or fault.kind == "moment":
            return real(*self._short(name, given), **named)
        # A full disk stays full; an error of the disk comes once.
        full = fault.kind == "ENOSPC" and self.count > self.at and name == "write"
        if self.count != self.at and not full:
            return real(*self._short(name, given), **named)
        if name == "write" and not full:
            real(given[0], given[1][: len(given[1]) // 2])
        if fault.kind == "inside":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, fault.kind)
        raise OSError(number, os.strerror(number))

    def _short(self, name: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.fault is None or not self.fault.short or name != "write":
            return given
        return given[0], given[1][: max(1, len(given[1]) // 3)]


@dataclass(frozen=True)
class Ended:
    """How a process ended: its status (below 0: the signal), its seconds, its calls, and what it printed."""

    status: int
    seconds: float
    calls: int
    errors: str


class Trainings:
    """Trainings of a task in processes of their own.

    Args:
        task: The task.
        folder: Where they stand.
    """

    def __init__(self, task: str, folder: Path) -> None:
        self.task, self.folder = task, folder
        folder.mkdir()
        draw = random.Random(1)
        (folder / "text").write_text("\n".join(" ".join(draw.choices(WORDS, k=7)) for _ in range(60)))
        self.options = TASKS[task].replace("TEXT", str(folder / "text")).split()
        self.whole = folder / "whole"
        for out in (folder / "warm", self.whole):  # the first fills the cache of machine code, and takes longer
            self.reference = self.train(out)
            self.expect(self.reference.status == 0, self.reference.errors)

    def expect(self, holds: bool, what: str) -> None:
        """Ends the recipe, and keeps its folder, where something does not hold."""
        if not holds:
            raise SystemExit(f"{self.task}, in {self.folder}: {what}")

    def train(self, out: Path, fault: Fault | None = None) -> Ended:
        """Begins a run, or goes on with it, in a process that meets a fault."""
        resume = (out / "config.json").exists()
        given = ["--resume", "--checkpoint-seconds", "0"] if resume else self.options
        log, began = self.folder / "log", time.perf_counter()
        process = os.fork()
        if not process:
            be(["train", self.task, "--out", str(out), *given], Disk(fault, self._call(fault)), log)
        if fault is not None and fault.kind == "moment":
            time.sleep(fault.at * self.reference.seconds)
            os.kill(process, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        printed = log.read_text()
        calls = printed.rpartition("calls: ")[2].strip()
        return Ended(status, time.perf_counter() - began, int(calls) if calls.isdecimal() else 0, printed)

    def _call(self, fault: Fault | None) -> int:
        return 0 if fault is None else 1 + int(fault.at * self.reference.calls)

    def meet(self, out: Path, fault: Fault) -> bool:
        """Whether a fault met the run before its end; checks what it left."""
        ended = self.train(out, fault)
        if ended.status == 0:
            return False
        kept = [out / "checkpoint.safetensors", out / "model.safetensors"]
        for path in kept:
            if path.exists():
                load_tensors(path)
        self.expect(not out.exists() or (out / "config.json").exists(), "a part of a folder stands")
        if fault.kills:
            self.expect(ended.status == -signal.SIGKILL, ended.errors)
            return True
        lines = [line for line in ended.errors.splitlines() if line.startswith("throughtime: ")]
        code = getattr(errno, fault.kind)
        self.expect(ended.status == 2 and "Traceback" not in ended.errors, ended.errors)
        self.expect(len(lines) == 1 and str(out.parent) in lines[0] and os.strerror(code) in lines[0], ended.errors)
        return True

    def same(self, out: Path) -> bool:
        """Whether a run has the bits of the one that nothing met."""
        one, other = ((folder / "model.safetensors").read_bytes() for folder in (out, self.whole))
        (tensors, data), (expected, wanted) = (load_tensors(f / "checkpoint.safetensors") for f in (out, self.whole))
        for side in (data, wanted):
            side["progress"].pop("seconds")
        equal = tensors.keys() == expected.keys() and all(
            torch.equal(tensors[name], expected[name]) for name in tensors
        )
        return one == other and equal and data == wanted and logged(out) == logged(self.whole)


def be(arguments: list[str], disk: Disk, log: Path) -> None:
    """The process that trains; it never returns."""
    status = 1
    try:
        sys.stdout = sys.stderr = log.open("w", buffering=1)
        faulthandler.dump_traceback_later(PATIENCE, exit=True, file=sys.stderr)
        files.os = run_folder.os = disk  # type: ignore[assignment, attr-defined]
        status = run_command(arguments)
        print(f"calls: {disk.count}")
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def logged(run: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without the clock."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k not in ("seconds", "tokens_per_s")} for record in records]


def faults(seed: int, number: int) -> list[Fault]:
    """What a run meets, one after the other."""
    draw = random.Random(f"{seed}/{number}")
    return [Fault(draw.choice(KINDS), draw.random() / (n + 1), draw.random() < 0.5) for n in range(draw.randint(1, 3))]


def torment(trainings: list[Trainings], kills: int, seed: int) -> Counter[str]:
    """Runs in turns, until as many processes were killed; counts what met them."""
    met: Counter[str] = Counter()
    while met["kills"] < kills:
        number = met["runs"]
        task = trainings[number % len(trainings)]
        out = task.folder / f"run-{number}"
        for fault in faults(seed, number):
            hit = task.meet(out, fault)
            met[fault.kind if hit else "came too late"] += 1
            met["kills"] += hit and fault.kills
            met["with short writes"] += hit and fault.short
        ended = task.train(out)
        task.expect(ended.status == 0, f"run {number} does not go on: {ended.errors}")
        task.expect(task.same(out), f"run {number} ended in other bits")
        left = [path.name for path in out.iterdir() if path.name.startswith(".")]
        task.expect(not left, f"run {number} has {left} left")
        met["runs"] += 1
        met[f"runs of {task.task}"] += 1
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Another file for the result.")
    given = parser.parse_args()
    assert throughtime.cli.train  # loaded once, for all processes
    torch.set_num_threads(1)
    before, began = machine(), time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="throughtime-kill-"))
    os.environ["THROUGHTIME_CACHE"] = str(folder / "cache")
    met = torment([Trainings(task, folder / task) for task in TASKS], given.kills, given.seed)
    result = {
        "command": f"python benchmarks/recipes/kill.py --kills {given.kills} --seed {given.seed}",
        "seed": given.seed,
        "machine": before,
        "seconds": round(time.perf_counter() - began, 1),
        "tasks": TASKS,
        "met": dict(sorted(met.items())),
        "same_bits": met["runs"],
    }
    print(json.dumps(result["met"]))
    print(f"recorded in {record('kill', result, given.out)}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
