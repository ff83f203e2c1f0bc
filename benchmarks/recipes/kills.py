"""Trainings by one process and by two that are killed at any moment: every run goes on to the bits of one that was not.

    python benchmarks/recipes/kills.py

Text whose state is carried on, a tagger and an encoder–decoder, each by one process, by two that average over gloo,
and in a fixed order by one and by two in turns; checkpoints a second apart. What meets them: SIGKILL at a random moment
to one process of two, which are begun again, or to all of them and what began them; SIGKILL inside a write; calls in
:mod:`throughtime.files` that fail with ENOSPC and EIO, and take a few bytes at a time; and the system's limit on the
size of a file, which ends a write half-way. At each of them every file of the folder must be whole, and the model load;
no process may tell more than a line of it; and when a run has met its last fault, it must end in the bits of one that
met none. What is injected depends on ``--seed`` alone.

Two processes are begun by what ``torchrun`` itself is a command for, ``torch.distributed.launcher``, but forked from
one that has loaded everything, which saves seconds at each of their beginnings.
"""

from __future__ import annotations

import argparse
import errno
import faulthandler
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # the first optimiser of a process imports it: here, before the processes part
from kill import WORDS, Disk, Fault, logged
from record import machine, record
from torch import Tensor
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

import throughtime
import throughtime.cli.train
from throughtime import cli, files
from throughtime.applications.folder import model_folder as run_folder
from throughtime.plain import read_json
from throughtime.training import load_tensors
from throughtime.training.metrics import read_metrics

COMMON = "--layers 1 --batch 4 --dropout 0.2 --checkpoint-seconds 1 --seed 5"
TASKS = {
    "text": "text.txt --hidden 48 --embedding 16 --bptt 12",
    "entities": "entities.conll --hidden 24 --embedding 16 --letter 4 --spelled 4 --tags softmax",
    "pronunciation": "words.dict --hidden 24 --embedding 16",
}
WAYS = {"one": (1,), "two": (2,), "in a fixed order": (1, 2)}
"""By how many processes a run of each may go on."""

KINDS = {1: ("all", "all", "inside", "ENOSPC", "EIO", "EFBIG"), 2: ("one", "one", "all", "inside", "ENOSPC", "EFBIG")}
"""What meets so many processes."""

KILLS = ("one", "all", "inside")
LONGEST = 3.0
"""Seconds of training before a kill."""

PATIENCE = 900.0
"""Seconds after which a process hangs, however busy the machine is."""

LEAST = 20_000
"""Bytes that files may have at least, where they are bounded: log lines are shorter."""


def data(folder: Path) -> None:
    """What the tasks read."""
    draw = random.Random(1)
    lines = [draw.choices(WORDS, k=draw.randint(2, 9)) for _ in range(300)]
    (folder / "text.txt").write_text("\n".join(" ".join(line) for line in lines))
    tagged = ["".join(f"{word}\t{'B-loc' if word in WORDS[6:9] else 'O'}\n" for word in line) for line in lines]
    (folder / "entities.conll").write_text("\n".join(tagged))
    words = sorted({"".join(draw.choices("bdkmaiou", k=draw.randint(3, 6))) for _ in range(300)})
    (folder / "words.dict").write_text("".join(f"{word} {' '.join(word.upper())}\n" for word in words))


