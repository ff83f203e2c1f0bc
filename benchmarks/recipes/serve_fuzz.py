"""Messages that no client should send, at the WebSockets of a server in this process.

    python benchmarks/recipes/serve_fuzz.py --messages 100000 --seed 0

What counts as a fault: an error of the server's own in its log; a connection that is closed with 1011 or a code that
none of its pages names, or not at all; something told that is no JSON object; a stream of a client that behaves, beside
the others, that hears anything else than it does alone. Memory is looked at after a tenth and at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from record import machine, record

import throughtime
from throughtime.serving import House, ServeSettings, create_app

CODES = {1000, 1007, 1008, 1009, 1012, 1013}
PATHS = (*["/stream/text", "/stream/speech"] * 5, *["/v1/realtime?model=speech"] * 3, "/v1/realtime", "/stream/nobody")
AT_ONCE = 20
LAST = 30.0
"""Seconds that a connection may take to end."""
TEXT = "the cat, which already ate, was full\n"
WORDS = (
    "open resume seen text draw rows notes end export import format rate top length temperature seed type session "
    "audio input transcription model event_id turn_detection beam nbest explain lm"
)
FIELDS = WORDS.split()
SETTINGS = ServeSettings(
    message=8192, queue=8192, tokens=300, audio=2.0, idle=0.5, kept=3.0, in_memory=20, on_disk=50, sessions=100
)

Message = str | bytes


def models(folder: Path) -> House:
    """A language model and a recogniser, hardly trained."""
    (folder / "text.txt").write_text(TEXT * 20)
    sizes: dict[str, Any] = {"hidden": 8, "steps": 2, "batch": 2, "progress": False}
    throughtime.train("text", folder / "text.txt", out=folder / "text", **sizes, bptt=8, held_out=0, embedding=6)
    noise = np.random.default_rng(0)
    for part in ("train", "valid"):
        (folder / "sound" / part).mkdir(parents=True)
        for number in range(4):
            file = folder / "sound" / part / f"{number}.wav"
            soundfile.write(file, (0.1 * noise.standard_normal(4000)).astype(np.float32), 8000)
            file.with_suffix(".txt").write_text("ab ba\n")
    masks: dict[str, Any] = {"time_masks": 0, "band_masks": 0, "mels": 8, "layers": 1, "bidirectional": False}
    throughtime.train("speech", folder / "sound", out=folder / "speech", **sizes, **masks)
    return House([str(folder / name) for name in ("text", "speech")], throughtime.load)


class Nonsense:
    """Draws messages.

    Args:
        draws: Says which.

    Attributes:
        known: Tokens and exported states that were told, which come again, whole or not.
    """

    def __init__(self, draws: random.Random) -> None:
        self.draws = draws
        self.known: list[str] = []

    def value(self, deep: int = 0) -> Any:
        """Anything that JSON writes."""
        kind = self.draws.randrange(12 if deep < 4 else 8)
        if kind < 4:
            return self.draws.choice([None, True, False, 0, 1, -1, 2**63, 1e308, float("nan"), 0.5, 10**30, "", "a"])
        if kind < 6:
            return self.draws.randint(-5, 300)
        if kind == 6:
            return "".join(chr(self.draws.choice([32, 97, 0, 233, 0x1F600, 0x202E, 0xD800])) for _ in range(4))
        if kind == 7:
            return self.draws.choice(self.known) if self.known else "x"
        if kind < 10:
            return [self.value(deep + 1) for _ in range(self.draws.randrange(4))]
        return {self.draws.choice(FIELDS): self.value(deep + 1) for _ in range(self.draws.randrange(4))}

    def proper(self, path: str) -> Any:
        """What the protocol knows."""
        sound = bytes(self.draws.randrange(256) for _ in range(2 * self.draws.randrange(400)))
        if "realtime" in path:
            kind = self.draws.choice(["append", "append", "append", "commit", "clear"])
            update = {"type": "session.update", "session": {"type": "transcription", "audio": {"input": {}}}}
            event = {"type": f"input_audio_buffer.{kind}", "audio": base64.b64encode(sound).decode()}
            return self.draws.choice([update, event, event, event])
        some = [{"end": True}, {"seen": self.draws.randrange(9)}, {"export": True}]
        if path == "/stream/speech":
            return self.draws.choice([sound, sound, sound, *some])
        letters = "".join(self.draws.choices(TEXT, k=self.draws.randrange(20)))
        draw = {"length": self.draws.randrange(40), "seed": self.draws.randrange(9)}
        return self.draws.choice([{"text": letters}, {"text": letters}, {"draw": draw}, *some])

    def first(self, path: str) -> Any:
        """What begins a connection."""
        if "realtime" in path:
            return self.proper(path)
        begun: list[Any] = [{"open": {}}, {"open": {}, "seen": 0}, {"open": {"format": "float32", "rate": 16000}}]
        if self.known:
            one = self.draws.choice(self.known)
            begun += [{"resume": one, "seen": self.draws.randrange(3)}, {"resume": one}, {"open": {"import": one}}]
        return self.draws.choice(begun)

    def message(self, path: str, proper: Any) -> Message:
        """What is sent: proper, bent, or nothing of the kind."""
        text = proper if isinstance(proper, bytes) else json.dumps(proper)
        kind = self.draws.randrange(10)
        if kind < 5:
            return text
        if kind == 5:
            return json.dumps(self.value())
        if kind == 6 and not isinstance(proper, bytes):
            bent = dict(proper)
            bent[self.draws.choice([*bent, *FIELDS])] = self.value()
            return json.dumps(bent)
        if kind == 7:
            place, over = self.draws.randrange(len(text) + 1), self.draws.randrange(3)
            junk = self.draws.choice(["{", "}", "[" * 50, '"', "\\u", "\0", "é", ",", "1" * 50])
            if isinstance(text, bytes):
                return text[:place] + junk.encode() + text[place + over :]
            return text[:place] + junk + text[place + over :]
        if kind == 8:
            return self.draws.choice([self.draws.randbytes(self.draws.randrange(50)), text[: len(text) // 2]])
        return "[" * self.draws.randrange(9000)


class Wire:
    """A connection to an application, by ASGI."""

    def __init__(self, path: str) -> None:
        path, _, query = path.partition("?")
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "subprotocols": [],
            "state": {},
        }
        self.come: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.come.put_nowait({"type": "websocket.connect"})
        self.told: list[Any] = []
        self.read = 0
        self.heard = asyncio.Event()
        self.code: int | None = None

    def say(self, message: Message) -> None:
        """Sends a message."""
        self.come.put_nowait({"type": "websocket.receive", "bytes" if isinstance(message, bytes) else "text": message})

    async def receive(self) -> dict[str, Any]:
        """Gives the application what was sent."""
        message = await self.come.get()
        self.read += message["type"] == "websocket.receive"
        return message

    async def send(self, message: Any) -> None:
        """Takes what the application sends."""
        if message["type"] == "websocket.close":
            self.code = message["code"]
        elif message["type"] == "websocket.send":
            self.told.append(json.loads(message["text"]))
        self.heard.set()

    async def wait(self) -> None:
        """Waits until something is told."""
        self.heard.clear()
        await self.heard.wait()


async def honest(app: Any) -> str:
    """What a client that behaves is told, however it was cut into events."""
    wire = Wire("/stream/text")
    task = asyncio.create_task(app(wire.scope, wire.receive, wire.send))
    for piece in ({"open": {"top": 0}}, {"text": TEXT[:9]}, {"text": TEXT[9:]}, {"end": True}):
        wire.say(json.dumps(piece))
    while wire.code is None:
        await wire.wait()
    await task
    final = {name: value for name, value in wire.told[-1].items() if name != "event"}
    return json.dumps([[token for event in wire.told[1:-1] for token in event["tokens"]], final])


class Fuzzer:
    """Sends nonsense, and counts what becomes of it.

    Args:
        app: The server.
        seed: Says which nonsense.
    """

    def __init__(self, app: Any, seed: int) -> None:
        self.app = app
        self.draws = random.Random(seed)
        self.nonsense = Nonsense(self.draws)
        self.codes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.faults: list[str] = []
        self.messages = self.connections = 0

    def script(self) -> tuple[str, list[Message]]:
        """A connection's path and messages."""
        path = self.draws.choice(PATHS)
        proper = [self.nonsense.first(path), *(self.nonsense.proper(path) for _ in range(self.draws.randrange(25)))]
        bend = self.draws.random() < 0.6
        said: list[Message] = []
        for one in proper:
            if bend and self.draws.random() < 0.08:
                said.append(self.nonsense.message(path, one))
            else:
                said.append(one if isinstance(one, bytes) else json.dumps(one))
        return path, said

    async def talk(self) -> None:
        """One connection."""
        path, messages = self.script()
        wire = Wire(path)
        task = asyncio.create_task(self.app(wire.scope, wire.receive, wire.send))
        for message in messages:
            wire.say(message)
            if self.draws.random() < 0.2:
                await asyncio.sleep(0)
        if self.draws.random() < 0.3:
            await asyncio.sleep(self.draws.random() / 10)
        wire.come.put_nowait({"type": "websocket.disconnect", "code": self.draws.choice([1000, 1001, 1006])})
        try:
            await asyncio.wait_for(task, LAST)
        except TimeoutError:
            self.faults.append(f"{path}: not ended after {LAST:g} s: {messages!r:.2000}")
        self.connections, self.messages = self.connections + 1, self.messages + wire.read
        if wire.code is not None and wire.code not in CODES:
            self.faults.append(f"{path}: closed with {wire.code}: {messages!r:.2000}")
        self.codes["left" if wire.code is None else str(wire.code)] += 1
        for event in wire.told:
            if not isinstance(event, dict):
                self.faults.append(f"{path}: told {event!r:.200}")
                continue
            self.kinds["error" if "error" in event else "opened" if "token" in event else "event"] += 1
            if "token" in event or "exported" in event:
                self.nonsense.known = [*self.nonsense.known[-20:], event.get("token") or event["exported"]]

    async def run(self, messages: int) -> tuple[float, float]:
        """Sends so many; the most memory so far after a tenth and at the end, in MiB."""
        expected = await honest(self.app)
        early = 0.0
        while self.messages < messages:
            talks = [self.talk() for _ in range(AT_ONCE)]
            beside = asyncio.create_task(honest(self.app))
            await asyncio.gather(*talks)
            heard = await beside
            if heard != expected:
                self.faults.append(f"a stream that behaves was told {heard[:500]}, alone {expected[:500]}")
            if self.messages >= messages // 10:
                early = early or memory()
        return early, memory()


