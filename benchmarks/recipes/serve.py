"""A server under load: how many speak to it in real time, for how long, and what happens when more come.

    python benchmarks/recipes/serve.py [RUN] [--part capacity|peer|overload|chaos|soak …] [--minutes 10]

RUN is a one-way recogniser's model folder; without one, that of ``speech.py one-way`` is trained. Clients live on the
same machine, in another process, and take their part of its processors. Each speaks a recording in real time, 0.2 s a
message, asks for the end, compares the answer with that of a session alone, and begins another. Every part is recorded
as soon as it is done, beside the others that the file has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import speech
from record import ROOT, commit, machine, record
from serving.chaos import CHAOS, again, restart
from serving.clients import Seen, Sound, crowd, speak
from serving.processes import Process, running, serving

import throughtime
from throughtime.data.speech.audio import Audio

LEVELS = (50, 100, 150, 200, 300, 400, 500, 600, 800, 1000)
HERE = Path(__file__).parent
RESULT = ROOT / "benchmarks" / "results" / "serve.json"
PARTS = ("capacity", "peer", "overload", "chaos", "soak")

WIDE = ("--sessions", "4096", "--connections", "8192")
"""Options of a server whose limits are not to be what is measured."""

ENOUGH = 500.0
"""Milliseconds to the final event that 99 of 100 answers may take at most."""


def sounds_of(run: throughtime.Run, most: int) -> list[Sound]:
    """Recordings of the run's test data, and what a session alone makes of each."""
    run.progress = False
    live = run.live()
    rows = live.side_by_side()
    found = []
    opened = run.trained
    for example in opened.own("test", "")[:most]:  # type: ignore[attr-defined]
        rate = live.facts["rate"]
        samples = np.concatenate(list(Audio(Path(example.audio), example.stretch).blocks(rate)))
        pcm = np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2")
        reader, row = live.open({}), rows.open()
        inputs = [*reader.push(pcm.astype(np.float32) / 32768), *reader.end()]
        for given in inputs:
            reader.take(rows.step([row], [given])[0].numpy().copy())
        rows.close(row)
        found.append(Sound(pcm.tobytes(), rate, reader.final()["text"]))
    return found


async def load(server: Process, sounds: list[Sound], clients: int, seconds: float, seed: int) -> dict[str, Any]:
    """So many clients for a while; what they and the processes saw."""
    seen, url = Seen(), f"ws://{server.address}/stream/model"
    began, used, own = time.monotonic(), server.seconds, time.process_time()
    until = began + seconds

    async def watch() -> None:
        while time.monotonic() < until:
            server.weigh()
            await asyncio.sleep(min(2.0, seconds / 10))

    watching = asyncio.create_task(watch())
    await crowd(clients, lambda number: speak(url, sounds, until, seen, seed * 10_000 + number))
    await watching
    passed = time.monotonic() - began
    settled = min(60.0, seconds / 3)
    windows = [seen.latency(began + at, began + at + 60).get("p99") for at in range(0, int(seconds), 60)]
    return {
        "clients": clients,
        "seconds": round(passed, 1),
        "answers": len(seen.answers),
        "wrong": seen.wrong,
        "refused": seen.refused,
        "broken": len(seen.broken),
        "sound_a_second": round(seen.sound / passed, 1),
        "milliseconds": seen.latency(began + min(10.0, seconds / 4)),
        "p99_a_minute": windows,
        "server_cores": round((server.seconds - used) / passed, 2),
        "client_cores": round((time.process_time() - own) / passed, 2),
        "memory": server.memory(settled),
        "errors": server.errors(),
    }


def shown(result: dict[str, Any]) -> None:
    """A line of a result."""
    print(json.dumps({name: value for name, value in result.items() if name != "p99_a_minute"}), flush=True)


def capacity(sounds: list[Sound], seconds: float, start: Callable[[], Any], seed: int) -> list[dict[str, Any]]:
    """Levels of load, until answers come late."""
    found = []
    with start() as server:
        for level in LEVELS:
            found.append(asyncio.run(load(server, sounds, level, seconds, seed)))
            shown(found[-1])
            if found[-1]["milliseconds"].get("p99", 1e9) > ENOUGH or found[-1]["refused"]:
                break
    return found


def most_of(levels: list[dict[str, Any]]) -> int:
    """The highest level at which answers came in time and nobody was refused."""
    good = [
        each["clients"] for each in levels if each["milliseconds"].get("p99", 1e9) <= ENOUGH and not each["refused"]
    ]
    return max(good, default=LEVELS[0])


