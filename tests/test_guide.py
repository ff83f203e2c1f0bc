"""The guide's code runs, and its commands exist."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from throughtime.cli import app, run

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Code blocks with the line that each begins in."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text[: match.start()].count("\n") + 1, match.group(1)) for match in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run_top_to_bottom(page: Path) -> None:
    torch.manual_seed(0)
    names: dict[str, Any] = {"__name__": "guide"}
    for line, block in blocks(page, "python"):
        # Blank lines in front make tracebacks name the page's own lines.
        exec(compile("\n" * line + block, str(page), "exec"), names)


def test_the_guide_shows_a_cell_in_twenty_lines() -> None:
    cell = next(block for _, block in blocks(ROOT / "docs" / "guide.md", "python") if "(Cell)" in block)
    assert sum(1 for line in cell.splitlines() if line.strip()) <= 20


def commands() -> list[str]:
    shown = [
        line.removeprefix("$ ")
        for page in PAGES
        for _, block in blocks(page, "console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    return [line[line.index("throughtime ") :] for line in shown if "throughtime " in line]


@pytest.fixture
def own_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the module that the page on tasks tells its reader to save."""
    _, block = blocks(ROOT / "docs" / "own-task.md", "python")[0]
    (tmp_path / "mytasks.py").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mytasks", raising=False)
    return tmp_path


def test_the_task_of_the_guide_runs_on_the_command_line(own_task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"{'abcde'[n % 5]}{'xyz'[n % 3]}{'mn'[n % 2]}{n:b}".replace("0", "o").replace("1", "i") for n in range(90)]
    rows = [f"{word}\t{'long' if word[2] == 'm' else 'short'}\n" for word in words]
    (own_task / "words.tsv").write_text("text\tlabel\n" + "".join(rows))
    out, trusted = str(own_task / "run"), ["--task", "mytasks:Languages"]
    options = ["--hidden", "16", "--steps", "80", "--lr", "0.02", "--batch", "16"]
    assert run(["train", "mytasks:Languages", "--data", str(own_task / "words.tsv"), "--out", out, *options]) == 0
    capsys.readouterr()
    assert run(["evaluate", out, *trusted, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 80
    assert run(["predict", out, *trusted, "--line", "axmiio", "--line", "bynoii"]) == 0
    assert capsys.readouterr().out == "axmiio: long\nbynoii: short\n"
    assert run(["predict", out, "--line", "axmiio"]) == 2


@pytest.mark.usefixtures("own_task")
@pytest.mark.parametrize("command", commands())
def test_commands_of_the_pages_parse(command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    words = words[: words.index("<<")] if "<<" in words else words
    depth = 2 if words[0] == "train" else 1
    result = CliRunner().invoke(app, [*words[:depth], "--help"])
    assert result.exit_code == 0
    for option in (word.partition("=")[0] for word in words if word.startswith("--") and word != "--version"):
        assert f"{option} " in result.output or f"{option}\n" in result.output, option


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link
