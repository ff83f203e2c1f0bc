"""What training read: told on the terminal, kept whole in the run's folder, and told again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import throughtime
from throughtime.applications.reading.account import DataRead, Guess, LeftOut, Lengths, Part, read_account
from throughtime.cli import run as cli
from throughtime.runtime.reading.notes import leave_out, note
from throughtime.tasks.sentences.sentiment import Sentiment

SMALL = {"hidden": 4, "embedding": 4, "steps": 1, "batch": 4, "min_count": 1, "progress": False}


class Noting(Sentiment):
    """A reader that tells how it took a file."""

    @classmethod
    def read(cls, paths: Any, settings: Any) -> Any:
        for path in paths:
            note(f"{path.name}: the texts are column 'text'")
            leave_out(f"{path.name}:9", "the answer is reject")
            yield from super().read([path], settings)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [
        f"a {word} film number {number},{label}"
        for number in range(12)
        for word, label in (("fine", "good"), ("sad", "bad"))
    ]
    (tmp_path / "films.csv").write_text("text,label\n" + "\n".join([*rows, "really quite fine,good"]) + "\n")
    return tmp_path / "films.csv"


def test_what_was_read_is_told_and_kept(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = throughtime.train(Noting, table, out=tmp_path / "run", **{**SMALL, "progress": True})
    read = run.read
    assert list(read.parts) == ["train", "valid", "test"]
    train = read.parts["train"]
    assert (train.files, train.source) == ([str(table)], str(table))
    assert sum(part.examples for part in read.parts.values()) == 25
    assert sum(count for part in read.parts.values() for count in part.labels.values()) == 25
    assert (train.lengths.median, train.lengths.longest) == (5.0, 5)
    assert read.taken[0] == "films.csv: the texts are column 'text'"
    assert read.left_out == [LeftOut("the answer is reject", 1, ["films.csv:9"])]
    assert len(read.shown) == 3
    assert all(line.endswith((" → good", " → bad")) for line in read.shown)
    told = capsys.readouterr().err
    for line in (
        "films.csv: the texts are column",
        "left out: the answer is reject (films.csv:9)",
        "labels of train: ",
    ):
        assert line in told
    assert json.loads((tmp_path / "run" / "data.json").read_text()) == read.data
    assert "<table>" in read._repr_html_()
    assert "how the files were taken" in str(read)


def test_a_folder_without_it_works_and_says_so(table: Path, tmp_path: Path) -> None:
    run = throughtime.train("sentiment", table, out=tmp_path / "run", **SMALL)
    (tmp_path / "run" / "data.json").unlink()
    assert read_account(tmp_path / "run") is None
    assert run.predict("a fine film")
    assert run.resume(progress=False, steps=2).outcome is not None
    with pytest.raises(throughtime.UserError, match=r"holds no data.json, which tells what was read; train again"):
        _ = run.read


def test_a_terminal_gets_a_dozen_lines_however_much_there_is() -> None:
    part = Part(["a.csv"], "a.csv", 9, {f"label {n}" * 9: 1 for n in range(300)}, Lengths("words", 2.0, 3, 9))
    read = DataRead(
        dict.fromkeys(("train", "valid", "test"), part),
        [f"note {number}" for number in range(50)],
        [LeftOut("no label", 70, [f"a.csv:{number}" for number in range(70)])],
        ["word " * 100] * 3,
        Guess("accuracy", 50.0, "always saying 'a'", higher=True),
    )
    lines = read.brief()
    assert len(lines) <= 13
    assert max(map(len, lines)) <= 200
    assert "and 46 more; see: throughtime inspect RUN --data" in lines
    assert str(read).count("note ") == 50


def test_a_run_no_better_than_guessing_says_so_at_its_end_and_in_predict(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {**SMALL, "progress": True, "lr": 1e-9}
    run = throughtime.train("sentiment", table, out=tmp_path / "run", **given)
    assert run.read.guess is not None
    told = capsys.readouterr().err.splitlines()
    assert told[-1].endswith("of the training data, less than a pass; give it more --minutes, or --steps")
    accuracy = run.outcome.figures["accuracy"] if run.outcome else 0
    (line,) = run.cautions
    assert line in told[-2]
    assert line.startswith(f"hardly learnt: validation accuracy {accuracy:.1f} %, and always saying ")
    assert cli(["predict", str(tmp_path / "run"), "--line", "a film", "--line", "a book"]) == 0
    assert capsys.readouterr().err == f"throughtime: {tmp_path / 'run'}: {line}\n"


def test_words_that_are_not_known_are_marked(table: Path, tmp_path: Path) -> None:
    run = throughtime.train("sentiment", table, out=tmp_path / "run", **{**SMALL, "min_count": 3})
    assert run.read.parts["train"].lengths.unit == "words"
    assert any("UNK(" in line for line in run.read.shown)
