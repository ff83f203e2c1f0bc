"""Two processes of one thread against one process of two threads and of one, and what more of them would give.

    python benchmarks/recipes/processes.py --model text
    python benchmarks/recipes/processes.py --model text --part rows
    python benchmarks/recipes/processes.py --model translation
    python benchmarks/recipes/processes.py --model translation --part rows

On a quiet machine of two cores, less than a minute each. ``text`` is an LSTM 1 × 512 on characters, ``translation`` the
encoder–decoder of Multi30k's sizes; both read made-up ids, since what they compute does not depend on them. Every
round goes through all ways in turn, so that a slow minute is everybody's; ratios are of one round each. The share that
averaging takes is what a step loses against the same step without it: what is sent, and the wait for the slower one.

``--part rows`` measures a step of fewer rows by one process. With it, alpha and beta, fitted to sums of other sizes,
foretell a step of 8, 64 and 512 processes, of this machine's memory and of networks whose alpha and beta are given:
``t(rows / p) + SUMS * 2 alpha (p - 1) + 2 beta n (p - 1) / p``, for gloo's sums go in a ring.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from record import ROOT, machine, record

from throughtime.data import NOTHING, Streams
from throughtime.data.examples import Examples
from throughtime.data.text.pairs import PairBatch
from throughtime.models import EncoderDecoder, EncoderDecoderConfig, LanguageModel, LanguageModelConfig, Model
from throughtime.training import Clipper, Plan, make_optimiser
from throughtime.training.processes import Ranks, Shared

NETWORKS = {"10 Gbit/s": (3e-5, 0.8e-9), "100 Gbit/s": (5e-6, 0.08e-9)}
"""Alpha in seconds, beta in seconds a byte: what vendors promise, not measured here."""

COUNTS = (2, 8, 64, 512)
SUMS = 4
"""Of a step: two parts of the gradients, as PyTorch cuts those of models of this size, and figures, twice."""

SIZES = tuple(4**k for k in range(1, 13))
"""Of messages that alpha and beta are fitted to, in numbers of four bytes."""


@dataclass(frozen=True)
class Way:
    """A way to train: so many processes and threads of each, averaging or not."""

    processes: int
    threads: int
    plan: Plan | None = None
    silent: bool = False


WAYS = {
    "one process of one thread": Way(1, 1),
    "one process of two threads": Way(1, 2),
    "two processes of one thread": Way(2, 1, Plan()),
    "two, without averaging": Way(2, 1, Plan(), silent=True),
    "one, in a fixed order": Way(1, 1, Plan(deterministic=True)),
    "two, in a fixed order": Way(2, 1, Plan(deterministic=True)),
}


def made(name: str, rows: int) -> tuple[Model, Any]:
    """A model, and its batches."""
    torch.manual_seed(0)
    draw = np.random.default_rng(0)
    if name == "text":
        ids = draw.integers(0, 65, rows * 100 * 1_000)
        return LanguageModel(LanguageModelConfig(vocabulary=65, hidden=512)), Streams(ids, rows, 100, NOTHING)
    config = EncoderDecoderConfig(source=6_000, target=6_000, hidden=256, label_smoothing=0.1)
    lengths = draw.normal(12, 4, (rows * 1_000, 2)).clip(3, 30).astype(int)
    pairs = [tuple(draw.integers(3, 6_000, length).tolist() for length in pair) for pair in lengths]

    def batch(some: Any) -> PairBatch:
        return PairBatch.of([source for source, _ in some], [target for _, target in some], 1)

    return EncoderDecoder(config), Examples(pairs, batch, lambda pair: len(pair[0]), rows, seed=0)


def steps_of(way: Way, name: str, rows: int, group: dist.ProcessGroup | None) -> Callable[[int], int]:
    """What makes so many steps in this way, and counts their tokens."""
    model, source = made(name, rows)
    optimiser, clip = make_optimiser("adam", model.parameters(), 1e-3), Clipper(1.0)
    shared = None
    if way.plan is not None:
        shared = Shared(model, way.plan, Ranks(group))
        if not way.silent:
            shared.begin()
    batches = iter(source.batches(0) if shared is None else source.shares(0, 0, shared.count))
    carried = None

    def run(count: int) -> int:
        nonlocal carried
        tokens = 0
        for step in range(count):
            batch = next(batches)
            if shared is None:
                optimiser.zero_grad(set_to_none=True)
                loss, carried = model.loss(batch, carried)
                loss.backward()  # type: ignore[no-untyped-call]
                tokens += batch.tokens
            else:
                tokens += shared(batch, step, lambda: ()).tokens
            clip(model.parameters())
            optimiser.step()
        return tokens

    return run


def work(number: int, meeting: str, asked: argparse.Namespace, queue: Any) -> None:
    """What each of the two processes does; the first one tells the times."""
    dist.init_process_group("gloo", init_method=meeting, rank=number, world_size=2)
    alone = [dist.new_group([0]), dist.new_group([1])][number]
    ways = {
        name: steps_of(way, asked.model, asked.batch, None if way.processes == 2 else alone)
        for name, way in WAYS.items()
        if number < way.processes
    }
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    tokens = 0
    for turn in range(asked.rounds + 1):  # the first one compiles
        for name, way in WAYS.items():
            torch.set_num_threads(way.threads)
            dist.barrier()
            begun = time.perf_counter()
            if name in ways:
                tokens = ways[name](asked.steps)
            dist.barrier()
            if turn:
                times[name].append((time.perf_counter() - begun) / asked.steps)
    messages = {4 * size: median(averaged(size, 7)) for size in SIZES}
    if number == 0:
        parameters = sum(value.numel() for value in made(asked.model, asked.batch)[0].parameters())
        queue.put((times, tokens // asked.steps, messages, 4 * parameters))
    dist.destroy_process_group()


def averaged(size: int, times: int) -> list[float]:
    """Seconds that a sum of so many numbers over both processes takes."""
    values, found = torch.zeros(size), []
    for _ in range(times):
        dist.barrier()
        begun = time.perf_counter()
        dist.all_reduce(values)
        found.append(time.perf_counter() - begun)
    return found


def fitted(messages: dict[int, float]) -> tuple[float, float]:
    """Alpha and beta of two processes: ``2 alpha + beta n``, by least squares of relative errors.

    Example:
        >>> alpha, beta = fitted({n: 2 * 1e-5 + 2e-9 * n for n in (4, 1_000, 1_000_000)})
        >>> round(alpha * 1e5, 6), round(beta * 1e9, 6)
        (1.0, 2.0)
    """
    sizes, seconds = (np.array(list(part), dtype=float) for part in (messages.keys(), messages.values()))
    design = np.stack([2.0 / seconds, sizes / seconds], 1)
    alpha, beta = np.linalg.lstsq(design, np.ones(len(sizes)), rcond=None)[0]
    return max(0.0, float(alpha)), max(0.0, float(beta))


def foretold(steps: dict[int, float], model: int, alpha: float, beta: float) -> dict[str, dict[str, float | None]]:
    """What several processes gain.

    Args:
        steps: Seconds of a step of one process, by its rows; most rows are the batch.
        model: Bytes.
        alpha: Seconds of a message.
        beta: Seconds of a byte.

    Returns:
        By how many processes: the seconds of the sums; the speed-up by sharing the batch (None: it has fewer rows); the
        efficiency where each of them has as many rows as the batch; the least rows of each that are half as efficient
        as one process is.
    """
    batch = max(steps)
    table: dict[str, dict[str, float | None]] = {}
    for count in COUNTS:
        sums = SUMS * 2 * alpha * (count - 1) + 2 * beta * model * (count - 1) / count
        half = [rows for rows, seconds in steps.items() if rows * steps[batch] / batch >= 0.5 * (seconds + sums)]
        table[str(count)] = {
            "sums": sums,
            "speed_up": steps[batch] / (steps[batch // count] + sums) if batch >= count else None,
            "efficiency_of_as_many_rows_each": steps[batch] / (steps[batch] + sums),
            "least_rows_at_half_efficiency": min(half, default=None),
        }
    return table


def fewer_rows(asked: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a step of one process of one thread, by its rows."""
    torch.set_num_threads(1)
    ways = {
        asked.batch >> k: steps_of(Way(1, 1), asked.model, asked.batch >> k, None)
        for k in range(asked.batch.bit_length())
    }
    times: dict[int, list[float]] = {rows: [] for rows in ways}
    for turn in range(asked.rounds + 1):
        for rows, run in ways.items():
            begun = time.perf_counter()
            run(asked.steps)
            if turn:
                times[rows].append((time.perf_counter() - begun) / asked.steps)
    for rows, found in times.items():
        print(f"{rows:3} rows: {1e3 * median(found):8.2f} ms a step")
    return {"rows": {str(rows): {"seconds": median(found), "of": len(found)} for rows, found in times.items()}}


