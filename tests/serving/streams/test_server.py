"""The server itself, on a port of this machine: clients of others' making, signals, and a kill."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import websockets
from websockets.sync.client import ClientConnection, connect

from forked import Forked
from served import noise

PATIENCE = 60.0


def serve(*arguments: str) -> None:
    """What the process does."""
    from throughtime.cli import main

    sys.argv = ["throughtime", "serve", *arguments, "--port", "0"]
    main()


class Server:
    """A process that serves.

    Args:
        folder: For what it writes.
        arguments: Of the command.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.forked = Forked(folder, serve, *arguments)
        self.err = folder / "err"
        end = time.monotonic() + PATIENCE
        while not (found := re.search(r"http://([\d.:]+)/", self.text())):
            assert self.forked.process.is_alive(), self.text()
            assert time.monotonic() < end
            time.sleep(0.01)
        self.address = found[1]

    def text(self) -> str:
        return self.err.read_text() if self.err.exists() else ""

    def connect(self, path: str) -> ClientConnection:
        return connect(f"ws://{self.address}{path}", proxy=None)

    def signal(self, number: int) -> None:
        assert self.forked.process.pid is not None
        os.kill(self.forked.process.pid, number)


Begin = Callable[..., Server]


@pytest.fixture
def begin(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begin]:
    """``begin(*arguments)``: a server of both models."""
    begun: list[Server] = []

    def one(*arguments: str) -> Server:
        folder = tmp_path_factory.mktemp("server")
        begun.append(Server(folder, *map(str, folders.values()), *arguments))
        return begun[-1]

    yield one
    for server in begun:
        server.forked.process.kill()
        server.forked.process.join()
        server.forked.process.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is entered here is left at the end of the test."""
    with ExitStack() as entered:
        yield entered


def ask(socket: ClientConnection, message: Any) -> None:
    socket.send(message if isinstance(message, bytes) else json.dumps(message))


def hear(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(socket.recv(PATIENCE))  # type: ignore[no-any-return]


async def transcribed(address: str) -> tuple[list[Any], list[Any]]:
    """What OpenAI's client is told of two buffers, one of them cleared in between, and of mistakes."""
    client = openai.AsyncOpenAI(
        api_key="none", base_url=f"http://{address}/v1", websocket_base_url=f"ws://{address}/v1"
    )
    told: list[Any] = []
    async with client, client.realtime.connect(model="speech") as connection:

        async def until(kind: str) -> Any:
            while True:
                event = await asyncio.wait_for(connection.recv(), PATIENCE)
                told.append(event)
                if event.type == kind:
                    return event

        await until("session.created")
        await connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "speech", "language": "en"},
                        "turn_detection": None,
                    }
                },
            }
        )
        await until("session.updated")
        audio = base64.b64encode(noise(0.5, 24000)).decode()
        finished = []
        for number in range(3):
            for start in range(0, len(audio), 8000):
                await connection.input_audio_buffer.append(audio=audio[start : start + 8000])
            if number == 1:
                await connection.input_audio_buffer.clear()
                await until("input_audio_buffer.cleared")
                continue
            await connection.input_audio_buffer.commit()
            finished.append(await until("conversation.item.input_audio_transcription.completed"))
        await connection.send({"type": "response.create", "event_id": "mine"})
        await until("error")
        await connection.input_audio_buffer.commit()
        await until("error")
        return told, finished


def told_by_the_page(address: str, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[str, str]]:
    """The last event that each client of the documentation prints, by language."""
    page = (Path(__file__).parents[3] / "docs" / "serve.md").read_text("utf-8")
    blocks = re.findall(r"```(py|js)\n(.*?)```", page, re.DOTALL)
    for language, code in blocks:
        if "/stream/text" not in code:
            continue
        code = code.replace("127.0.0.1:8000", address)
        if language == "py":
            exec(compile(code, "serve.md", "exec"), {})
            yield language, capsys.readouterr().out.splitlines()[-1]
        elif shutil.which("node"):
            command = ["node", "--experimental-websocket", "--no-warnings", "--input-type=module", "-e", code]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
            if "WebSocket is not defined" not in done.stderr and "bad option" not in done.stderr:
                yield language, done.stdout


