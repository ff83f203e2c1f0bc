"""A server that is given more than it can serve: how many streams must go, which, and when others are let in again."""

from __future__ import annotations

import json
import math
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import throughtime
from throughtime.serving import House, ServeSettings, create_app
from throughtime.serving.live.shedding import Shedding
from throughtime.serving.live.valve import LOOK, Valve

STEP = 0.05


def flooded(capacity: float, arrivals: float, lag: float, seconds: float = 60.0) -> list[tuple[float, int, float]]:
    """Streams in real time at a model that serves so many, on a clock that stands in: time, streams and lateness.

    For the first half of it so many more come a second, who stay; then none.
    """
    valve, late, streams, waiting = Valve(lag), 0.0, 0.0, 0.0
    found, looked = [], 0.0
    for turn in range(round(seconds / STEP)):
        instant = turn * STEP
        waiting = waiting + arrivals * STEP if instant < seconds / 2 else 0.0
        while waiting >= 1 and valve.admits(int(streams), late):
            streams, waiting = streams + 1, waiting - 1
        streams *= 1 - STEP / 20  # who is done
        late = max(0.0, late + STEP * (1 - capacity / streams)) if streams else 0.0
        if instant - looked >= LOOK:
            streams, looked = streams - valve.excess(instant, int(streams), late), instant
        found.append((instant, int(streams), late))
    return found


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(10, 400), st.floats(1.2, 6), st.sampled_from([0.5, 1.0, 2.0]))
def test_too_many_are_cut_to_those_that_are_served_in_time(capacity: int, over: float, lag: float) -> None:
    found = flooded(capacity, over * capacity / 2, lag)  # in two seconds they are all there
    assert max(late for _, _, late in found) < 2 * lag + 1.5
    settled = [(streams, late) for instant, streams, late in found if 12 < instant < 30]
    assert max(late for _, late in settled) < lag + 0.75
    assert np.mean([streams for streams, _ in settled]) > 0.6 * capacity
    assert max(late for instant, _, late in found if instant > 35) <= lag  # five seconds later
    assert found[-1][2] == 0.0


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 1), max_size=20), st.integers(1, 500))
def test_who_is_in_time_stays_and_all_are_let_in(lates: list[float], streams: int) -> None:
    valve = Valve(1.0)
    for turn, late in enumerate(lates):
        assert valve.excess(turn * LOOK, streams, late) == 0
    assert valve.most == math.inf
    assert valve.admits(streams, 0.5)
    assert not valve.admits(streams, 0.51)


@pytest.mark.parametrize("halt", [1.1, 3.0, 30.0])
def test_a_halt_costs_no_stream(halt: float) -> None:
    valve, instant = Valve(1.0), 0.0
    assert valve.excess(instant, 100, 0.0) == 0
    late = halt
    for _ in range(20):  # what waited is made up at twice the pace
        instant += LOOK
        assert valve.excess(instant, 100, late) == 0
        late = max(0.0, late - LOOK)
        if halt > 5:
            break


def test_the_youngest_go_and_go_on_with_their_tokens(folders: dict[str, Path]) -> None:
    """A model that is slow for a while: of two clients one stays, and both hear what they would have heard alone."""
    app = create_app(House([str(folders["speech"])], throughtime.load), ServeSettings(lag=0.5), [].append)
    sound = (0.1 * np.random.default_rng(0).standard_normal(8000)).astype("<f4")
    pieces = [piece.tobytes() for piece in np.split(sound, 10)]
    first = {"open": {"format": "float32", "rate": 8000}}

    def text(socket: Any, more: list[bytes]) -> str:
        for piece in more:
            socket.send_bytes(piece)
        socket.send_json({"end": True})
        while not (event := socket.receive_json())["final"]:
            pass
        return json.dumps({name: value for name, value in event.items() if name != "event"})

    with TestClient(app, headers={"host": "localhost"}) as http:
        assert http.portal is not None
        desk = app.state.desk
        with http.websocket_connect("/stream/speech") as alone:
            alone.send_json(first)
            alone.receive_json()
            expected = text(alone, pieces)
        (pool,) = desk.pools.pools.values()
        step, going = pool.rows.step, threading.Event()

        def slow(*given: Any) -> Any:
            going.wait(30)
            return step(*given)

        with http.websocket_connect("/stream/speech") as old, http.websocket_connect("/stream/speech") as young:
            old.send_json(first)
            old.receive_json()
            young.send_json(first)
            token = young.receive_json()["token"]
            pool.rows.step = slow
            for piece in pieces[:6]:
                old.send_bytes(piece)
                young.send_bytes(piece)
            streams = list(desk.streams.values())
            while any(stream.session.pieces_taken < 6 for stream in streams):
                time.sleep(0.01)
            shedding = Shedding(desk.streams, desk.pools)
            pool.valve.excess(time.monotonic() - LOOK, 2, 0.6)
            pool.oldest = time.monotonic() - 1.1
            http.portal.call(shedding.look, time.monotonic(), 0.0)
            going.set()
            error = young.receive_json()
            while "error" not in error:
                error = young.receive_json()
            assert error["error"]["code"] == 429
            assert "token" in error["error"]["message"]
            assert young.receive()["code"] == 1013
            assert text(old, pieces[6:]) == expected
        end = time.monotonic() + 30
        while pool.too_late() is not None:
            assert time.monotonic() < end
            time.sleep(0.02)
        with http.websocket_connect("/stream/speech") as again:
            again.send_json({"resume": token})
            taken = again.receive_json()["taken"]["pieces"]
            assert text(again, pieces[taken:]) == expected
