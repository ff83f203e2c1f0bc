"""What takes long shows how far it has come: every command, of every task, on a terminal and nowhere else."""

from __future__ import annotations

import io
import re
import sys
import time
from pathlib import Path

import pytest

import throughtime
from made_data import MAKERS, settings_of
from throughtime import inspection
from throughtime.api import progress
from throughtime.api.progress import waiting
from throughtime.cli import run as command
from throughtime.data.progress import counted, report
from throughtime.tasks import TASKS

FILES = ("speech", "music", "dna", "video")
"""Tasks that predict from files."""
LINES = ("translation", "pronunciation")
"""Tasks that take long over a line."""


class Terminal(io.StringIO):
    """Stands for standard error inside of a block; pytest puts its own there before every test."""

    def isatty(self) -> bool:
        return True

    def __enter__(self) -> Terminal:
        self.before, sys.stderr = sys.stderr, self
        return self

    def __exit__(self, *_: object) -> None:
        sys.stderr = self.before


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on which everything is shown at once."""
    monkeypatch.setattr(progress, "AFTER", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def seen(terminal: Terminal) -> str:
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", terminal.getvalue())


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, float | None, str]]:
    """All that is told to what shows it: the work, done, total, unit."""
    found: list[tuple[str, float, float | None, str]] = []
    hear = progress.Waiting.__call__

    def keep(self: progress.Waiting, done: float, total: float | None, unit: str) -> None:
        found.append((self.what, done, total, unit))
        hear(self, done, total, unit)

    monkeypatch.setattr(progress.Waiting, "__call__", keep)
    return found


@pytest.mark.parametrize("name", TASKS)
def test_every_command_of_every_task_tells_how_far_it_is(
    name: str,
    tmp_path: Path,
    terminal: Terminal,
    told: list[tuple[str, float, float | None, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = MAKERS[name](tmp_path, "plain")
    wanted = {"reading", "judging"}
    monkeypatch.setattr(inspection, "write_page", lambda found, folder, *_: folder)  # drawing tells nothing
    with terminal:
        run = throughtime.train(name, made.data or None, out=tmp_path / "run", **settings_of(made))
        run.evaluate()
        if name != "sentiment-trees":  # whose models have no steps in time
            run.inspect(rows=2, length=8)
            wanted.add("looking inside")
        if name in (*FILES, *LINES):
            run.predict([Path(word) if name in FILES else word for word in made.inputs if word != "--line"])
            wanted.add("predicting")
        if name == "text":
            run.score(["the cat", "the old mat"])
            wanted.add("scoring")
    assert "step 2" in seen(terminal)
    assert {what for what, *_ in told} == wanted
    for what, done, total, unit in told:
        assert 0 <= done <= (done if total is None else total), (what, done, total, unit)
        assert re.fullmatch(r"[A-Za-z ]+", unit)


def test_a_bar_comes_after_a_while_says_what_is_done_and_goes(terminal: Terminal) -> None:
    with terminal, waiting("reading"):
        for _ in counted(range(3), "files"):
            report(5, 40, "examples")
            time.sleep(0.15)
            report(40, 40, "examples")
        report(7, None, "lines")
        time.sleep(0.4)
    assert "reading … 0 s" in seen(terminal) or "reading … 1 of 3 files" in seen(terminal)
    assert "reading … 5 of 40 examples" in seen(terminal)
    assert "reading … 7 lines" in seen(terminal)
    assert "40 of 40" not in seen(terminal)
    assert terminal.getvalue().endswith("\x1b[2K")  # nothing of it stays


def test_what_is_quick_shows_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "AFTER", 60.0)
    with terminal, waiting("reading"):
        report(1, 2, "files")
    assert terminal.getvalue() == ""


def test_nothing_is_shown_in_a_pipe_or_unasked(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal, waiting("reading", on=False):
        report(1, 2, "files")
        time.sleep(0.05)
    assert terminal.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", piped := io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "1")
    with waiting("reading"):
        report(1, 2, "files")
        time.sleep(0.05)
    assert piped.getvalue() == ""


def test_a_bar_leaves_standard_output_to_its_file(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", piped := io.StringIO())
    with terminal, waiting("predicting") as pause:
        time.sleep(0.05)
        print("a line", file=sys.stdout)
        pause()  # both are seen in two places: the bar stays
        print("a warning", file=sys.stderr)
    assert piped.getvalue() == "a line\n"
    assert "a warning" in seen(terminal)


def test_the_outer_block_shows_what_the_inner_one_does(terminal: Terminal) -> None:
    with terminal, waiting("comparing"), waiting("judging"):
        report(1, 2, "examples")
        time.sleep(0.3)
    assert "comparing … 1 of 2 examples" in seen(terminal)
    assert "judging" not in seen(terminal)


def test_the_command_line_prints_the_same_with_a_bar_and_without(
    tmp_path: Path, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    made = MAKERS["sentiment"](tmp_path, "plain")
    arguments = ["evaluate", str(tmp_path / "run")]
    with terminal:
        throughtime.train("sentiment", made.data, out=tmp_path / "run", progress=False, **settings_of(made))
        assert terminal.getvalue() == ""
        assert command(arguments) == 0
    with_bar = capsys.readouterr().out
    assert command(arguments) == 0
    assert capsys.readouterr().out == with_bar
    assert "accuracy" in with_bar
