"""Text larger than memory: tokenised by one process and by several, killed at random moments and gone on with.

    python benchmarks/recipes/tokenising.py --gigabytes 2 --kills 10

Makes shards of text by a script in a folder of its own (``--folder``; removed at the end), packed by gzip, and trains
one step of a small model on them by ``throughtime train text``: with each number of ``--workers``, in turns, for
``--rounds`` rounds; then once more, killed by SIGKILL with all its processes at moments that are drawn, and begun
again by the same command until it ends. The ids must be the same bytes every time. What all processes of a command
hold is read from ``/proc`` twice a second: pages of files that are mapped, which the system may drop, are counted
apart, and what processes share is counted once. Megabytes are of the text as it is unpacked.

What is foretold for ten gigabytes and for more cores follows from two numbers: what the command takes whatever the
text (it is timed on a hundredth of it), and what a megabyte takes a process. It leaves out that a disk may be slower
than many cores.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from record import machine, record

SHARD = 32 * 10**6
"""Bytes of text in a shard."""

LOOK = 0.5
"""Seconds between two looks at the memory."""

TRAIN = [
    "--hidden",
    "8",
    "--embedding",
    "8",
    "--steps",
    "1",
    "--batch",
    "4",
    "--evaluate-every",
    "1000000",
    "--engine",
    "reference",
]


def words(count: int = 30_000, seed: int = 0) -> tuple[list[str], list[float]]:
    """Made-up words, and how often each stands there: as Zipf found it."""
    draw = random.Random(seed)
    parts = [c + v for c in "bdfghklmnprstvwz" for v in "aeiou"] + ["th", "st", "er", "on", "ing"]
    found = list(
        dict.fromkeys("".join(draw.choices(parts, k=draw.choice((1, 2, 2, 3, 3, 4)))) for _ in range(2 * count))
    )
    found = found[:count]
    total = 0.0
    return found, [total := total + 1 / (rank + 3) for rank in range(len(found))]


def make(folder: Path, size: int, number: int) -> int:
    """Writes a shard of so many bytes of text; gives how many they are."""
    known, weights = words()
    draw, made = random.Random(number), 0
    with gzip.open(folder / f"{number:05d}.txt.gz", "wb", compresslevel=1) as file:
        while made < size:
            drawn = iter(draw.choices(known, cum_weights=weights, k=20_000))
            lines = []
            while line := [word for word, _ in zip(drawn, range(draw.randint(5, 20)), strict=False)]:
                lines.append(" ".join(line).capitalize() + ".\n")
            made += file.write("".join(lines)[: size - made].encode())
    return made


@dataclass
class Held:
    """What processes hold at most, in bytes: by themselves, with mapped pages of files, and how many processes."""

    own: int = 0
    mapped: int = 0
    processes: int = 0

    def look(self, group: int) -> None:
        """Looks at all processes of a group."""
        own = mapped = count = 0
        for entry in os.listdir("/proc"):
            if entry.isdecimal():
                with suppress(OSError, ValueError):
                    if os.getpgid(int(entry)) == group:
                        told = dict(
                            re.findall(r"^(Pss_\w+):\s+(\d+)", Path("/proc", entry, "smaps_rollup").read_text(), re.M)
                        )
                        own += 1024 * (int(told["Pss_Anon"]) + int(told["Pss_Shmem"]))
                        mapped += 1024 * int(told["Pss_File"])
                        count += 1
        self.own, self.processes = max(self.own, own), max(self.processes, count)
        self.mapped = max(self.mapped, mapped)


@dataclass
class Ended:
    """A command: its seconds, what it held, and whether it came to its end."""

    seconds: float
    held: Held
    whole: bool


def train(shards: Path, out: Path, options: Sequence[str], kill_after: float | None = None) -> Ended:
    """Runs the command, and kills it with all that it has begun."""
    command = [sys.executable, "-m", "throughtime", "train", "text", str(shards / "*.txt.gz"), "--out", str(out)]
    begun, held = time.monotonic(), Held()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*command, *TRAIN, *options], stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
        )  # fmt: skip
        try:
            while process.poll() is None:
                held.look(process.pid)
                if kill_after is not None and time.monotonic() - begun > kill_after:
                    break
                time.sleep(LOOK)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode not in (0, -signal.SIGKILL):
            said.seek(0)
            raise SystemExit(f"status {process.returncode}: {said.read().decode()[-2000:]}")
    return Ended(time.monotonic() - begun, held, process.returncode == 0)


def digest(run: Path) -> dict[str, str]:
    """Of a run's ids and tokenizer."""
    found = {}
    for name in ("train.ids", "valid.ids", "tokenizer.json"):
        with (run / name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def killed(shards: Path, out: Path, options: Sequence[str], kills: int, usual: float, seed: int) -> dict[str, Any]:
    """The command under kills, at moments that come to its usual time in all, and once more to its end."""
    draw, begun = random.Random(seed), time.monotonic()
    moments: list[float] = []
    held = Held()
    while True:
        after = draw.uniform(0, 2 * usual / kills) if len(moments) < kills else None
        ended = train(shards, out, options, after)
        held.own = max(held.own, ended.held.own)
        left = [
            path.name
            for path in out.parent.iterdir()
            if path.name.startswith(f".{out.name}") and path.suffix != ".shards"
        ]
        if left:
            raise SystemExit(f"a kill after {after} s left {left}")
        if ended.whole or out.exists():  # all tokens are there: a kill that came later met the training
            return {
                "kills": len(moments),
                "killed_after_s": [round(moment, 2) for moment in moments],
                "seconds_in_all": round(time.monotonic() - begun, 1),
                "peak_own_mb": round(held.own / 1e6),
            }
        moments.append(ended.seconds)
        print(f"killed after {ended.seconds:.1f} s")


def measure(
    folder: Path, gigabytes: float, rounds: int, workers: Sequence[int], kills: int, seed: int, unit: str
) -> dict[str, Any]:
    """All of it."""
    shards, few = folder / "shards", folder / "few"
    shards.mkdir()
    few.mkdir()
    count = max(2 * max(workers), round(gigabytes * 1e9 / SHARD))
    size = round(gigabytes * 1e9 / count)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        made = sum(pool.map(partial(make, shards, size), range(count)))
    for number in range(2 * max(workers)):
        make(few, size * count // 100 // (2 * max(workers)), number)
    packed = sum(file.stat().st_size for file in shards.iterdir())
    megabytes = made / 1e6
    print(f"{megabytes:,.0f} MB in {count} shards, {packed / 1e6:,.0f} MB packed")
    rates: dict[int, list[Ended]] = {each: [] for each in workers}
    fixed: dict[int, list[float]] = {each: [] for each in workers}
    digests = set()
    for turn in range(rounds):
        for each in workers:
            options = ["--unit", unit, "--workers", str(each)]
            for place, text in ((few, fixed), (shards, rates)):
                out = folder / "run"
                ended = train(place, out, options)
                if text is rates:
                    rates[each].append(ended)
                    digests.add(str(digest(out)))
                    print(f"round {turn}, {each} workers: {ended.seconds:.1f} s, {ended.held}")
                else:
                    fixed[each].append(ended.seconds)
                shutil.rmtree(out)
    found: dict[str, Any] = {"megabytes": round(megabytes), "packed_megabytes": round(packed / 1e6), "shards": count}
    ways: dict[int, dict[str, Any]] = {}
    for each in workers:
        whole, begin = median(one.seconds for one in rates[each]), median(fixed[each])
        pace = 0.99 * megabytes / max(1e-9, whole - begin)
        ways[each] = {
            "seconds": [round(one.seconds, 1) for one in rates[each]],
            "seconds_of_a_hundredth": [round(one, 1) for one in fixed[each]],
            "mb_per_s": round(pace, 2),
            "peak_own_mb": round(max(one.held.own for one in rates[each]) / 1e6),
            "peak_mapped_mb": round(max(one.held.mapped for one in rates[each]) / 1e6),
            "processes": max(one.held.processes for one in rates[each]),
        }
    found["by_workers"] = ways
    first = ways[workers[0]]["mb_per_s"] / workers[0]
    last = ways[workers[-1]]["mb_per_s"] / workers[-1]
    found["efficiency"] = round(last / first, 3)
    start = median(fixed[workers[-1]])
    found["foretold_10_gb_minutes_by_cores"] = {
        str(cores): round((start + 10_000 / (last * cores)) / 60, 1) for cores in (1, 2, 4, 8, 16, 32)
    }
    usual = median(one.seconds for one in rates[workers[-1]])
    options = ["--unit", unit, "--workers", str(workers[-1])]
    found["kills"] = killed(shards, folder / "run", options, kills, usual, seed)
    digests.add(str(digest(folder / "run")))
    found["same_bits"] = len(digests) == 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--unit", default="bytepairs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="Where there is room for three times the text; default: temporary.")
    parser.add_argument("--out", type=Path, help="Of the result; default: benchmarks/results/tokenising.json.")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what it has begun ends with it
    with tempfile.TemporaryDirectory(prefix="tokenising-", dir=given.folder) as folder:
        found = measure(Path(folder), given.gigabytes, given.rounds, given.workers, given.kills, given.seed, given.unit)
    print(record("tokenising", {"machine": machine(), "unit": given.unit, **found}, given.out))
    if not found["same_bits"]:
        raise SystemExit("the ids differ from one run to the next")


if __name__ == "__main__":
    main()