def in_turns(asked: argparse.Namespace) -> dict[str, Any]:
    """All ways in turn, and sums of other sizes."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        workers = [context.Process(target=work, args=(number, meeting, asked, queue)) for number in range(2)]
        for worker in workers:
            worker.start()
        times, tokens, messages, size = queue.get()
        for worker in workers:
            worker.join()
    first = times["one process of one thread"]
    alpha, beta = fitted(messages)
    ways = {}
    for name, found in times.items():
        ratios = sorted(one / other for one, other in zip(first, found, strict=True))
        ways[name] = {"seconds": median(found), "speed_up": median(ratios), "worst": ratios[0], "best": ratios[-1]}
        print(f"{name:30} {tokens / median(found):10,.0f} tokens/s  × {median(ratios):.2f}  ({ratios[0]:.2f} worst)")
    both, silent = times["two processes of one thread"], times["two, without averaging"]
    share = median(1 - one / other for one, other in zip(silent, both, strict=True))
    print(
        f"averaging: {share:.1%} of a step; alpha {alpha * 1e6:.1f} µs, beta {beta * 1e9:.3f} ns a byte, {size:,} bytes"
    )
    return {
        "tokens_of_a_step": tokens,
        "bytes": size,
        "ways": ways,
        "averaging_share": share,
        "alpha": alpha,
        "beta": beta,
        "messages": {str(count): seconds for count, seconds in messages.items()},
    }


def forecast(found: dict[str, Any]) -> dict[str, Any]:
    """What follows from both parts, by network."""
    steps = {int(rows): values["seconds"] for rows, values in found["rows"].items()}
    networks = {"this machine": (found["alpha"], found["beta"]), **NETWORKS}
    return {name: foretold(steps, found["bytes"], *pair) for name, pair in networks.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["text", "translation"], default="text")
    parser.add_argument("--part", choices=["ways", "rows"], default="ways")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--out", type=Path, help="Instead of benchmarks/results/processes.json.")
    asked = parser.parse_args()
    before = machine()
    measured = {"ways": in_turns, "rows": fewer_rows}[asked.part](asked)
    path = asked.out or ROOT / "benchmarks" / "results" / "processes.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    command = f"python benchmarks/recipes/processes.py --model {asked.model} --part {asked.part} --batch {asked.batch}"
    command += f" --rounds {asked.rounds} --steps {asked.steps}"
    made = {"command": command, "machine": before}
    found = {**result.get(asked.model, {}), **measured}
    found["made_by"] = {**found.get("made_by", {}), asked.part: made}
    if {"ways", "rows"} <= found.keys():
        found["forecast"] = forecast(found)
    print(record("processes", {**result, asked.model: found}, path))


if __name__ == "__main__":
    main()