@dataclass(frozen=True)
class Begun:
    """A training that is begun, by one process or two.

    Attributes:
        pid: Of the process, or of what begins two of them.
        count: Of the processes.
        told: Where each says its number, its calls at the end, and writes what it tells.
    """

    pid: int
    count: int
    told: Path

    def ended(self) -> bool:
        """Whether all of it has."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self, until: Callable[[], bool]) -> bool:
        """Waits until something is, or all has ended: then it is not."""
        patient = time.monotonic() + PATIENCE
        while not (found := until()) and not self.ended():
            if time.monotonic() > patient:
                raise SystemExit(f"{self.told}: it hangs")
            time.sleep(0.005)
        return found

    def pids(self, attempt: int) -> list[int]:
        """Of the processes of an attempt, as far as they have begun."""
        if self.count == 1:
            return [self.pid]
        files = [self.told / f"{attempt}.{rank}.pid" for rank in range(self.count)]
        return [int(file.read_text()) for file in files if file.exists()]

    def lines(self, attempt: int) -> list[list[str]]:
        """What each process of an attempt told of its end."""
        logs = [self.told / f"{attempt}.{rank}.log" for rank in range(self.count)]
        return [log.read_text().splitlines() if log.exists() else [] for log in logs]

    def was_hit(self, attempt: int, fault: Fault) -> bool:
        """Whether a fault inside of an attempt's first process met it before its end."""
        lines = self.lines(attempt)[0]
        if fault.kind in KILLS:
            return fault.kind == "inside" and not ended_well(lines)
        return any(line.startswith("throughtime: ") for line in lines)

    def status(self) -> int:
        """How it ended; waits for that."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def begin(count: int, arguments: Sequence[str], told: Path, faults: Sequence[Fault], calls: int) -> Begun:
    """Begins a training whose attempts meet faults, one each."""
    told.mkdir()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            with (told / "launcher").open("w", buffering=1) as log:
                os.dup2(log.fileno(), 2)  # where what begins the processes logs
                sys.stdout = sys.stderr = log
                if count == 1:
                    work(arguments, told, faults, calls)
                else:
                    lead(count, arguments, told, faults, calls)
                status = 0
        except SystemExit as error:
            status = int(error.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return Begun(pid, count, told)


def lead(count: int, *given: Any) -> None:
    """What ``torchrun --max-restarts`` does."""
    told, faults = given[1], given[2]
    specs = DefaultLogsSpecs(log_dir=str(told), redirects=Std.ALL)
    config = LaunchConfig(
        1,
        1,
        count,
        run_id=told.name,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=len(faults),
        monitor_interval=0.1,
        start_method="fork",
        logs_specs=specs,
        local_addr="127.0.0.1",
    )
    elastic_launch(config, work)(*given)


def work(arguments: Sequence[str], told: Path, faults: Sequence[Fault], calls: int) -> None:
    """What each process does: the command, on a disk that meets an attempt's fault where it is the first one's."""
    rank, attempt = int(os.environ.get("RANK", "0")), int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # as a process that is no fork has them
        signal.signal(number, signal.SIG_DFL)
    (told / f"{attempt}.{rank}.pid.part").write_text(str(os.getpid()))
    fault = faults[attempt] if attempt < len(faults) and rank == 0 else None
    disk = Disk(None if fault is None or fault.kind in ("one", "all", "EFBIG") else fault, 0)
    if disk.fault is not None:
        disk.at = max(1, int(calls**disk.fault.at))
    with (told / f"{attempt}.{rank}.log").open("w", buffering=1) as log:
        sys.stdout = sys.stderr = log
        faulthandler.dump_traceback_later(PATIENCE, exit=True, file=log)
        files.os = run_folder.os = disk  # type: ignore[assignment, attr-defined]
        if fault is not None and fault.kind == "EFBIG":
            bound = LEAST + int(fault.at * 10 * LEAST)
            resource.setrlimit(resource.RLIMIT_FSIZE, (bound, resource.RLIM_INFINITY))
        os.rename(told / f"{attempt}.{rank}.pid.part", told / f"{attempt}.{rank}.pid")
        try:
            cli.main(list(arguments))
        finally:
            log.write(f"calls: {disk.count}\n")


class Tormented:
    """Runs of a task in one way, and the one that nothing met.

    Args:
        task: The task.
        way: By how many processes, and how.
        folder: Where they stand.
        steps: Of a run.
    """

    def __init__(self, task: str, way: str, folder: Path, steps: int) -> None:
        self.task, self.way, self.folder = task, way, folder / f"{task} {way}".replace(" ", "-")
        self.folder.mkdir()
        path, *options = f"{TASKS[task]} {COMMON}".split()
        ordered = ["--deterministic", "--shards", "2"] if way == "in a fixed order" else []
        options += ["--steps", str(steps), "--evaluate-every", str(steps // 3)]
        self.options, self.count = [str(folder / path), *options, *ordered], 0
        self.whole = self.folder / "whole"
        reference = begin(WAYS[way][0], self.command(self.whole), self.told(), (), 0)
        self.expect(reference.status() == 0, reference)
        self.calls = int(reference.lines(0)[0][-1].removeprefix("calls: "))

    def command(self, out: Path) -> list[str]:
        """Begins a run, or goes on with it."""
        more = ["--resume"] if out.exists() else self.options
        return ["train", self.task, "--out", str(out), *more]

    def told(self) -> Path:
        """A name for a new training."""
        self.count += 1
        return self.folder / f"told-{self.count}"

    def expect(self, holds: bool, what: object) -> None:
        """Ends the recipe, and keeps its folder, where something does not hold."""
        if not holds:
            raise SystemExit(f"{self.folder}: {what}")

    def torment(self, number: int, seed: int, met: Counter[str]) -> None:
        """One run, through all that meets it, to its end."""
        draw, out = random.Random(f"{seed}/{number}"), self.folder / f"run-{number}"
        left = draw.randint(2, 5)
        while True:
            count = draw.choice(WAYS[self.way])
            faults = [Fault(draw.choice(KINDS[count]), draw.random(), draw.random() < 0.5) for _ in range(left)]
            if count == 1:  # nobody begins it again
                del faults[1:]
            elif any(ends := [fault.kind == "all" for fault in faults]):
                del faults[ends.index(True) + 1 :]
            left -= len(faults)
            if self.meet(begin(count, self.command(out), self.told(), faults, self.calls), out, faults, draw, met):
                break
        self.expect(self.same(out), f"run {number} ended in other bits")
        names = [{path.name for path in run.iterdir()} - {"launch.json"} for run in (out, self.whole)]
        self.expect(names[0] == names[1], f"run {number} has {sorted(names[0] ^ names[1])}")
        met["runs"] += 1

    def meet(self, begun: Begun, out: Path, faults: Sequence[Fault], draw: random.Random, met: Counter[str]) -> bool:
        """Whether a training ended well, after what met its attempts; checks what each of them left."""
        hits = 0
        for attempt, fault in enumerate(faults):
            begun.wait(lambda at=attempt: len(begun.pids(at)) == begun.count)  # type: ignore[misc]
            killed = fault.kind in ("one", "all") and self.kill(begun, attempt, fault, out, draw)
            begun.wait(lambda after=attempt + 1: begun.count > 1 and bool(begun.pids(after)))  # type: ignore[misc]
            if not (killed or begun.was_hit(attempt, fault)):
                met["came too late"] += 1
                break
            self.check(begun, attempt, fault, out)
            hits += 1
            met[fault.kind] += 1
            met["kills"] += fault.kind in KILLS
            met[f"kills, of {begun.count}"] += fault.kind in KILLS
            met["with short writes"] += fault.short and fault.kind in ("inside", "ENOSPC", "EIO")
        status, over = begun.status(), hits == len(faults) > 0 and (begun.count == 1 or faults[-1].kind == "all")
        self.check_folder(out)
        self.expect(over or status == 0, f"it ended with {status}: {begun.told}")
        return not over

    def kill(self, begun: Begun, attempt: int, fault: Fault, out: Path, draw: random.Random) -> bool:
        """Kills one of two processes, or all of them and what began them, at a moment; not if they ended before."""
        before = stand(out)
        if draw.random() < 0.8:  # while it trains: till then it reads, which takes as long
            begun.wait(lambda: stand(out) != before)
        at = time.monotonic() + fault.at * LONGEST
        begun.wait(lambda: time.monotonic() > at)
        pids = begun.pids(attempt)
        # One that has done its work waits for the others in what began it, which a kill would let wait for ever.
        if begun.ended() or len(pids) < begun.count or any(map(ended_well, begun.lines(attempt))):
            return False
        for pid in [begun.pid, *pids] if fault.kind == "all" else [draw.choice(pids)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.check_folder(out)
        return True

    def check(self, begun: Begun, attempt: int, fault: Fault, out: Path) -> None:
        """What a fault left, and what was told of it."""
        self.check_folder(out)
        for rank, lines in enumerate(begun.lines(attempt)):
            told = [line for line in lines if line.startswith("throughtime: ")]
            self.expect(len(told) <= 1 and not any("Traceback" in line for line in lines), (begun.told, fault, lines))
            if rank == 0 and fault.kind not in KILLS:
                right = (
                    len(told) == 1
                    and str(self.folder) in told[0]
                    and os.strerror(getattr(errno, fault.kind)) in told[0]
                )
                self.expect(right, (begun.told, fault, lines))

    def check_folder(self, out: Path) -> None:
        """Whether every file of a run is whole, and its model loads, at this moment."""
        if not out.exists():
            return
        for path in (path for path in out.iterdir() if not path.name.startswith(".")):
            if path.suffix == ".safetensors":
                load_tensors(path)
            elif path.suffix == ".json":
                read_json(path)
        read_metrics(out / "metrics.jsonl")
        if (out / "model.safetensors").exists():
            throughtime.load(out).ready()

    def same(self, out: Path) -> bool:
        """Whether a run has the bits of the one that nothing met; what is drawn next is each process's own."""
        one, other = (load_tensors(folder / "model.safetensors") for folder in (out, self.whole))
        (tensors, told), (expected, wanted) = (load_tensors(f / "checkpoint.safetensors") for f in (out, self.whole))
        for side in (told, wanted):
            side["progress"].pop("seconds")
        if len(WAYS[self.way]) > 1:
            tensors["random"] = expected["random"]
        return (
            alike(one[0], other[0])
            and one[1] == other[1]
            and alike(tensors, expected)
            and told == wanted
            and logged(out) == logged(self.whole)
        )


