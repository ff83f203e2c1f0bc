"""What stands before every request, on an application without a model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import Request
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from throughtime.errors import UserError
from throughtime.serving.app import create_app
from throughtime.serving.guard import Rates
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings

STREAM = "ws://localhost:8000/stream/none"


class Empty:
    """A house without models."""

    models: dict[str, Any] = {}  # noqa: RUF012

    def __getitem__(self, name: str) -> Any:
        raise RefusedError(404, f"expected a model, got {name!r}")


class Served:
    """An application and what it logged."""

    def __init__(self, **settings: Any) -> None:
        self.log: list[dict[str, Any]] = []
        self.app = create_app(Empty(), ServeSettings(**settings), self.log.append)  # type: ignore[arg-type]

        @self.app.post("/echo")
        async def echo(request: Request) -> dict[str, int]:
            return {"bytes": len(await request.body())}

        @self.app.get("/broken")
        async def broken() -> None:
            raise ZeroDivisionError("secret /srv/models/book")

        @self.app.get("/bad")
        async def bad() -> None:
            raise UserError("expected a\nline")

    def client(self) -> TestClient:
        return TestClient(self.app, base_url="http://localhost:8000", raise_server_exceptions=False)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with Served().client() as client:
        yield client


def told(answer: httpx.Response) -> str:
    """The message of a refusal, which is one line."""
    message = answer.json()["error"]["message"]
    assert isinstance(message, str)
    assert "\n" not in message
    assert message
    assert answer.json()["error"]["code"] == answer.status_code
    return message


def test_life_and_readiness() -> None:
    served = Served()
    unborn = TestClient(served.app, base_url="http://localhost")
    assert unborn.get("/health").status_code == 200
    assert unborn.get("/ready").status_code == 503
    with served.client() as client:
        assert client.get("/ready").json() == {"status": "ready"}
        assert served.log[-1]["path"] == "/ready"
        assert served.log[-1]["status"] == 200
        number = client.get("/health").headers["x-request-id"]
        assert served.log[-1]["request"] == number


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({b"Authorization": "Bearer sésame".encode()}, 401),
        ({"Authorization": "Bearer sesame"}, 200),
        ({"authorization": "bearer sesame"}, 200),
        ({"X-API-Key": "sesame"}, 200),
        ({"Authorization": "Basic sesame"}, 401),
    ],
)
def test_a_key_is_asked_for(headers: dict[Any, Any], status: int) -> None:
    with Served(api_key="sesame").client() as client:
        answer = client.get("/v1/models", headers=headers)
        assert answer.status_code == status
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)
        assert client.get("/health").status_code == 200
        assert client.get("/metrics").status_code == 401


@pytest.mark.parametrize("protocol", ["key.sesame", "realtime, openai-insecure-api-key.sesame"])
def test_a_browser_brings_its_key_to_a_websocket(protocol: str) -> None:
    with Served(api_key="sesame").client() as client:
        with (
            pytest.raises(WebSocketDisconnect) as closed,
            client.websocket_connect(STREAM) as socket,
        ):
            socket.receive_json()
        assert closed.value.code == 1008
        assert "key" in closed.value.reason
        asked = {"Sec-WebSocket-Protocol": protocol}
        with client.websocket_connect(STREAM, headers=asked) as socket:
            assert "expected a model" in json.dumps(socket.receive_json())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:8000"}, 400),
        ({"Host": "localhost.evil.example"}, 400),
        ({"Host": "127.0.0.1:9"}, 200),
        ({"Host": "[::1]:9"}, 200),
        ({"Host": "models.example.org"}, 200),
        ({"Origin": "http://evil.example"}, 400),
        ({"Origin": "null"}, 400),
        ({"Origin": "http://["}, 400),
        ({"Origin": "localhost:8000"}, 400),
        ({"Origin": "http://localhost:9"}, 400),
        ({"Origin": "http://localhost:8000"}, 200),
        ({"Host": "models.example.org", "Origin": "https://models.example.org"}, 200),
    ],
)
def test_pages_of_elsewhere_do_not_reach_it(headers: dict[str, str], status: int) -> None:
    with Served(name="models.example.org").client() as client:
        assert client.get("/v1/models", headers=headers).status_code == status


def test_an_origin_may_be_let_in() -> None:
    with Served(cors="http://friend.example").client() as client:
        answer = client.get("/v1/models", headers={"Origin": "http://friend.example"})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "http://friend.example"
        assert client.get("/v1/models", headers={"Origin": "http://foe.example"}).status_code == 400


def test_a_page_that_is_let_in_brings_a_key_and_reads_refusals() -> None:
    origin = {"Origin": "http://friend.example"}
    with Served(cors="http://friend.example", api_key="sesame").client() as client:
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        assert client.options("/v1/completions", headers=origin | asks).status_code == 200
        assert client.options("/v1/completions", headers={**asks, "Origin": "http://foe.example"}).status_code == 400
        refused = client.get("/v1/models", headers=origin)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "http://friend.example"


def test_a_key_is_any_text_but_none() -> None:
    with Served(api_key="Sésam").client() as client:
        headers: dict[Any, Any] = {"Authorization": "Bearer Sésam".encode()}
        assert client.get("/v1/models", headers=headers).status_code == 200
    with pytest.raises(ValueError, match="at least 1 character"):
        ServeSettings(api_key="")


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_are_bounded(chunked: bool) -> None:
    with Served(body=1000).client() as client:

        def pieces(size: int) -> Any:
            return (b"x" * 100 for _ in range(size // 100)) if chunked else b"x" * size

        assert client.post("/echo", content=pieces(1000)).json() == {"bytes": 1000}
        answer = client.post("/echo", content=pieces(1100))
        assert answer.status_code == 413
        assert "1,000 bytes" in told(answer)


def test_errors_tell_nothing_of_the_server() -> None:
    served = Served()
    with served.client() as client:
        answer = client.get("/broken")
        assert answer.status_code == 500
        assert "srv" not in answer.text
        assert "Zero" not in answer.text
        (error,) = [event for event in served.log if event["event"] == "error"]
        assert error["request"] in told(answer)
        assert "ZeroDivisionError" in error["trace"]
        assert told(client.get("/bad")) == "expected a line"
        assert client.get("/bad").status_code == 400
        assert client.get("/nothing").status_code == 404
        assert client.delete("/health").status_code == 405


def test_metrics_count_routes_and_no_paths(client: TestClient) -> None:
    for number in range(5):
        client.get(f"/v1/models/{number}")
        client.get(f"/strange/{number}")
    text = client.get("/metrics").text
    assert 'throughtime_requests_total{route="/v1/models/{name}",status="404"} 5.0' in text
    assert 'throughtime_requests_total{route="none",status="404"} 5.0' in text
    assert "/strange" not in text


def test_rates_are_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("throughtime.serving.guard.time.monotonic", lambda: clock[0])
    rates = Rates(2.0)
    for _ in range(4):
        rates.count("a")
    with pytest.raises(RefusedError) as refused:
        rates.count("a")
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"] == "1"
    rates.count("b")
    clock[0] += 0.6
    rates.count("a")
    with pytest.raises(RefusedError):
        rates.count("a")
    for number in range(5000):
        rates.count(str(number))
    assert len(rates.buckets) <= 4096


def test_what_begins_and_stops_twice_begins_twice() -> None:
    served = Served()
    for _ in range(2):
        with served.client() as client:
            assert client.get("/ready").status_code == 200


def test_what_no_route_fits_is_told_where_to_go(client: TestClient) -> None:
    nowhere, wrong = client.get("/no%0Awhere"), client.delete("/health")
    assert (nowhere.status_code, wrong.status_code, wrong.headers["allow"]) == (404, 405, "GET")
    assert nowhere.json()["error"]["message"].startswith("expected an address that is served, got '/no")
    assert wrong.json()["error"]["message"] == "expected GET at /health, got DELETE"
