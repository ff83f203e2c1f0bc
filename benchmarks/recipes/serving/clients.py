"""Clients that speak to a server in real time, and what they see."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import websockets
from websockets.asyncio.client import ClientConnection, connect

CHUNK = 0.2
"""Seconds of sound of a message."""

OPENED: dict[str, Any] = {"max_size": 2**20, "compression": None, "ping_interval": None, "open_timeout": 30}


@dataclass(frozen=True)
class Sound:
    """A recording and what a session alone makes of it.

    Attributes:
        pcm: Samples in 16 bits.
        rate: Of them, a second.
        text: What is heard.
    """

    pcm: bytes
    rate: int
    text: str

    @property
    def chunks(self) -> list[bytes]:
        """Its messages."""
        size = 2 * round(CHUNK * self.rate)
        return [self.pcm[at : at + size] for at in range(0, len(self.pcm), size)]


@dataclass
class Seen:
    """What clients saw.

    Attributes:
        answers: Instant and seconds from the end marker to the final event, of every answer.
        wrong: Answers that differ from those of a session alone.
        refused: Sessions that were turned away, by code; and when, in seconds of the monotonic clock.
        broken: Other ends.
        sound: Seconds that were spoken.
    """

    answers: list[tuple[float, float]] = field(default_factory=list)
    wrong: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    refusals: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    sound: float = 0.0

    def refuse(self, code: object) -> None:
        """Counts a session that was turned away."""
        self.refused[str(code)] = self.refused.get(str(code), 0) + 1
        self.refusals.append(time.monotonic())

    def latency(self, since: float = 0.0, until: float = float("inf")) -> dict[str, float]:
        """Milliseconds to the final event: median, 99th percentile, worst."""
        found = np.array([seconds for instant, seconds in self.answers if since <= instant < until])
        if not len(found):
            return {}
        shares = {"p50": 50.0, "p99": 99.0, "worst": 100.0}
        return {name: round(1000 * float(np.percentile(found, share)), 1) for name, share in shares.items()}


async def speak(url: str, sounds: list[Sound], until: float, seen: Seen, seed: int, spread: float = 2.0) -> None:
    """One client: a recording after another, in real time, until an instant of the monotonic clock."""
    draw = random.Random(seed)
    await asyncio.sleep(spread * draw.random())
    while time.monotonic() < until:
        try:
            async with connect(url, **OPENED) as socket:
                await utter(socket, draw.choice(sounds), seen)
        except websockets.ConnectionClosed as error:
            seen.refuse(error.rcvd.code if error.rcvd else "none")
            await asyncio.sleep(1 + draw.random())
        except websockets.InvalidStatus as error:
            seen.refuse(error.response.status_code)
            await asyncio.sleep(1 + draw.random())  # sooner than the server asks for
        except (OSError, TimeoutError) as error:
            seen.refuse(type(error).__name__)
            await asyncio.sleep(1 + draw.random())


async def utter(socket: ClientConnection, sound: Sound, seen: Seen) -> None:
    """Speaks a recording, and waits for what is heard."""
    await socket.send(json.dumps({"open": {"format": "pcm16", "rate": sound.rate}}))
    first = json.loads(await socket.recv())
    if "error" in first:
        seen.refuse(first["error"]["code"])
        await asyncio.sleep(1)
        return
    began = time.monotonic()
    for number, chunk in enumerate(sound.chunks, 1):
        await socket.send(chunk)
        await asyncio.sleep(max(0.0, began + number * CHUNK - time.monotonic()))
    ended = time.monotonic()
    await socket.send('{"end": true}')
    async for message in socket:
        event = json.loads(message)
        if "error" in event:
            seen.refuse(event["error"]["code"])
            return
        if event.get("final"):
            instant = time.monotonic()
            seen.answers.append((instant, instant - ended))
            seen.sound += len(sound.pcm) / 2 / sound.rate
            seen.wrong += event["text"] != sound.text
            return
    seen.broken.append("closed before the final event")


async def crowd(count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """Many clients at once; an error of one is an error of all."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))  # type: ignore[arg-type]
