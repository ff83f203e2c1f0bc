"""Rows and notes by WebSocket: what is told at the end is what a prediction tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import throughtime
from made_data import MAKERS, settings_of
from throughtime.serving import House, ServeSettings, create_app

ROWS = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
CHORDS = [[60], [60, 64], []]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Models of rows and of chords."""
    folder, found = tmp_path_factory.mktemp("kinds"), {}
    for task, extra in (("video", {"bidirectional": False}), ("music", {"model": "keys"})):
        (folder / task).mkdir()
        made = MAKERS[task](folder / task, "plain")
        out = folder / task / f"{task}-run"
        throughtime.train(task, made.data, out=out, progress=False, **{**settings_of(made), **extra})
        found[task] = str(out)
    return found


def told(http: TestClient, name: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events of a stream, or the refusal that it ends with."""
    with http.websocket_connect(f"/stream/{name}") as socket:
        socket.send_json({"open": {}})
        found = [socket.receive_json()]
        for message in messages:
            socket.send_json(message)
        while not (found[-1].get("final") or "error" in found[-1]):
            found.append(socket.receive_json())
    return found[1:]


def test_rows_and_notes(folders: dict[str, str]) -> None:
    house = House(list(folders.values()), throughtime.load)
    app = create_app(house, ServeSettings(tokens=20), lambda event: None)
    with TestClient(app, headers={"host": "localhost"}) as http:
        end = {"end": True}
        *_, final = told(http, Path(folders["video"]).name, [*({"rows": [row]} for row in ROWS.tolist()), end])
        (expected,) = throughtime.load(folders["video"]).predict([ROWS])
        assert final["label"] == expected.data["label"]
        assert final["probabilities"] == pytest.approx(expected.data["probabilities"], abs=1e-6)
        name = Path(folders["music"]).name
        events = told(http, name, [*({"notes": [chord]} for chord in CHORDS), end])
        assert [frame["keys"] for event in events[:-1] for frame in event["frames"]] == CHORDS
        (refused,) = [found["error"] for found in told(http, name, [{"notes": [[60]] * 41}, end]) if "error" in found]
        assert refused["message"].startswith("expected pieces of at most 40 steps, got 42")
        draws = [{"draw": {"length": 20}}, end]
        assert told(http, name, draws)[-1]["frames"] == 20
        (refused,) = [found["error"] for found in told(http, name, [{"notes": ["C"]}, end]) if "error" in found]
        assert "expected MIDI numbers of a piano's keys" in refused["message"]
