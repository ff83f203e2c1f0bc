"""A stream by WebSocket: what is told, how it goes on after a cut, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from served import noise

Serving = Callable[..., TestClient]
LINE = "the cat, which ate"


def opened(socket: Any, **options: Any) -> dict[str, Any]:
    socket.send_json({"open": options})
    return socket.receive_json()  # type: ignore[no-any-return]


def to_the_end(socket: Any) -> list[dict[str, Any]]:
    """All events, the final one last."""
    found = []
    while not found or not found[-1].get("final", False):
        found.append(socket.receive_json())
    return found


def tokens(events: list[dict[str, Any]]) -> list[Any]:
    return [token for event in events if not event["final"] for token in event.get("tokens", [])]


def test_a_text_is_told_token_by_token(serving: Serving) -> None:
    with serving().websocket_connect("/stream/text") as socket:
        greeting = opened(socket, top=2)
        for letter in LINE:
            socket.send_json({"text": letter})
        socket.send_json({"end": True})
        events = to_the_end(socket)
        assert socket.receive()["code"] == 1000
    assert greeting["takes"] == "text"
    assert greeting["taken"] == {"pieces": 0, "bytes": 0}
    assert [token["token"] for token in tokens(events)] == list(LINE)
    assert [event["event"] for event in events] == list(range(1, len(events) + 1))
    total = sum(token["log_prob"] for token in tokens(events))
    assert events[-1]["log_prob"] == pytest.approx(total)


@pytest.mark.parametrize("form", ["pcm16", "float32"])
def test_sound_is_heard_however_it_is_cut_and_written(serving: Serving, form: str) -> None:
    sound = noise(0.7)
    told = (np.frombuffer(sound, "<i2").astype("<f4") / 32768).tobytes() if form == "float32" else sound
    found = []
    for size in (len(told), 1000):
        with serving().websocket_connect("/stream/speech") as socket:
            assert opened(socket, format=form, rate=8000)["rate"] == 8000
            for start in range(0, len(told), size):
                socket.send_bytes(told[start : start + size])
            socket.send_json({"end": True})
            found.append({k: v for k, v in to_the_end(socket)[-1].items() if k != "event"})
    assert found[0] == found[1]
    assert found[0]["seconds"] == 0.7


class Client:
    """A careful one: it numbers what it sends, and goes on where it was cut."""

    def __init__(self, http: TestClient, path: str, pieces: list[Any], **options: Any) -> None:
        self.http, self.path, self.pieces, self.options = http, path, [*pieces, {"end": True}], options
        self.events: list[dict[str, Any]] = []
        self.token = ""

    def turn(self, sends: int, hears: int, acknowledges: bool = True) -> bool:
        """A connection that is cut after some messages each way; tells whether the stream is over."""
        with self.http.websocket_connect(self.path) as socket:
            seen = len(self.events)
            first = {"resume": self.token, "seen": seen} if self.token else {"open": self.options}
            socket.send_json(first)
            greeting = socket.receive_json()
            assert "token" in greeting, greeting
            self.token = greeting["token"]
            at = greeting["taken"]["pieces"]
            for piece in self.pieces[at : at + sends]:
                socket.send_bytes(piece) if isinstance(piece, bytes) else socket.send_json(piece)
            hears = min(hears, 1000 if at + sends >= len(self.pieces) else greeting["events"] - seen)
            for _ in range(hears):
                event = socket.receive_json()
                assert event["event"] == len(self.events) + 1
                self.events.append(event)
                if acknowledges:
                    socket.send_json({"seen": event["event"]})
                if event["final"]:
                    return True
        return False


def whole(events: list[dict[str, Any]]) -> Any:
    """What a stream told, however it was cut into events."""
    final = {name: value for name, value in events[-1].items() if name != "event"}
    return json.dumps([tokens(events), final])


@pytest.mark.parametrize("kind", ["text", "speech", "resampled"])
@pytest.mark.parametrize("settings", [{}, {"in_memory": 0}], ids=["memory", "disk"])
def test_a_stream_that_is_cut_anywhere_tells_what_a_whole_one_does(
    serving: Serving, kind: str, settings: dict[str, Any]
) -> None:
    draws = np.random.default_rng(len(str(settings)) + len(kind))
    sound = noise(0.8)
    pieces: list[Any] = [{"text": letter} for letter in LINE]
    options: dict[str, Any] = {}
    if kind != "text":
        pieces = [sound[start : start + 600] for start in range(0, len(sound), 600)]
    http = serving(**settings)
    desk = http.app.state.desk  # type: ignore[attr-defined]
    if kind == "resampled":
        kind, options = "speech", {"rate": 11025, "beam": 4, "nbest": 2}
    alone = Client(http, f"/stream/{kind}", pieces, **options)
    assert alone.turn(1000, 1000)
    for _ in range(2):
        cut = Client(http, f"/stream/{kind}", pieces, **options)
        for turn in range(100):
            if cut.turn(int(draws.integers(1, 12)), int(draws.integers(0, 6)), bool(draws.integers(2))):
                break
            if turn % 2:
                assert http.portal is not None
                for _ in range(3):
                    http.portal.call(desk.tidy)
        assert whole(cut.events) == whole(alone.events)


def quieten(http: TestClient) -> None:
    """Lets it be long ago that something was said, and looks for streams that are idle."""
    desk = http.app.state.desk  # type: ignore[attr-defined]
    for stream in desk.streams.values():
        stream.session.touched = -1e9
    assert http.portal is not None
    http.portal.call(desk.tidy)


def refusal(socket: Any) -> tuple[int, int, str]:
    """Status, code and line that a stream ends with."""
    while "error" not in (event := socket.receive_json()):
        pass
    closed = socket.receive()
    return event["error"]["code"], closed["code"], event["error"]["message"]


REFUSED: list[tuple[str, list[Any], int, int, str]] = [
    ("nobody", [], 404, 1008, "expected a model that is served, got 'nobody'"),
    ("text", [{"text": "a"}], 422, 1007, 'expected {"open"'),
    ("text", ["{"], 422, 1007, "message: expected JSON"),
    ("text", ["[1]"], 422, 1007, "message: expected a JSON object, got a list"),
    ("text", ['{"open": ' + "[" * 20 + "]" * 20 + "}"], 422, 1007, "at most 8 brackets"),
    ("text", ['{"open": ' + "[" * 700 + "]" * 700 + "}"], 422, 1007, "at most 8 brackets"),
    ("text", ["[" * 90_000], 422, 1007, "nested too deeply"),
    ("text", [{"open": {"beam": 3}}], 422, 1007, "expected the option top"),
    (
        "text",
        [{"open": {"format": "mp3"}}],
        422,
        1007,
        "format: expected pcm16, float32, g711_ulaw, g711_alaw, got 'mp3'",
    ),
    ("text", [{"open": {"import": "AAAA"}}], 410, 1008, "expected a state that this server sealed"),
    ("text", [{"resume": "0" * 32 + "." + "0" * 64}], 401, 1008, "resume: expected the token"),
    ("text", [{"resume": 3}], 401, 1008, "resume: expected the token"),
    ("text", [{"open": {}}, b"ab"], 422, 1007, "expected text, draw as JSON, got a binary message"),
    ("text", [{"open": {}}, {"text": 3}], 422, 1007, "text: expected a text, got int"),
    ("text", [{"open": {}}, {"rows": [1]}], 422, 1007, "expected a message of one of text, draw, end, seen, export"),
    ("text", [{"open": {}}, {"seen": 9}], 422, 1007, "seen: expected at most 0"),
    ("text", [{"open": {}}, {"seen": -1}], 422, 1007, "seen: expected the number of an event"),
    ("text", [{"open": {}}, {"draw": {"length": 10**6}}], 422, 1007, "length: expected at most 30 tokens"),
    ("text", [{"open": {}}, {"draw": {"length": "1000000"}}], 422, 1007, "length: expected at most 30 tokens"),
    ("text", [{"open": {}}, {"draw": {"temperature": -1}}], 422, 1007, "temperature"),
    ("text", [{"open": {}}, {"end": True}, {"text": "a"}], 409, 1008, "after the end"),
    ("text", [{"open": {}}, {"text": "a" * 31}], 413, 1009, "text: expected at most 30 characters at once, got 31"),
    ("speech", [{"open": {}}, bytes(2000)], 413, 1009, "pieces of at most 1,024 bytes, got 2,000"),
    ("text", ["x" * 5000], 413, 1009, "messages of at most 4,096 bytes"),
    ("speech", [{"open": {"rate": 5}}], 422, 1007, "rate: expected"),
    ("speech", [{"open": {}}, b"abc"], 422, 1007, "whole samples of 2 bytes, got 3"),
    ("speech", [{"open": {}}, *[bytes(1000)] * 17], 413, 1009, "expected at most 1 s of sound"),
    ("speech", [{"open": {"format": "float32"}}, b"\xff\xff\xff\x7f" * 4], 422, 1007, "expected samples in [-1, 1]"),
]


@pytest.mark.parametrize(("model", "messages", "status", "code", "line"), REFUSED)
def test_what_is_refused_has_a_status_a_code_and_a_line(
    serving: Serving, model: str, messages: list[Any], status: int, code: int, line: str
) -> None:
    http = serving(tokens=30, audio=1.0, message=4096 if "x" * 5000 in messages else 100_000, queue=1024)
    with http.websocket_connect(f"/stream/{model}") as socket:
        for message in messages:
            if isinstance(message, bytes):
                socket.send_bytes(message)
            else:
                socket.send_text(message if isinstance(message, str) else json.dumps(message))
        found = refusal(socket)
    assert found[:2] == (status, code)
    assert line in found[2]
    assert http.app_state["events"] == [event for event in http.app_state["events"] if event["event"] != "error"]


def test_a_stream_is_taken_over_from_a_connection_that_hangs(serving: Serving) -> None:
    http = serving()
    with http.websocket_connect("/stream/text") as old:
        token = opened(old)["token"]
        old.send_json({"text": "the"})
        assert tokens([old.receive_json()])
        with http.websocket_connect("/stream/text") as new:
            new.send_json({"resume": token, "seen": 1})
            assert new.receive_json()["taken"] == {"pieces": 1, "bytes": 3}
            assert refusal(old)[:2] == (409, 1008)
            new.send_json({"end": True})
            assert to_the_end(new)[-1]["tokens"] == 3


def test_limits_of_sessions_and_tokens(serving: Serving) -> None:
    http = serving(sessions=1, tokens=10)
    with http.websocket_connect("/stream/text") as first:
        opened(first)
        with http.websocket_connect("/stream/text") as second:
            second.send_json({"open": {}})
            assert refusal(second)[:2] == (429, 1013)
        for _ in range(2):
            first.send_json({"text": "a" * 6})
        read = 0
        while read < 12:
            read += len(first.receive_json()["tokens"])
        first.send_json({"text": "a"})
        assert refusal(first) == (413, 1009, "expected at most 10 tokens in a stream; open another")
    http.portal.call(http.app.state.desk.tidy)  # type: ignore[union-attr,attr-defined]
    refused = http.get("/metrics").text
    assert 'throughtime_refused_total{code="1013"} 1.0' in refused
    assert "throughtime_sessions 0.0" in refused
    assert 'throughtime_parked{where="memory"} 1.0' in refused
    assert 'throughtime_steps_total{model="text"} 13.0' in refused


def test_an_exported_stream_goes_on_twice_and_a_forged_one_not_at_all(serving: Serving) -> None:
    http = serving()
    with http.websocket_connect("/stream/text") as socket:
        opened(socket, top=0)
        socket.send_json({"text": "the cat"})
        socket.send_json({"export": True})
        while "exported" not in (event := socket.receive_json()):
            pass
        sealed = event["exported"]
        socket.send_json({"text": ", which"})
        socket.send_json({"end": True})
        expected = to_the_end(socket)[-1]["log_prob"]
    for _ in range(2):
        with http.websocket_connect("/stream/text") as socket:
            assert opened(socket, **{"import": sealed})["taken"] == {"pieces": 1, "bytes": 7}
            socket.send_json({"text": ", which"})
            socket.send_json({"end": True})
            assert to_the_end(socket)[-1]["log_prob"] == expected
    place = len(sealed) // 2
    forged = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
    for model, state, line in (("text", forged, "sealed"), ("speech", sealed, "expected a stream of speech")):
        with http.websocket_connect(f"/stream/{model}") as socket:
            socket.send_json({"open": {"import": state}})
            status, code, told = refusal(socket)
            assert (status, code) == (410, 1008)
            assert line in told


def test_a_client_that_says_nothing_is_let_go(serving: Serving) -> None:
    with serving(idle=0.05).websocket_connect("/stream/text") as socket:
        assert refusal(socket)[:2] == (408, 1008)
    http = serving(kept=0.2)
    with http.websocket_connect("/stream/text") as socket:
        opened(socket)
        quieten(http)
        assert refusal(socket)[:2] == (408, 1008)


@pytest.mark.parametrize("place", ["/etc", "../text", "text/", "nowhere", 3, None])
def test_no_option_of_a_stream_names_a_place(serving: Serving, place: Any) -> None:
    with serving().websocket_connect("/stream/speech") as socket:
        told = opened(socket, lm=place)["error"]["message"]
        assert "expected a model that is served" in told or "the name of a model" in told
    with serving(results=4).websocket_connect("/stream/speech") as socket:
        assert "beam: expected at most 4, got 5" in opened(socket, beam=5)["error"]["message"]
