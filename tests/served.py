"""Models of every task, served in this process, and what tests ask them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from made_data import Made
from throughtime.serving import House


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
