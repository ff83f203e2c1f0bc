"""Every command on every task, with words, labels, names of files and keys that would act on a terminal or a page."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pty
import re
import sys
import threading
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from made_data import MAKERS
from throughtime.api import progress
from throughtime.cli import COMMANDS, run
from throughtime.cli.shared.output import VisibleConsole, guard_process
from throughtime.tasks import TASKS

HOSTILE = "\x1b]0;evil\x07\x1b[5;41m\x9b5m\u202e$x^$[bold]<script>"
SHOWN = r"␛]0;evil␇␛[5;41m\x9b5m\u202e$x^$[bold]<script>"
ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")


def clean(*arguments: object, code: int | None = 0) -> str:
    """What a command prints on both streams, none of which acts."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found = run([str(argument) for argument in arguments])
    if code is not None:
        assert found == code, err.getvalue()
    both = out.getvalue() + err.getvalue()
    assert ACTING.findall(both) == [], arguments
    for line in out.getvalue().splitlines() if "--json" in arguments and found == 0 else ():
        json.loads(line)
    return both


class Tags(HTMLParser):
    """The tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


def test_there_is_data_for_every_task() -> None:
    assert list(MAKERS) == list(TASKS)


@pytest.mark.usefixtures("undrawn")  # how pictures take words is tested by itself
@pytest.mark.parametrize("task", TASKS)
def test_no_command_prints_what_acts(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{HOSTILE}\n"))
    made = MAKERS[task](tmp_path, HOSTILE)
    out = tmp_path / f"run{HOSTILE}"
    told = clean("train", task, *made.data, "--out", out, *made.options, "--watch")
    assert f"run{SHOWN}: " in told
    clean("train", task, "--out", out, *made.options, "--resume", "--steps", "3", "--json")
    assert "already exists" in clean("train", task, *made.data, "--out", out, *made.options, code=2)
    for json_ in ([], ["--json"]):
        clean("evaluate", out, *json_)
        clean("predict", out, *made.inputs, *json_, code=0 if made.inputs else None)
        clean("sample", out, "--prompt", made.prompt, "--length", "9", "--seed", "0", *json_, code=None)
        clean("score", out, "--line", f"the {HOSTILE} cat", *json_, code=0 if task == "text" else 2)
    clean("inspect", out, "--rows", "2", "--length", "4", code=None)
    for option in (["--nbest", "2"], ["--explain"], ["--lm", out], [HOSTILE]):
        clean("predict", out, *made.inputs, *option, code=None)
    assert SHOWN in clean("evaluate", out, tmp_path / HOSTILE, code=2)
    written = out / "inspection" / "index.html"
    if written.exists():
        text = written.read_text(encoding="utf-8")
        assert not ACTING.search(text)
        assert "/run␛]0;evil␇␛[5;41m\\x9b5m\\u202e$x^$[bold]&lt;script&gt; (" in text
        assert not {"script", "b", "bold"} & Tags(text).found


def test_the_planted_words_are_really_shown(tmp_path: Path) -> None:
    """A sweep over output that never names what was planted would prove nothing."""
    shown = {}
    for task in ("sentiment", "entities", "translation", "music", "dna", "video", "speech"):
        (tmp_path / task).mkdir()
        made = MAKERS[task](tmp_path / task, HOSTILE)
        out = tmp_path / task / "run"
        clean("train", task, *made.data, "--out", out, *made.options)
        shown[task] = clean("evaluate", out) + clean("predict", out, *made.inputs)
    assert [task for task, text in shown.items() if r"\x9b5m\u202e$x^$[bold]<script>" not in text] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_errors_and_help_show_what_was_typed(command: str, tmp_path: Path) -> None:
    needed = {"train": [HOSTILE], "bench": ["--cells", HOSTILE], "code": [HOSTILE], "tasks": [HOSTILE]}
    assert r"\x9b5m\u202e$x^$" in clean(command, *needed.get(command, [tmp_path / HOSTILE]), code=2)
    assert r"\x9b5m\u202e$x^$" in clean(command, f"--{HOSTILE}", code=2)
    clean(command, "--help")
    clean(f"{command}{HOSTILE}", code=2)


def test_the_tasks_own_help_shows_what_its_author_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "from throughtime.tasks.memory.adding import Adding\n"
        f"class Own(Adding):\n    name = 'own'\n    summary = {HOSTILE!r}\n"
    )
    (tmp_path / "own_hostile.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert SHOWN in " ".join(clean("train", "own_hostile:Own", "--help").split())


def test_json_says_the_same_value(tmp_path: Path) -> None:
    made = MAKERS["text"](tmp_path, HOSTILE)
    clean("train", "text", *made.data, "--out", tmp_path / "run", *made.options)
    line = f"{HOSTILE} \x7f\u2028 猫"
    answer = clean("score", tmp_path / "run", "--line", line, "--json")
    assert json.loads(answer)["text"] == line
    assert "猫" in answer


def test_a_line_break_does_not_break_a_table(tmp_path: Path) -> None:
    made = MAKERS["sentiment"](tmp_path, "two\nlines\nhere")
    clean("train", "sentiment", *made.data, "--out", tmp_path / "run", *made.options)
    assert "two␊lines␊here" in clean("evaluate", tmp_path / "run")


class Terminal:
    """A pseudo-terminal as both streams of this process, and what was printed on it."""

    def __enter__(self) -> Terminal:
        self.master, slave = pty.openpty()
        self.stream = open(slave, "w", encoding="utf-8", newline="")
        self.kept: list[bytes] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        return self

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the other end was closed
            while piece := os.read(self.master, 4096):
                self.kept.append(piece)

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.reader.join()
        os.close(self.master)
        self.text = b"".join(self.kept).decode()


def test_in_a_terminal_our_own_colours_act_and_theirs_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = MAKERS["entities"](tmp_path, HOSTILE)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with Terminal() as terminal:
        monkeypatch.setattr(sys, "stdout", terminal.stream)
        monkeypatch.setattr(sys, "stderr", terminal.stream)
        options = [*made.options[:3], "60", *made.options[4:], "--lr", "0.05"]
        assert run(["train", "entities", *map(str, made.data), "--out", str(tmp_path / "run"), *options]) == 0
        assert run(["evaluate", str(tmp_path / "run")]) == 0
        assert run(["predict", str(tmp_path / "run"), *made.inputs]) == 0
        monkeypatch.setattr(progress, "AFTER", 0.0)
        bar = progress.Waiting(HOSTILE, VisibleConsole(file=terminal.stream))
        bar(1, 10, HOSTILE)
        bar.timer.join()
        bar.close()
        monkeypatch.undo()
    assert "\x1b[1m" in terminal.text  # a heading in bold
    assert re.search(r"\x1b\[1;\d+mAnna\x1b\[0m", terminal.text)  # an entity in colour
    assert "\x1b[2K" in terminal.text  # the live line is wiped
    assert terminal.text.count("\\x9b5m\\u202e$x^$[bold]<script>") >= 4
    assert not re.search(r"\x1b\]|\x07|\x1b\[5|\x9b|\u202e", terminal.text)
    assert ACTING.findall(re.sub(r"\x1b\[[\d;?]*[A-Za-z]|\r", "", terminal.text)) == []


def test_what_python_prints_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler(sys.stderr))
    guard_process()
    sys.excepthook(ValueError, ValueError(HOSTILE), None)
    assert capsys.readouterr().err == f"ValueError: {SHOWN}\n"
    assert SHOWN in warnings.formatwarning(HOSTILE, UserWarning, HOSTILE, 1, "x")
    assert logging.lastResort is not None
    assert SHOWN in logging.lastResort.format(logging.LogRecord("a", 30, "b", 1, HOSTILE, (), None))