def test_clients_of_others_are_served_and_a_signal_ends_it(begin: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    server = begin("--grace", "20")
    clients = dict(told_by_the_page(server.address, capsys))
    assert "py" in clients
    for shown in clients.values():
        assert re.search(r"tokens\W+14\b", shown), shown
    assert httpx.get(f"http://{server.address}/ready", trust_env=False).json() == {"status": "ready"}
    told, finished = asyncio.run(transcribed(server.address))
    assert [event.transcript for event in finished] == [finished[0].transcript] * 2
    for event in finished:
        deltas = [one.delta for one in told if one.type.endswith(".delta") and one.item_id == event.item_id]
        assert "".join(deltas) == event.transcript
        assert event.usage.seconds == 0.5
    committed = [event for event in told if event.type == "input_audio_buffer.committed"]
    assert [event.item_id for event in committed] == [event.item_id for event in finished]
    assert [event.previous_item_id for event in committed] == [None, committed[0].item_id]
    (updated,) = [event for event in told if event.type == "session.updated"]
    assert updated.session.audio.input.transcription.model == "speech"
    errors = [event.error for event in told if event.type == "error"]
    assert [error.event_id for error in errors] == ["mine", None]
    assert [error.type for error in errors] == ["invalid_request_error"] * 2

    with server.connect("/stream/text") as socket:
        ask(socket, {"open": {}})
        assert hear(socket)["takes"] == "text"
        server.signal(signal.SIGHUP)
        ask(socket, {"text": "the"})
        assert hear(socket)["event"] == 1
        server.signal(signal.SIGTERM)
        assert hear(socket) == {"closing": 20.0}
        with server.connect("/stream/text") as late:
            ask(late, {"open": {}})
            assert hear(late)["error"]["code"] == 503
            assert closing(late) == 1013
        assert httpx.get(f"http://{server.address}/ready", trust_env=False).status_code == 503
        ask(socket, {"text": " cat"})
        ask(socket, {"end": True})
        while not (event := hear(socket)).get("final"):
            pass
        assert event["tokens"] == 7
    ended = server.forked.end()
    assert ended.status in (0, -signal.SIGTERM)
    assert "Traceback" not in ended.err + ended.out
    assert '"event": "reload"' in ended.out


def closing(socket: ClientConnection) -> int:
    """What the server closes a connection with, after whatever it still tells."""
    while True:
        try:
            socket.recv(PATIENCE)
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 0


def test_parked_streams_outlive_a_server_that_stops_and_one_that_is_killed(
    begin: Begin, tmp_path: Path, stack: ExitStack
) -> None:
    parked = ("--parked", str(tmp_path / "parked"), "--idle", "0.2", "--grace", "0.2")
    text = ["the cat", ", which", " ate"]

    def turn(server: Server, first: Any, piece: Any) -> tuple[str, list[dict[str, Any]], ClientConnection]:
        socket = stack.enter_context(server.connect("/stream/text"))
        ask(socket, first)
        token = hear(socket)["token"]
        ask(socket, {"text": piece})
        events: list[dict[str, Any]] = []
        while sum(len(event["tokens"]) for event in events) < len(piece):
            events.append(hear(socket))
        return token, events, socket

    server = begin(*parked)
    token, events, socket = turn(server, {"open": {"top": 0}}, text[0])
    server.signal(signal.SIGTERM)
    assert closing(socket) == 1012
    server.forked.end()

    server = begin(*parked)
    _, more, socket = turn(server, {"resume": token, "seen": events[-1]["event"]}, text[1])
    events += more
    socket.close()
    end = time.monotonic() + PATIENCE
    while not list((tmp_path / "parked").glob("*.stream")):
        assert time.monotonic() < end
        time.sleep(0.02)
    server.signal(signal.SIGKILL)
    server.forked.end()

    server = begin(*parked)
    _, more, socket = turn(server, {"resume": token, "seen": events[-1]["event"]}, text[2])
    ask(socket, {"end": True})
    while not (event := hear(socket)).get("final"):
        pass
    events += more
    whole, expected, other = turn(server, {"open": {"top": 0}}, "".join(text))
    ask(other, {"end": True})
    while not (final := hear(other)).get("final"):
        pass
    assert event["log_prob"] == final["log_prob"]
    assert [token for event in events for token in event["tokens"]] == [t for e in expected for t in e["tokens"]]
    assert whole != token
