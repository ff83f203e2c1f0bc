"""Every limit of a server's settings is refused with its status and a line."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from throughtime.serving.http.uploads import check_beats
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings

Serving = Callable[..., TestClient]


@dataclass(frozen=True)
class Limit:
    """What goes beyond one.

    Attributes:
        settings: Of the server.
        beyond: Does it; gives the status and the line of the refusal.
        status: That is expected.
        line: A part of the line.
    """

    settings: dict[str, Any]
    beyond: Callable[[TestClient], tuple[int, str]]
    status: int
    line: str


def refused(answer: Any) -> tuple[int, str]:
    told = answer.json()["error"]
    assert told["code"] == answer.status_code
    return answer.status_code, told["message"]


def score(*inputs: str, times: int = 1) -> Callable[[TestClient], tuple[int, str]]:
    def beyond(http: TestClient) -> tuple[int, str]:
        for _ in range(times):
            answer = http.post("/score/text", json={"inputs": inputs or ["the cat"]})
        return refused(answer)

    return beyond


def drawn(length: int, **state: Any) -> Callable[[TestClient], tuple[int, str]]:
    def beyond(http: TestClient) -> tuple[int, str]:
        work = http.app.state.work  # type: ignore[attr-defined]
        before = {name: getattr(work, name) for name in state}
        vars(work).update(state)
        found = refused(http.post("/sample/text", json={"options": {"length": length}}))
        vars(work).update(before)
        assert http.post("/score/text", json={"inputs": ["the"]}).status_code in (200, 413)  # what ran has ended
        return found

    return beyond


def crowd(http: TestClient) -> tuple[int, str]:
    http.app.state.crowd = lambda: 4  # type: ignore[attr-defined]
    answer = http.get("/health")
    assert answer.headers["connection"] == "close"
    return refused(answer)


def told(*messages: Any, model: str = "text") -> Callable[[TestClient], tuple[int, str]]:
    """What a stream is refused with, whose close has the code of that status."""

    def beyond(http: TestClient) -> tuple[int, str]:
        with http.websocket_connect(f"/stream/{model}") as socket:
            for message in messages:
                socket.send_bytes(message) if isinstance(message, bytes) else socket.send_json(message)
            while "error" not in (event := socket.receive_json()):
                pass
            assert socket.receive()["code"] == RefusedError(event["error"]["code"], "").code
        return event["error"]["code"], event["error"]["message"]

    return beyond


def second(http: TestClient) -> tuple[int, str]:
    with http.websocket_connect("/stream/text") as socket:
        socket.send_json({"open": {}})
        socket.receive_json()
        return told({"open": {}})(http)


def late(http: TestClient) -> tuple[int, str]:
    """A stream beside one whose pieces wait, as every step takes its time."""
    with http.websocket_connect("/stream/text") as socket:
        socket.send_json({"open": {}})
        socket.receive_json()
        (pool,) = http.app.state.desk.pools.pools.values()  # type: ignore[attr-defined]
        step = pool.rows.step
        pool.rows.step = lambda *given: (time.sleep(0.02), step(*given))[1]
        for _ in range(200):
            for letter in "the c":  # more than it comes to while another asks
                socket.send_json({"text": letter})
            with http.websocket_connect("/stream/text") as other:
                other.send_json({"open": {}})
                if "error" in (event := other.receive_json()):
                    return event["error"]["code"], event["error"]["message"]
    raise AssertionError("never refused")


def resumed(seconds: float = 0.0) -> Callable[[TestClient], tuple[int, str]]:
    """A stream that was left, and taken up again after so long."""

    def beyond(http: TestClient) -> tuple[int, str]:
        with http.websocket_connect("/stream/text") as socket:
            socket.send_json({"open": {}, "seen": 0})
            token = socket.receive_json()["token"]
        assert http.portal is not None
        for _ in range(2):
            http.portal.call(http.app.state.desk.tidy)  # type: ignore[attr-defined]
            time.sleep(seconds)
        return told({"resume": token})(http)

    return beyond


def long_tune(http: TestClient) -> tuple[int, str]:
    with pytest.raises(RefusedError) as error:
        check_beats(10, "a.mid", http.app.state.settings)  # type: ignore[attr-defined]
    return error.value.status, error.value.message


LIMITS = {
    "body": Limit({"body": 20}, score(), 413, "expected a body of at most 20 bytes"),
    "bodies": Limit({"bodies": 20}, score(), 503, "expected bodies of at most 20 bytes at once"),
    "header": Limit(
        {"header": 1024},
        lambda http: refused(http.get("/health", headers={"X": "x" * 1024})),
        431,
        "expected a line and headers of at most 1,024 bytes",
    ),
    "message": Limit({"message": 1024}, told({"open": {}}, {"text": "x" * 1024}), 413, "messages of at most 1,024"),
    "audio": Limit({"audio": 0.1}, told({"open": {}}, bytes(1602), model="speech"), 413, "at most 0.1 s of sound"),
    "beats": Limit({"beats": 9}, long_tune, 413, "a.mid: expected a tune of at most 9 beats, got 10"),
    "tokens": Limit({"tokens": 9}, drawn(10), 413, "length: expected at most 9, got 10"),
    "inputs": Limit({"inputs": 1}, score("a", "a"), 413, "expected at most 1 inputs"),
    "results": Limit({"results": 2}, told({"open": {"beam": 3}}, model="speech"), 413, "beam: expected at most 2"),
    "connections": Limit({"connections": 3}, crowd, 503, "expected at most 3 connections at once"),
    "waiting": Limit({"waiting": 1}, drawn(1, count=1), 429, "expected at most 1 requests at once"),
    "patience": Limit({}, drawn(4000, patience=0.001), 503, "expected to be done in 0.001 s"),
    "rate": Limit({"rate": 0.5}, score(times=2), 429, "expected at most 0.5 requests a second of a client"),
    "sessions": Limit({"sessions": 1}, second, 429, "expected at most 1 streams at once"),
    "lag": Limit({"lag": 0.01}, late, 429, "the server is late"),
    "queue": Limit({"queue": 1024}, told({"open": {}}, bytes(2000), model="speech"), 413, "at most 1,024 bytes"),
    "idle": Limit({"idle": 0.05}, told(), 408, "expected a first message within 0.05 s"),
    "kept": Limit({"kept": 0.05}, resumed(0.06), 410, "expected a stream that is kept, 0.05 s at most"),
    "in_memory": Limit({"in_memory": 0, "on_disk": 0}, resumed(), 410, "expected a stream that is kept"),
    "on_disk": Limit({"in_memory": 0, "on_disk": 0}, resumed(), 410, "expected a stream that is kept"),
}


def test_every_limit_is_among_them() -> None:
    extras = {name: field.json_schema_extra for name, field in ServeSettings.model_fields.items()}
    found = {name for name, extra in extras.items() if isinstance(extra, dict) and extra["group"] == "Limits"}
    assert found == LIMITS.keys()


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_beyond_a_limit_is_refused_with_its_status_and_a_line(serving: Serving, name: str) -> None:
    limit = LIMITS[name]
    status, line = limit.beyond(serving(**limit.settings))
    assert status == limit.status, line
    assert limit.line in line
    assert line.isprintable()