def ended_well(lines: Sequence[str]) -> bool:
    """Whether a process that told these lines came to its end."""
    return any(line.startswith("calls: ") for line in lines)


def alike(some: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    """Whether tensors have the same names and bits."""
    return some.keys() == others.keys() and all(torch.equal(value, others[name]) for name, value in some.items())


def stand(out: Path) -> list[tuple[int, int]]:
    """Which files a run has that change while it trains: others after it has begun, or gone on."""
    found = []
    for name in ("metrics.jsonl", "checkpoint.safetensors"):
        with suppress(FileNotFoundError):
            state = (out / name).stat()
            found.append((state.st_ino, state.st_mtime_ns))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=600, help="Of a run: some seconds' worth.")
    parser.add_argument("--out", type=Path, help="Another file for the result.")
    given = parser.parse_args()
    assert throughtime.cli.train  # loaded once, for all processes
    torch.set_num_threads(1)
    before, began = machine(), time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="throughtime-kills-"))
    os.environ["THROUGHTIME_CACHE"], os.environ["OMP_NUM_THREADS"] = str(folder / "cache"), "1"
    data(folder)
    met: Counter[str] = Counter()
    runs = [Tormented(task, way, folder, given.steps) for task in TASKS for way in WAYS]
    while met["kills"] < given.kills:
        number = met["runs"]
        runs[number % len(runs)].torment(number, given.seed, met)
        print(f"{time.perf_counter() - began:.0f} s: {dict(met)}", flush=True)
    result = {
        "command": f"benchmarks/recipes/kills.py --kills {given.kills} --seed {given.seed} --steps {given.steps}",
        "seed": given.seed,
        "machine": before,
        "seconds": round(time.perf_counter() - began, 1),
        "tasks": {task: f"{options} {COMMON}" for task, options in TASKS.items()},
        "ways": list(WAYS),
        "met": dict(sorted(met.items())),
        "same_bits": met["runs"],
    }
    print(f"recorded in {record('kills', result, given.out)}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
