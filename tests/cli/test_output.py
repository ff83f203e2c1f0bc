"""What is printed: to terminals, pipes and other encodings, and with names that look like markup."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from rich.console import Console

from forked import Ended, Forked
from throughtime.api.progress import ProgressObserver
from throughtime.cells import CELLS
from throughtime.cli import COMMANDS, main
from throughtime.cli.shared import common
from throughtime.training import Evaluation, StepReport

TINY = ["--hidden", "16", "--embedding", "8", "--batch", "2", "--bptt", "10", "--steps", "2"]


def test_a_reader_that_leaves_ends_a_command_quietly(
    forked: Callable[..., Forked], model: Path, tmp_path: Path
) -> None:
    """As `| head -1` does. The output is larger than a pipe holds, so that it cannot be gone before the reader is."""
    (tmp_path / "lines.txt").write_text("The cat sat on the mat.\n" * 2000)
    commands = {
        "score": [model, tmp_path / "lines.txt"],
        "sample": [model, "--prompt", "The old\n", "--length", 1_000_000, "--min-length", 1_000_000],
    }
    first, begun = {}, []
    for name, arguments in commands.items():
        os.mkfifo(tmp_path / name)
        begun.append(forked(main, [name, *map(str, arguments)], out=tmp_path / name))
        with (tmp_path / name).open("rb") as reader:
            first[name] = reader.readline()
    assert first["score"].split() == [b"log-prob", b"(nats)", b"perplexity", b"tokens", b"unknown", b"line"]
    assert first["sample"] == b"The old\n"
    assert [one.end() for one in begun] == [Ended(0, "", "")] * 2


def test_text_is_utf_8_whatever_the_locale(model: Path) -> None:
    """A scheduler's job has no locale to speak of; its texts are what they are."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "latin-1", "LC_ALL": "C"}
    command = [sys.executable, "-W", "error", "-m", "throughtime", "score", str(model), "--json"]
    done = subprocess.run(
        command, input="\ufeff猫 café\n".encode(), capture_output=True, env=environment, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode())["text"] == "猫 café"


def test_what_looks_like_markup_is_printed_as_it_is(call: Any, model: Path) -> None:
    lines = ["[bold]The cat[/bold]", "the [/red] dog", r"a \[grey] bird", ":cat: and :dog:", "{tree} %s $HOME"]
    options = [word for line in lines for word in ("--line", line)]
    rows = call("score", model, *options).out.splitlines()
    assert [row.rstrip().endswith(line) for row, line in zip(rows[1:], lines, strict=True)] == [True] * len(lines)
    assert [record["text"] for record in call("score", model, *options, "--json").lines] == lines


@pytest.mark.parametrize("name", ["[bold]run", "a [red]b[/red]", ":cat:", "ran it's far"])
def test_a_path_that_looks_like_markup(call: Any, text: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    answer = call("train", "text", text, "--out", out, *TINY)
    assert answer.code == 0
    assert answer.err.startswith(f"{out}: ")
    assert answer.out.splitlines()[1].removeprefix("run").strip() == str(out)
    assert f"{out}: already exists" in call("train", "text", text, "--out", out, *TINY).err
    (tmp_path / "[red]text.txt").write_text("")
    assert f" {tmp_path}/[red]missing.txt," in call("score", out, tmp_path / "[red]missing.txt").err


def test_a_long_line_is_never_broken_in_a_pipe(call: Any, model: Path) -> None:
    line = "the cat sat and then " * 40
    (row,) = call("score", model, "--line", line).out.splitlines()[1:]
    assert row.rstrip().endswith(line.rstrip())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(monkeypatch: pytest.MonkeyPatch, width: int, columns: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a table on a terminal."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    common.print_table(columns, rows, columns[:1])
    return re.sub(r"\x1b\[[\d;]*m", "", shown.getvalue()).splitlines()


def test_a_table_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["-1.00", "word " * 20], ["-2.00", "[red]short"]]
    assert printed(monkeypatch, 40, ["score", "line"], rows) == [
        "score  line",
        "-1.00  word word word word word word wo…",
        "-2.00  [red]short",
    ]
    with click.Context(click.Command("score")) as context:
        context.meta[common.WIDE] = True
        assert printed(monkeypatch, 40, ["score", "line"], rows)[1] == ("-1.00  " + "word " * 20).rstrip()


def test_every_command_that_prints_tables_can_show_them_whole(call: Any) -> None:
    for command in ("train text", "evaluate", "inspect", "score", "tasks", "bench"):
        assert "--wide" in call(*command.split(), "--help").out, command


def report(step: int, **changes: Any) -> StepReport:
    values = {
        "step": step,
        "total": 200,
        "share": step / 200,
        "epoch": 0,
        "loss": 2.5,
        "lr": 0.004,
        "grad_norm": 0.7,
        "clipped_share": 0.25,
        "tokens_per_second": 12_345.0,
        "seconds_left": 75.0,
    }
    return StepReport(**{**values, **changes})


def test_progress_in_a_terminal_is_one_live_line() -> None:
    shown = io.StringIO()
    observer = ProgressObserver(Console(file=shown, force_terminal=True, width=120), "frames")
    for step in (50, 100):
        observer.step(report(step))
    observer.evaluation(100, Evaluation(2.0, {"nats_per_token": 2.0, "perplexity": 7.389}), best=True)
    observer.step(report(101))
    observer.close()
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown.getvalue())
    stays, _, live = text.partition("step 100  validation: nats per token 2.000  perplexity 7.389  (best)\n")
    assert "\n" not in stays
    assert "━" * 10 + "─" * 10 + " step 101/200  loss 2.500  12,345 frames/s  1 min 15 s left  clipped 25 %" in live
    assert shown.getvalue().endswith("\x1b[2K")  # the live line is wiped, what was found stays


