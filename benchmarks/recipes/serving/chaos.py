"""Clients that no server deserves, and a server that is killed."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.client import connect

from serving.clients import OPENED, Sound
from serving.processes import serving

GONE = (OSError, TimeoutError, websockets.ConnectionClosed, websockets.InvalidStatus)
"""How a server ends what a client does wrong."""


async def vanish(url: str, sounds: list[Sound], until: float, seed: int) -> int:
    """Goes away in the middle of a word, without a farewell, again and again; how often."""
    draw, acts = random.Random(seed), 0
    while time.monotonic() < until:
        try:
            socket = await connect(url, **OPENED)
            await socket.send(json.dumps({"open": {"format": "pcm16"}}))
            for chunk in draw.choice(sounds).chunks[: draw.randrange(1, 6)]:
                await socket.send(chunk)
            socket.transport.abort()
            acts += 1
        except GONE:
            pass
        await asyncio.sleep(draw.random())
    return acts


async def garble(url: str, sounds: list[Sound], until: float, seed: int) -> int:
    """Sends what is no message, before and after the opening; how often."""
    draw, acts = random.Random(seed), 0
    while time.monotonic() < until:
        try:
            async with connect(url, **OPENED) as socket:
                if draw.random() < 0.5:
                    await socket.send(json.dumps({"open": {"format": "pcm16"}}))
                for _ in range(draw.randrange(1, 5)):
                    acts += 1
                    await socket.send(_garbage(draw))
                async with asyncio.timeout(1):
                    async for _ in socket:
                        pass
        except GONE:
            pass
        await asyncio.sleep(draw.random())
    return acts


def _garbage(draw: random.Random) -> str | bytes:
    kinds: list[Any] = [
        draw.randbytes(draw.randrange(1, 3000)),
        "{" * draw.randrange(1, 2000),
        json.dumps({"open": {"rate": draw.choice([-1, 1e300, "x", None, [], 3])}}),
        json.dumps(
            {draw.choice(["text", "rows", "notes", "draw", "resume", "import"]): draw.choice([[], {}, 7, "a" * 99])}
        ),
        "".join(map(chr, (draw.randrange(32, 0xD7FF) for _ in range(40)))),
    ]
    found: str | bytes = draw.choice(kinds)
    return found


async def stall(url: str, sounds: list[Sound], until: float, seed: int) -> int:
    """Opens a stream and is silent, or does not read what comes; how often."""
    draw, acts = random.Random(seed), 0
    while time.monotonic() < until:
        try:
            async with connect(url, **OPENED) as socket:
                await socket.send(json.dumps({"open": {"format": "pcm16"}}))
                await socket.send(draw.choice(sounds).chunks[0])
                acts += 1
                await asyncio.sleep(draw.uniform(1, 8))
        except GONE:
            pass
    return acts


def restart(run: Path, sounds: list[Sound], parked: Path, seed: int, count: int = 20) -> dict[str, int]:
    """Streams are begun and left to be parked; the server is killed, begun anew, and they go on: how many, how well."""
    options = ["--parked", str(parked), "--idle", "1", "--in-memory", "0"]
    with serving(run, *options) as server:
        tokens = asyncio.run(_begin(f"ws://{server.address}/stream/model", sounds[:count]))
        server.stop(signal.SIGKILL)
    with serving(run, *options) as server:
        texts = asyncio.run(_go_on(f"ws://{server.address}/stream/model", sounds[:count], tokens))
    right = sum(text == sound.text for text, sound in zip(texts, sounds, strict=False))
    return {"streams": len(tokens), "right": right}


async def _begin(url: str, sounds: list[Sound]) -> list[str]:
    """The first half of every recording; the streams' tokens."""

    async def one(sound: Sound) -> str:
        async with connect(url, **OPENED) as socket:
            await socket.send(json.dumps({"open": {"format": "pcm16"}}))
            token: str = json.loads(await socket.recv())["token"]
            for chunk in sound.chunks[: len(sound.chunks) // 2]:
                await socket.send(chunk)
            await asyncio.sleep(0.5)
        return token

    found = await asyncio.gather(*(one(sound) for sound in sounds))
    await asyncio.sleep(4)
    return list(found)


async def _go_on(url: str, sounds: list[Sound], tokens: list[str]) -> list[str]:
    """The second half."""

    async def one(sound: Sound, token: str) -> str:
        async with connect(url, **OPENED) as socket:
            await socket.send(json.dumps({"resume": token}))
            for chunk in sound.chunks[len(sound.chunks) // 2 :]:
                await socket.send(chunk)
            await socket.send('{"end": true}')
            async for message in socket:
                event = json.loads(message)
                if event.get("final"):
                    return str(event["text"])
                if "error" in event:
                    return str(event["error"])
        return "closed"

    return list(await asyncio.gather(*(one(*pair) for pair in zip(sounds, tokens, strict=True))))