def overload(run: Path, sounds: list[Sound], most: int, seed: int) -> dict[str, Any]:
    """Three times as many as can be served come for 20 s; when those stop to come, a half of what can be begins.

    The server has recovered when that half hears its answers in time, and none of it is turned away.
    """

    async def both(server: Process) -> dict[str, Any]:
        flood = asyncio.create_task(load(server, sounds, 3 * most, 20.0, seed))
        await asyncio.sleep(20.0)
        ended, after, url = time.monotonic(), Seen(), f"ws://{server.address}/stream/model"
        await crowd(most // 2, lambda number: speak(url, sounds, ended + 15, after, seed * 7 + number, spread=0.5))
        late = [instant for instant, seconds in after.answers if seconds * 1000 > ENOUGH]
        return {
            "during": await flood,
            "after": {
                "clients": most // 2,
                "answers": len(after.answers),
                "wrong": after.wrong,
                "refused": after.refused,
                "milliseconds": after.latency(ended + 5),
            },
            "seconds_to_recover": round(max([*late, *after.refusals], default=ended) - ended, 2),
        }

    with serving(run, *WIDE) as server:
        return asyncio.run(both(server))


def chaos(run: Path, sounds: list[Sound], clients: int, seconds: float, seed: int) -> dict[str, Any]:
    """Clients that vanish, send garbage, stall and come again beside others that speak; then the server is killed."""

    async def beside(server: Process) -> dict[str, Any]:
        seen, url = Seen(), f"ws://{server.address}/stream/model"
        until = time.monotonic() + seconds
        draw = random.Random(seed)
        tasks = {
            act.__name__: [
                asyncio.create_task(again(act, url, sounds, until, draw.randrange(2**32)))
                for _ in range(max(1, clients // 8))
            ]
            for act in CHAOS
        }
        await crowd(clients // 2, lambda number: speak(url, sounds, until, seen, seed + number))
        acts = {name: sum(await asyncio.gather(*each)) for name, each in tasks.items()}
        return {
            "clients": clients,
            "seconds": seconds,
            "answers": len(seen.answers),
            "wrong": seen.wrong,
            "refused": seen.refused,
            "broken": len(seen.broken),
            "acts": acts,
            "milliseconds": seen.latency(),
        }

    with serving(run, "--idle", "2") as server:
        found = asyncio.run(beside(server))
        found["alive"] = server.process.poll() is None
        found["errors"] = server.errors()
    with tempfile.TemporaryDirectory() as folder:
        found["killed_and_resumed"] = restart(run, sounds, Path(folder), seed)
    return found


def peer(run: Path, sounds: list[Sound], seconds: float, seed: int) -> list[dict[str, Any]]:
    """The same levels on ONNX Runtime in a plain loop."""
    with tempfile.TemporaryDirectory() as folder:
        throughtime.load(run).export(f"{folder}/exported")
        start = partial(running, [sys.executable, str(HERE / "serving" / "peer.py"), f"{folder}/exported"])
        return capacity(sounds, seconds, start, seed)


def soak(run: Path, sounds: list[Sound], clients: int, seconds: float, seed: int) -> dict[str, Any]:
    """So many clients for a long while."""
    with serving(run) as server:
        return asyncio.run(load(server, sounds, clients, seconds, seed))


def part_of(name: str, run: Path, sounds: list[Sound], asked: argparse.Namespace, most: int) -> dict[str, Any]:
    """What is recorded of a part.

    Args:
        name: Of the part.
        run: The model's folder.
        sounds: What clients speak.
        asked: Options.
        most: Clients that can be served.
    """
    if name == "capacity":
        levels = capacity(sounds, asked.seconds, partial(serving, run, *WIDE), asked.seed)
        return {"most": most_of(levels), "levels": levels}
    if name == "peer":
        levels = peer(run, sounds, asked.seconds, asked.seed)
        return {"most": most_of(levels), "levels": levels}
    if name == "overload":
        return overload(run, sounds, most, asked.seed)
    if name == "chaos":
        return chaos(run, sounds, max(16, most // 4), asked.seconds, asked.seed)
    return soak(run, sounds, asked.clients or round(0.8 * most), 60 * asked.minutes, asked.seed)


def main() -> None:
    """Runs the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--seconds", type=float, default=20.0, help="Of a level, and of the chaos.")
    parser.add_argument("--minutes", type=float, default=10.0, help="Of the soak.")
    parser.add_argument("--clients", type=int, help="Of the soak; default: 0.8 of what can be served.")
    parser.add_argument("--most", type=int, help="Clients that can be served; default: as measured, or recorded.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no server stays behind
    run = asked.run or ROOT / "runs" / "speech-one-way"
    if asked.run is None:
        speech.experiment("one-way", speech.OPTIONS["one-way"], run)
    sounds = sounds_of(throughtime.load(run), 64)
    result: dict[str, Any] = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    result = {name: result[name] for name in PARTS if "command" in result.get(name, ())}
    command = " ".join(["python", *("RUN" if word == str(asked.run) else word for word in sys.argv)])
    for name in asked.part or PARTS:
        about = {"command": command, "commit": commit(ROOT), "machine": machine()}
        began = time.time()
        most = asked.most or result.get("capacity", {}).get("most", LEVELS[0])
        found = part_of(name, run, sounds, asked, most)
        result[name] = {**about, "began": round(began), "seed": asked.seed, **found}
        shown(found)
        print(record("serve", result, asked.out))


if __name__ == "__main__":
    main()