def test_progress_in_a_file_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr("throughtime.api.progress.time.monotonic", lambda: next(clock))
    shown = io.StringIO()
    observer = ProgressObserver(Console(file=shown, width=40))
    for step in range(1, 11):
        observer.step(report(step))
    observer.close()
    lines = shown.getvalue().splitlines()
    assert 2 <= len(lines) <= 5
    assert "\x1b" not in shown.getvalue()
    assert all("tokens/s" in line and "left" in line for line in lines)  # not broken at the width of no terminal


def test_loss_and_rate_are_smoothed() -> None:
    observer = ProgressObserver(Console(file=io.StringIO()))
    observer.step(report(1, loss=3.0, tokens_per_second=100.0))
    observer.step(report(2, loss=2.0, tokens_per_second=200.0))
    assert observer.loss == pytest.approx(0.98 * 3 + 0.02 * 2)
    assert observer.rate == pytest.approx(0.98 * 100 + 0.02 * 200)


def test_help_keeps_its_examples_on_lines_of_their_own(call: Any) -> None:
    answer = call("--help")
    assert answer.code == 0
    examples = [line.strip() for line in answer.out.splitlines() if line.strip().startswith("throughtime ")]
    assert examples == [
        "throughtime train text builtin:python-manual --minutes 1 --out runs/first",
        'throughtime sample runs/first --prompt "The "',
    ]
    assert "\\b" not in answer.out
    assert [line.split()[0] for line in answer.out.partition("Commands:\n")[2].splitlines()] == list(COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, "train text"])
def test_every_command_has_help(call: Any, command: str) -> None:
    answer = call(*command.split(), "-h")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: throughtime {command} ")
    assert call(*command.split(), "--help").out == answer.out
    options = re.findall(r"^  (-.+?)(?:  |$)(.*)", answer.out, re.MULTILINE)
    lines = answer.out.splitlines()
    for name, text in options:
        at = next(number for number, line in enumerate(lines) if line.startswith(f"  {name}"))
        assert text.strip() or lines[at + 1].strip(), name


def test_help_shows_every_setting_with_its_default(call: Any) -> None:
    text = " ".join(call("train", "text", "--help").out.split())
    for heading in ("Data:", "Model:", "Training:", "Run:"):
        assert heading in text
    for shown in ("--hidden INTEGER Units of a layer. [default: 256]", "--lr FLOAT", "[default: 0.004]", "--resume"):
        assert shown in text
    assert all(cell in text.replace(" ", "") for cell in CELLS)  # a line may end within a name


def test_a_bare_call_shows_help_and_fails(call: Any) -> None:
    for arguments in ([], ["train"]):
        answer = call(*arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith("Usage: throughtime")
