"""Reviews in files and in memory, and a task that takes both."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from throughtime.applications.memory import rows, write_rows
from throughtime.tasks.sentences.sentiment import Sentiment

GOOD, BAD = ("fine", "great", "lovely", "warm"), ("dull", "poor", "sad", "cold")
REVIEWS = [
    (f"a {word} {thing} number {number}", label)
    for number, thing in enumerate(("film", "book", "play", "song"))
    for label, words in (("good", GOOD), ("bad", BAD))
    for word in words
]
SMALL = {"hidden": 8, "embedding": 8, "min_count": 1, "batch": 8, "steps": 40, "lr": 0.02, "progress": False}


class Reviews(Sentiment):
    """Sentiment, with data in memory as its simplest form."""

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        return [write_rows(rows(data, ["text", "label"]), folder / "train.jsonl")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The reviews as a table."""
    with (tmp_path / "reviews.csv").open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([("text", "label"), *REVIEWS])
    return tmp_path / "reviews.csv"
