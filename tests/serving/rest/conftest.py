"""A model of every task, served in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

import throughtime
from made_data import MAKERS, settings_of
from served import Served
from throughtime.serving import House, ServeSettings, create_app

LIMITS = ServeSettings(tokens=600, inputs=90, results=8, audio=5.0, patience=600.0)


def speak(model: Any) -> None:
    """Makes a recogniser that has learnt nothing hear words."""
    with torch.no_grad():
        model.softmax.weight *= 100
        model.softmax.bias[:] = torch.tensor([-0.5, 0.0, 0.0])


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """All of them behind one application."""
    folder = tmp_path_factory.mktemp("served")
    made = {}
    for task, make in MAKERS.items():
        (folder / "data" / task).mkdir(parents=True)
        made[task] = make(folder / "data" / task, "plain")
        settings = {**settings_of(made[task]), "steps": 1}
        throughtime.train(task, made[task].data or None, out=folder / task, progress=False, **settings)
    house = House([str(folder / task) for task in MAKERS], throughtime.load)
    speak(house["speech"].run.model)
    events: list[Any] = []
    with TestClient(create_app(house, LIMITS, events.append), "http://localhost") as client:
        yield Served(client, house, made, events)
