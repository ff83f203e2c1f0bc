"""Models of every task, served in this process, and what tests ask them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from made_data import Made
from throughtime.serving import House


def noise(seconds: float, rate: int = 8000, seed: int = 0) -> bytes:
    """Samples of 16 bits."""
    return (3000 * np.random.default_rng(seed).standard_normal(int(rate * seconds))).astype("<i2").tobytes()


def append(audio: bytes) -> dict[str, Any]:
    """OpenAI's event that brings sound."""
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}


@dataclass(frozen=True)
class Served:
    """What stands behind one application.

    Attributes:
        client: Of it.
        house: Its models, each by its task's name.
        made: What they were made of.
        events: Its log.
    """

    client: TestClient
    house: House
    made: dict[str, Made]
    events: list[Any]

    def ask(self, path: str, **body: Any) -> Any:
        """What is answered to JSON, which must be a success."""
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, path: str, *files: tuple[str, bytes], **fields: str) -> Any:
        """What is answered to files, which must be a success."""
        answer = self.client.post(path, files=[("file", file) for file in files], data=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def file(self, task: str) -> Path:
        """What a model of files predicts of."""
        return Path(self.made[task].inputs[0])
