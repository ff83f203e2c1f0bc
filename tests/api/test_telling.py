"""What readers note of files is told from Python as the command tells it: once, and by names that the user knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import throughtime
from api.conftest import REVIEWS, SMALL
from throughtime.api import run as looking
from throughtime.cli import run as command_line
from throughtime.runtime.reading.notes import Notes, leave_out, note, note_column, noting, renaming

ROWS = [
    {"Comment": text, "label": label, "answer": "reject" if number in (2, 3) else "accept"}
    for number, (text, label) in enumerate(REVIEWS[4:20])
]
LEFT_OUT = "throughtime: left out, 2 times: the answer is reject ({0}, {1})"


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "odd.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.fixture(scope="module")
def trained(sheet: Path) -> dict[str, Any]:
    """A run and a cross-validation."""
    tiny = {**SMALL, "hidden": 4, "embedding": 4, "steps": 2, "test": None}
    return {
        "run": throughtime.train("sentiment", sheet, **tiny),
        "folds": throughtime.train("sentiment", sheet, folds=2, **tiny),
    }


@pytest.mark.parametrize(("kind", "use"), [("run", "evaluate"), ("run", "predict"), ("folds", "evaluate")])
def test_python_tells_what_the_command_tells(
    trained: dict[str, Any], kind: str, use: str, sheet: Path, capsys: Any
) -> None:
    made = trained[kind]
    made.progress = True
    getattr(made, use)(sheet)
    told = capsys.readouterr().err.splitlines()
    assert any(line.startswith(f"throughtime: {sheet}: the text is column 'Comment'") for line in told)
    assert len(set(told)) == len(told)
    if use != "predict":  # which asks for texts alone, whatever was made of them
        assert told[-1] == LEFT_OUT.format(f"{sheet}:3", f"{sheet}:4")
    assert command_line([use, str(made.folder), str(sheet)]) == 0
    heard = capsys.readouterr().err.splitlines()
    assert [line for line in heard if line in told] == told
    made.progress = False
    getattr(made, use)(sheet)
    assert not capsys.readouterr().err


def test_a_look_inside_tells_it_too(
    trained: dict[str, Any], sheet: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    run = trained["run"]
    run.progress = True
    monkeypatch.setattr(looking, "look", lambda open_, wanted, page, folder: open_().inspected(wanted))
    run.inspect(sheet)
    assert capsys.readouterr().err.splitlines()[-1] == LEFT_OUT.format(f"{sheet}:3", f"{sheet}:4")


def test_data_in_memory_have_the_names_that_the_user_knows(trained: dict[str, Any], capsys: Any) -> None:
    trained["run"].progress = True
    trained["run"].evaluate(ROWS)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("throughtime: the data given: the ")
    assert told[-1] == LEFT_OUT.format("example 3", "example 4")


def test_notes_with_other_names_join_those_around() -> None:
    with renaming(str.upper):
        note("nobody hears")
    with noting() as notes:
        note("A")
        leave_out("here", "WHY")
        with renaming(str.upper):
            note("a")
            note("b")
            leave_out("there", "why")
            note_column("text", "name")
        note_column("text", "name")
    assert notes == Notes(["A", "B"], {"WHY": ["here", "THERE"]}, {"text": ["name"]})
