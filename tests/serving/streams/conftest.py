"""A language model and a recogniser, hardly trained, whose streams are served in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import throughtime
from made_data import MAKERS
from throughtime.serving import House, ServeSettings, create_app

TEXT = "the cat, which already ate, was full\nthe cats, which already ate, were full\n" * 6
SIZES: dict[str, Any] = {"hidden": 8, "steps": 2, "batch": 2, "progress": False}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model folders by name."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "text.txt").write_text(TEXT)
    text = {"embedding": 6, "bptt": 8, "held_out": 0, "cell": "gru", "layers": 2}
    throughtime.train("text", folder / "text.txt", out=folder / "text", **SIZES, **text)
    sound = MAKERS["speech"](folder, "plain")
    masks = {"time_masks": 0, "band_masks": 0, "mels": 8, "layers": 1, "bidirectional": False, "speed": 0.0}
    throughtime.train("speech", sound.data, out=folder / "speech", **SIZES, **masks)
    return {name: folder / name for name in ("text", "speech")}


@pytest.fixture(scope="session")
def house(folders: dict[str, Path]) -> House:
    """Both of them, open."""
    return House([str(folder) for folder in folders.values()], throughtime.load)


Serving = Callable[..., TestClient]


@pytest.fixture
def serving(house: House) -> Iterator[Serving]:
    """``serving(**settings)``: a client of a server with these."""
    with ExitStack() as stack:

        def begin(**settings: Any) -> TestClient:
            events: list[Any] = []
            app = create_app(house, ServeSettings(**settings), events.append)
            client = stack.enter_context(TestClient(app, headers={"host": "localhost"}))
            client.app_state["events"] = events
            return client

        yield begin