def memory() -> float:
    """MiB that this process takes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def fault(event: Any) -> bool:
    """Whether an event of the log is an error of the server's own."""
    return bool(event["event"] == "error")


async def fuzzed(messages: int, seed: int) -> dict[str, Any]:
    """The result."""
    log: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(models(Path(folder)), SETTINGS, lambda event: log.extend([event] if fault(event) else []))
        began = time.monotonic()
        async with app.router.lifespan_context(app):
            fuzzer = Fuzzer(app, seed)
            early, late = await fuzzer.run(messages)
        seconds = time.monotonic() - began
    return {
        "messages": fuzzer.messages,
        "connections": fuzzer.connections,
        "seconds": round(seconds),
        "closed": dict(sorted(fuzzer.codes.items())),
        "told": dict(fuzzer.kinds),
        "memory_mib": {"after_a_tenth": early, "at_the_end": late},
        "faults": [*fuzzer.faults, *(str(event.get("trace", event))[-3000:] for event in log)][:20],
    }


def main() -> None:
    """Sends them, and records what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = asyncio.run(fuzzed(given.messages, given.seed))
    print(json.dumps(found, indent=1))
    command = f"python benchmarks/recipes/serve_fuzz.py --messages {given.messages} --seed {given.seed}"
    record("serve-fuzz", {"command": command, "machine": machine(), "seed": given.seed, **found}, given.out)
    raise SystemExit(bool(found["faults"]))


if __name__ == "__main__":
    main()
