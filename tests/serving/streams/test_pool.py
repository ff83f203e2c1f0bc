"""What ends a stream, and what does not: models opened anew, errors of the server's own, a model that is late."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

import throughtime
from throughtime.serving import House, ServeSettings, create_app
from throughtime.serving.house import Hosted
from throughtime.serving.live import Pool
from throughtime.serving.refusal import RefusedError

EVENTS: list[Any] = []


@pytest.fixture
def http(folders: dict[str, Path]) -> Iterator[TestClient]:
    """A server of a language model alone."""
    EVENTS.clear()
    app = create_app(House([str(folders["text"])], throughtime.load), ServeSettings(), EVENTS.append)
    with TestClient(app, headers={"host": "localhost"}) as client:
        yield client


def begun(http: TestClient, socket: Any) -> str:
    socket.send_json({"open": {"top": 0}})
    greeting = socket.receive_json()
    assert "token" in greeting, greeting
    return str(greeting["token"])


def read(socket: Any, text: str) -> list[Any]:
    """What is told of a text, and no more."""
    socket.send_json({"text": text})
    found: list[Any] = []
    while len(found) < len(text):
        found += socket.receive_json()["tokens"]
    return found


def anew(house: House, name: str, factor: float) -> Hosted:
    """Serves a model of other weights under the name of one that there is; gives the one before."""
    before = house.models[name]
    run = throughtime.load(before.run.folder)
    with torch.no_grad():
        for value in run.model.parameters():
            value.mul_(factor)
    house.models[name] = Hosted(name, run)
    return before


def test_a_stream_ends_with_the_model_that_it_began_with(http: TestClient) -> None:
    app: Any = http.app
    desk, house, portal = app.state.desk, app.state.house, http.portal
    assert portal is not None
    with http.websocket_connect("/stream/text") as whole, http.websocket_connect("/stream/text") as cut:
        begun(http, whole)
        expected = read(whole, "the cat, which")
        begun(http, cut)
        found = read(cut, "the cat")
        before = anew(house, "text", 1.5)
        with http.websocket_connect("/stream/text") as late:
            begun(http, late)
            assert read(late, "the cat, which") != expected
        for stream in desk.streams.values():
            stream.session.touched = -1e9
        portal.call(desk.tidy)
        assert app.state.desk.pools.pools[before].open_sessions == set()  # all are parked
        assert json.dumps(found + read(cut, ", which")) == json.dumps(expected)
        for socket in (whole, cut):
            socket.send_json({"end": True})
            while not socket.receive_json()["final"]:
                pass
    portal.call(desk.tidy)
    assert list(desk.pools.pools) == [house.models["text"]]


def test_a_parked_stream_of_a_model_that_is_gone_is_refused(http: TestClient) -> None:
    app: Any = http.app
    desk, portal = app.state.desk, http.portal
    assert portal is not None
    with http.websocket_connect("/stream/text") as socket:
        token = begun(http, socket)
        read(socket, "the")
    portal.call(desk.tidy)
    before = anew(app.state.house, "text", 0.5)
    desk.pools.pools.pop(before).close()  # as if the server had begun anew
    del desk.pools.fingerprints[before]
    with http.websocket_connect("/stream/text") as socket:
        socket.send_json({"resume": token})
        assert socket.receive_json()["error"]["message"] == "the model text is another by now; open a stream of it anew"


def test_an_error_of_the_servers_own_is_logged_and_told_and_the_next_stream_lives(http: TestClient) -> None:
    app: Any = http.app
    with http.websocket_connect("/stream/text") as socket:
        begun(http, socket)
        (pool,) = app.state.desk.pools.pools.values()

        def broken(*_: Any) -> None:
            raise RuntimeError("a bug")

        pool.rows.step = broken
        socket.send_json({"text": "the"})
        assert socket.receive_json()["error"]["code"] == 500
        assert socket.receive()["code"] == 1011
    (error,) = [event for event in EVENTS if event["event"] == "error"]
    assert "RuntimeError: a bug" in error["trace"]
    with http.websocket_connect("/stream/text") as socket:
        begun(http, socket)
        assert len(read(socket, "the")) == 3


def test_a_client_that_sends_faster_than_the_model_reads_waits_and_then_is_told(house: House) -> None:
    async def body() -> None:
        live = house["text"].run.live()
        pool = Pool(live, sessions=2, queue=1000, lag=0.01)
        session, step = pool.open({}), pool.rows.step
        going = threading.Event()

        def slow(*given: Any) -> Any:
            going.wait(30)
            return step(*given)

        pool.rows.step = slow  # type: ignore[method-assign]
        for _ in range(2):
            await session.push("a" * 500, 500)
        with pytest.raises(RefusedError, match="too busy for this stream") as refused:
            await session.push("a", 1, patience=0.05)
        assert (refused.value.status, refused.value.code) == (429, 1013)
        going.set()
        await session.push("b", 1, patience=30)
        session.end()
        events = [event async for event in session.events()]
        assert events[-1]["tokens"] == 1001
        pool.close()

    asyncio.run(body())


def test_a_stream_survives_whoever_is_cancelled_while_its_state_is_between_two_places(http: TestClient) -> None:
    app: Any = http.app
    desk, portal = app.state.desk, http.portal
    assert portal is not None

    async def hurried(hops: int, call: Any, *given: Any) -> None:
        task = asyncio.ensure_future(call(*given))
        for _ in range(hops):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    with http.websocket_connect("/stream/text") as socket:
        begun(http, socket)
        expected = read(socket, "the cat, which already")
    with http.websocket_connect("/stream/text") as socket:
        token = begun(http, socket)
        found = read(socket, "the cat")
        (stream,) = [one for one in desk.streams.values() if one.session.holder]
        for turn in range(14):
            if turn >= 7:
                stream.session.touched = -1e9
                portal.call(desk.tidy)
                assert stream.parked
            portal.call(hurried, turn % 7, desk.export if turn < 7 else desk._wake, stream)
        found += read(socket, ", which")
    for turn in range(7):
        portal.call(desk.tidy)
        portal.call(hurried, turn, desk.resume, app.state.house.models["text"], token)
    with http.websocket_connect("/stream/text") as socket:
        socket.send_json({"resume": token})
        assert "token" in socket.receive_json()
        while socket.receive_json()["event"] < stream.session.told.count:
            pass
        assert json.dumps(found + read(socket, " already")) == json.dumps(expected)
