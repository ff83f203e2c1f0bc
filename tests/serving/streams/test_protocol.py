"""Streams by WebSocket under whatever a client does: events in any order, cut anywhere, and nonsense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from throughtime.serving import House, ServeSettings, create_app

EVENTS: list[Any] = []
TEXT = "the cat, which already ate, was full"

CODES = {1000, 1007, 1008, 1009, 1013}


@pytest.fixture(scope="module")
def http(house: House) -> Iterator[TestClient]:
    app = create_app(house, ServeSettings(in_memory=1, message=4096, tokens=500), EVENTS.append)
    with TestClient(app, headers={"host": "localhost"}) as client:
        yield client


class Careful:
    """A client that goes on after every cut.

    Args:
        http: Of the server.
        cuts: Where its text is cut into pieces.
    """

    def __init__(self, http: TestClient, cuts: list[int]) -> None:
        self.http, self.token, self.events = http, "", list[Any]()
        places = [0, *sorted(cuts), len(TEXT)]
        self.pieces: list[Any] = [{"text": TEXT[a:z]} for a, z in pairwise(places) if z > a]
        self.pieces.append({"end": True})
        self.socket: Any = None
        self.sent = self.there = 0

    def connect(self) -> None:
        """Opens the stream, or goes on with it, beside the connection that there may be."""
        before, self.socket = self.socket, self.http.websocket_connect("/stream/text").__enter__()
        first = {"resume": self.token, "seen": len(self.events)} if self.token else {"open": {"top": 0}, "seen": 0}
        self.socket.send_json(first)
        greeting = self.socket.receive_json()
        if before is not None:
            before.__exit__(None, None, None)
        assert "token" in greeting, greeting
        self.token = greeting["token"]
        self.sent = greeting["taken"]["pieces"] + greeting["ended"]
        self.there = greeting["events"]

    def leave(self) -> None:
        """Cuts the connection, of which the server hears nothing."""
        self.socket.close(1006)
        self.socket.__exit__(None, None, None)
        self.socket = None

    def hear(self, most: int) -> bool:
        """Hears so many events; tells whether the last one was the final one."""
        for _ in range(most):
            event = self.socket.receive_json()
            self.events.append(event)
            if event["final"]:
                return True
        return False


def what(events: list[Any]) -> str:
    """What was told, however it was cut into events."""
    numbers = [event["event"] for event in events]
    assert numbers == list(range(1, len(numbers) + 1))
    tokens = [token for event in events[:-1] for token in event["tokens"]]
    return json.dumps([tokens, {name: value for name, value in events[-1].items() if name != "event"}])


def whole(http: TestClient, cuts: list[int], moves: list[tuple[str, int]]) -> str:
    """What a client hears that moves so before it sends and hears the rest."""
    client = Careful(http, cuts)
    client.connect()
    try:
        move_on(http, client, moves)
        return what(client.events)
    finally:
        client.leave()


def move_on(http: TestClient, client: Careful, moves: list[tuple[str, int]]) -> None:
    """Lets a client move to the end of its stream."""
    for move, count in moves:
        if move == "send":
            for piece in client.pieces[client.sent : client.sent + count]:
                client.socket.send_json(piece)
                client.sent += 1
        elif move == "cut":
            client.leave()
            client.connect()
        elif move == "take over":
            client.connect()
        elif move == "see" and client.events:
            client.socket.send_json({"seen": min(count, len(client.events))})
        elif move == "hear":
            client.hear(max(0, min(count, client.there - len(client.events))))
        elif move == "park":
            desk = http.app.state.desk  # type: ignore[attr-defined]
            for stream in desk.streams.values():
                stream.session.touched = -1e9
            http.portal.call(desk.tidy)  # type: ignore[union-attr]
        if client.events and client.events[-1]["final"]:
            return
    for piece in client.pieces[client.sent :]:
        client.socket.send_json(piece)
    while not client.hear(1):
        pass
    client.socket.send_json({"seen": len(client.events)})


MOVES = st.tuples(st.sampled_from(["send", "cut", "take over", "see", "hear", "park"]), st.integers(0, 9))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, len(TEXT) - 1), max_size=20), st.lists(MOVES, max_size=12))
def test_whatever_a_client_does_it_hears_what_one_does_that_is_never_cut(
    http: TestClient, cuts: list[int], moves: list[tuple[str, int]]
) -> None:
    assert whole(http, cuts, moves) == whole(http, [], [])


FIELDS = (
    "open resume seen text draw rows end export import format rate top length temperature seed type session audio "
    "input transcription model event_id"
)
WORDS = st.sampled_from(FIELDS.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
KINDS = ["session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear", "x"]
NAMED = st.builds(lambda kind, rest: {**rest, "type": kind}, st.sampled_from(KINDS), st.dictionaries(WORDS, JSON))
SOUND = st.just({"type": KINDS[1], "audio": "AAAA" * 200})
SAID = st.dictionaries(WORDS, JSON, max_size=2) | NAMED | SOUND | st.just({"text": "a"}) | st.just({"end": True})


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["/stream/text", "/stream/speech", "/v1/realtime", "/stream/nobody"]),
    st.booleans(),
    st.lists(SAID | st.text(max_size=20) | st.binary(max_size=40), max_size=8),
)
def test_nonsense_is_refused_in_a_line(http: TestClient, path: str, opens: bool, messages: list[Any]) -> None:
    EVENTS.clear()
    with http.websocket_connect(path) as socket:
        for message in [{"open": {}}] * (opens and "stream" in path) + messages:
            if isinstance(message, bytes):
                socket.send_bytes(message)
            else:
                socket.send_text(message if isinstance(message, str) else json.dumps(message))
        socket.send_text("?" * 5000)
        while "text" in (told := socket.receive()):
            assert isinstance(json.loads(told["text"]), dict)
        assert told["code"] in CODES
        assert "\n" not in told.get("reason", "")
    assert [event for event in EVENTS if event["event"] == "error"] == []
