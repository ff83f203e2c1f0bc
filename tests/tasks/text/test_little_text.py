"""A text that fills no batch of the default size is learnt from in a smaller one; what was asked for is not changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import throughtime
from throughtime.errors import UserError

TINY: dict[str, Any] = {"hidden": 4, "embedding": 4, "steps": 2, "progress": False}


@pytest.mark.parametrize(
    ("text", "options", "batch"),
    [("abc " * 250, {}, 9), ("abc abd\n" * 30, {"sentences": True}, 27), ("abc " * 1000, {}, 32)],
    ids=["running", "sentences", "enough"],
)
def test_the_batch_is_what_the_text_fills(text: str, options: dict[str, Any], batch: int, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(text)
    run = throughtime.train("text", tmp_path / "text.txt", out=tmp_path / "run", **TINY, **options)
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]
    assert settings["batch"] == batch
    notes = json.loads((tmp_path / "run" / "data.json").read_text())["taken"]
    assert [note for note in notes if f"--batch {batch}" in note] == notes[:1] * (batch < 32)
    again = throughtime.train("text", tmp_path / "text.txt", out=tmp_path / "again", batch=batch, **TINY, **options)
    assert again.outcome.figures["nats_per_token"] == run.outcome.figures["nats_per_token"]


@pytest.mark.parametrize("options", [{"batch": 32}, {"bptt": 5000}, {"sentences": True, "batch": 200}])
def test_what_was_asked_for_is_refused_where_it_cannot_be(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("abc " * 250)
    with pytest.raises(UserError, match=r"expected at least one batch of .*give more text, or a smaller --batch"):
        throughtime.train("text", tmp_path / "text.txt", out=tmp_path / "run", **TINY, **options)
    assert not (tmp_path / "run").exists()
