"""Clients that no server deserves, and a server that is killed."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.client import connect

from serving.clients import OPENED, Sound
from serving.processes import serving

OPEN = json.dumps({"open": {"format": "pcm16"}})

GONE = (OSError, TimeoutError, websockets.ConnectionClosed, websockets.InvalidStatus)
"""How a server ends what a client does wrong."""


Act = Callable[[str, list[Sound], random.Random], Awaitable[int]]


async def again(act: Act, url: str, sounds: list[Sound], until: float, seed: int) -> int:
    """Does the same thing until an instant of the monotonic clock, whatever the server makes of it; how often."""
    draw, acts = random.Random(seed), 0
    while time.monotonic() < until:
        with suppress(*GONE):
            acts += await act(url, sounds, draw)
        await asyncio.sleep(draw.random())
    return acts


async def vanish(url: str, sounds: list[Sound], draw: random.Random) -> int:
    """Goes away in the middle of a word, without a farewell."""
    socket = await connect(url, **OPENED)
    await socket.send(OPEN)
    for chunk in draw.choice(sounds).chunks[: draw.randrange(1, 6)]:
        await socket.send(chunk)
    socket.transport.abort()
    return 1


async def garble(url: str, sounds: list[Sound], draw: random.Random) -> int:
    """Sends what is no message, before or after the opening."""
    async with connect(url, **OPENED) as socket:
        if draw.random() < 0.5:
            await socket.send(OPEN)
        await socket.send(_garbage(draw))
        with suppress(TimeoutError, websockets.ConnectionClosed):
            async with asyncio.timeout(1):
                async for _ in socket:
                    pass
    return 1


async def stall(url: str, sounds: list[Sound], draw: random.Random) -> int:
    """Opens a stream, is silent, and does not read what comes."""
    async with connect(url, **OPENED) as socket:
        await socket.send(OPEN)
        await socket.send(draw.choice(sounds).chunks[0])
        await asyncio.sleep(draw.uniform(1, 8))
    return 1


async def reconnect(url: str, sounds: list[Sound], draw: random.Random) -> int:
    """Speaks, is cut off in the middle, comes again with its token and ends; counts where the answer is that of a
    session alone.
    """
    sound = draw.choice(sounds)
    async with connect(url, **OPENED) as socket:
        await socket.send(OPEN)
        token = json.loads(await socket.recv())["token"]
        for chunk in sound.chunks[: draw.randrange(1, len(sound.chunks))]:
            await socket.send(chunk)
        socket.transport.abort()
    await asyncio.sleep(draw.uniform(0, 3))
    if (found := await resumed(url, sound, token)) != sound.text:
        raise WrongError(f"expected {sound.text!r} of a stream that was taken up again, got {found!r}")
    return 1


CHAOS: tuple[Act, ...] = (vanish, garble, stall, reconnect)


class WrongError(Exception):
    """An answer that differs from that of a session alone."""


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
            await socket.send(OPEN)
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
    return list(await asyncio.gather(*(resumed(url, *pair) for pair in zip(sounds, tokens, strict=True))))


async def resumed(url: str, sound: Sound, token: str) -> str:
    """Takes a stream up again, and speaks what of a recording it does not have yet; what is heard."""
    async with connect(url, **OPENED) as socket:
        await socket.send(json.dumps({"resume": token}))
        greeting = json.loads(await socket.recv())
        if "error" in greeting:
            return str(greeting["error"])
        for chunk in sound.chunks[greeting["taken"]["pieces"] :]:
            await socket.send(chunk)
        if not greeting["ended"]:
            await socket.send('{"end": true}')
        async for message in socket:
            event = json.loads(message)
            if event.get("final"):
                return str(event["text"])
            if "error" in event:
                return str(event["error"])
    return "closed"
