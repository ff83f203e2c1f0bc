"""Many at once: each gets what it would get alone, none holds up the others, and nobody is worked for in vain."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import pytest

from served import Served
from throughtime.data.progress import report
from throughtime.serving import work
from throughtime.serving.http.answers import Events
from throughtime.serving.intake import Intake
from throughtime.serving.refusal import RefusedError
from throughtime.serving.work import Work


class Model:
    """What has a lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def numbers(count: int, seen: list[Any], name: str = "") -> Iterator[int]:
    """So many, each noted; and the end, however it comes."""
    try:
        for number in range(count):
            seen.append(name or number)
            yield number
    finally:
        seen.append(f"{name}end")


async def gather(office: Work, pieces: Iterator[int], model: Model | None = None) -> list[int]:
    async with aclosing(office.pieces(pieces, model)) as groups:
        return [piece async for group in groups for piece in group]


@pytest.fixture
def piecewise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice has one piece."""
    monkeypatch.setattr(work, "SLICE", 0.0)


@pytest.mark.usefixtures("piecewise")
def test_long_work_makes_room_for_short() -> None:
    async def both() -> list[Any]:
        office, model, seen = Work(8, 60.0), Model(), list[Any]()
        await asyncio.gather(*(gather(office, numbers(30, seen, name), model) for name in "abc"))
        office.close()
        return seen

    seen = asyncio.run(both())
    for begin in range(9, 60, 3):
        assert set(seen[begin : begin + 6]) == {"a", "b", "c"}


@pytest.mark.usefixtures("piecewise")
def test_nobody_is_worked_for_who_does_not_read_on() -> None:
    async def leave() -> tuple[list[Any], int]:
        office, seen = Work(8, 60.0), list[Any]()
        async with aclosing(office.pieces(numbers(10_000, seen), Model())) as groups:
            async for _ in groups:
                break
        while office.count:
            await asyncio.sleep(0.01)
        office.close()
        return seen, office.count

    seen, count = asyncio.run(leave())
    assert seen[-1] == "end"
    assert len(seen) < 100
    assert count == 0


@pytest.mark.usefixtures("piecewise")
def test_what_takes_too_long_is_ended_where_it_tells_of_its_progress() -> None:
    def long(seen: list[Any]) -> Iterator[int]:
        try:
            for step in range(10_000):
                time.sleep(0.005)
                report(step, None, "steps")
        finally:
            seen.append("end")
        yield 0

    async def wait() -> list[Any]:
        office, seen = Work(8, 0.1), list[Any]()
        with pytest.raises(RefusedError, match=r"done in 0\.1 s") as refused:
            await gather(office, long(seen), Model())
        assert refused.value.status == 503
        while office.count:
            await asyncio.sleep(0.01)
        office.close()
        return seen

    assert asyncio.run(wait()) == ["end"]


@pytest.mark.usefixtures("piecewise")
def test_too_many_at_once_are_told_to_come_again() -> None:
    async def crowd() -> list[Any]:
        office, seen = Work(2, 60.0), list[Any]()
        told = await asyncio.gather(
            *(gather(office, numbers(5, seen), Model()) for _ in range(4)), return_exceptions=True
        )
        office.close()
        return told

    told = asyncio.run(crowd())
    assert told[:2] == [[0, 1, 2, 3, 4]] * 2
    assert [refused.status for refused in told[2:]] == [429, 429]


@pytest.mark.usefixtures("piecewise")
def test_a_text_does_not_depend_on_what_else_is_drawn(served: Served) -> None:
    def ask(seed: int) -> str:
        answer = served.ask("/v1/completions", model="text", prompt="the", max_tokens=40, seed=seed, echo=True)
        text: str = answer["choices"][0]["text"]
        return text

    with ThreadPoolExecutor(6) as pool:
        texts = list(pool.map(ask, range(6)))
    run = served.house["text"].run
    assert texts == [run.sample("the", length=40, seed=seed).text for seed in range(6)]


@pytest.mark.usefixtures("piecewise")
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_is_drawn_for_no_further(
    served: Served, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    app: Any = served.client.app
    drawn: list[int] = []
    model = served.house["text"].run.trained.text  # type: ignore[attr-defined]
    inside = model.draw_beside

    def draw_beside(ids: Any, settings: Any, told: Any) -> Any:
        def hear(number: int, token: int, log_probs: Any) -> None:
            drawn.append(token)
            time.sleep(0.002)
            told(number, token, log_probs)

        return inside(ids, settings, hear)

    monkeypatch.setattr(model, "draw_beside", draw_beside)
    body = json.dumps({"model": "text", "prompt": "the", "n": 1, "max_tokens": 600, "stream": stream, "seed": 3})
    sent: list[Any] = []

    async def ask() -> None:
        enough = asyncio.Event()
        first = True

        async def receive() -> Any:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": body.encode(), "more_body": False}
            await enough.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        async def leave() -> None:
            while len(drawn) < 5:
                await asyncio.sleep(0.001)
            enough.set()

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "asgi": {"spec_version": "2.3"}, "method": "POST", "path": "/v1/completions"}
        scope |= {"headers": headers, "query_string": b"", "client": ("me", 1), "scheme": "http", "server": None}
        office, app.state.work = app.state.work, Work(4, 60.0)
        leaving = asyncio.create_task(leave())
        try:
            await app(scope, receive, send)
            while app.state.work.count:
                await asyncio.sleep(0.005)
        finally:
            await leaving
            app.state.work.close()
            app.state.work = office

    asyncio.run(ask())
    before = len(drawn)
    time.sleep(0.05)
    assert 5 <= before == len(drawn) < 400
    assert not any(b"[DONE]" in message.get("body", b"") for message in sent)


async def sent(intake: Intake, *parts: tuple[int, bool], wait: float = 0.0) -> int:
    """The bytes that come of a body in parts, each with whether more follow."""

    async def receive() -> Any:
        if not waiting:
            await asyncio.sleep(wait)
        size, more = waiting.pop(0) if waiting else (0, False)
        return {"type": "http.request", "body": bytes(size), "more_body": more}

    waiting, read, more = list(parts), 0, True
    with intake.receiving(receive) as limited:
        while more:
            message = await limited()
            read, more = read + len(message["body"]), message["more_body"]
        await asyncio.sleep(0.01)
    return read


def test_bodies_are_bounded_one_by_one_and_together() -> None:
    async def send() -> None:
        intake = Intake(100, 150, 0.05)
        assert await sent(intake, (60, True), (40, False)) == 100
        with pytest.raises(RefusedError, match="at most 100 bytes") as refused:
            await sent(intake, (60, True), (41, True))
        assert refused.value.status == 413
        told = await asyncio.gather(*(sent(intake, (90, False)) for _ in range(2)), return_exceptions=True)
        assert told[0] == 90
        assert isinstance(told[1], RefusedError)
        assert told[1].status == 503
        with pytest.raises(RefusedError, match="more of the body") as refused:
            await sent(intake, (60, True), wait=1.0)
        assert refused.value.status == 408
        assert intake.held == 0

    asyncio.run(send())


@pytest.mark.usefixtures("piecewise")
def test_a_client_that_does_not_read_is_let_go(served: Served) -> None:
    closed: list[bool] = []

    async def events() -> Any:
        try:
            while True:
                yield {"text": "a"}
        finally:
            closed.append(True)

    async def send(message: Any) -> None:
        await asyncio.sleep(10.0 if message.get("body") else 0.0)

    async def receive() -> Any:
        await asyncio.sleep(10.0)

    async def answer() -> None:
        told = await Events.begun(events(), 0.05)
        with pytest.raises(RefusedError, match="reads within"):
            await told({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)

    asyncio.run(answer())
    assert closed == [True]
