"""The guide's code runs, and its commands exist."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from torch.distributed.run import get_args_parser

from throughtime.applications.options import Options
from throughtime.applications.supervised import Supervised
from throughtime.applications.task import Use
from throughtime.cli import app, run
from throughtime.cli.shared.options import RunCommand
from throughtime.tasks import find_task
from throughtime.tasks.dna.classes import DnaClasses
from throughtime.tasks.dna.regions import DnaRegions
from throughtime.tasks.music.events import EventDrawing
from throughtime.tasks.series.labels import SeriesLabels
from throughtime.tasks.series.novelty import SeriesNovelty
from throughtime.tasks.text.sampler import TextDrawing

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "benchmarks" / "recipes"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Code blocks with the line that each begins in."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text[: match.start()].count("\n") + 1, match.group(1)) for match in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run_top_to_bottom(page: Path) -> None:
    """Those that need a server are marked py; the tests of the server run them."""
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
    # a container's name is not the command
    run = [line for line in shown if "throughtime " in line and not line.startswith("podman ")]
    return [line[line.index("throughtime ") :] for line in run]


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


def words_of(command: str) -> list[str]:
    words = shlex.split(command, comments=True)[1:]
    return words[: words.index("<<")] if "<<" in words else words


TRAINED = {
    words[words.index("--out") + 1]: words[1]
    for words in map(words_of, commands())
    if words[0] == "train" and "--resume" not in words
} | {"runs/first": "text", "runs/speech": "speech", "runs/languages": "mytasks:Languages"}
"""Tasks of the runs that pages speak of, by folder: what a page trains, and what it takes up from another page."""

KINDS: dict[str, type[Any]] = {
    "runs/promoters/fold-3": DnaClasses,
    "runs/splice": DnaClasses,
    "runs/genes": DnaRegions,
    "runs/gun": SeriesLabels,
    "runs/usual": SeriesNovelty,
}
DRAWING: dict[str, type[Options]] = {"runs/tunes": EventDrawing}
"""Where a task's options depend on what it learnt: which of its kinds a run is."""


def declared(run: str, use: Use) -> type[Options]:
    """What the task of a page's run declares."""
    trained = TRAINED[re.sub(r"/fold-\d+$", "", run)]
    if trained == "text":
        return TextDrawing if use == "sample" else Options
    task = find_task(trained)
    assert isinstance(task, Supervised)
    kind = KINDS.get(run, task.application)
    return DRAWING[run] if use == "sample" else {"predict": kind.predicting, "evaluate": kind.judging}[use]


@pytest.mark.usefixtures("own_task")
@pytest.mark.parametrize("command", commands())
def test_commands_of_the_pages_parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, *arguments = words_of(command)
    monkeypatch.setattr(RunCommand, "declared", lambda self, args: declared(args[0], self.use))
    if name.startswith("--"):
        return
    parent = click.Context(app, info_name="throughtime")
    found = app.get_command(parent, name)
    assert found is not None
    if isinstance(found, click.Group):
        found, *arguments = found.get_command(parent, arguments[0]), *arguments[1:]  # type: ignore[assignment]
    found.make_context(name, arguments, parent)  # type: ignore[union-attr]


def options_of(command: click.Command, context: click.Context) -> Iterator[str]:
    """Every option of a command and of those below it."""
    for parameter in command.get_params(context):
        yield from (*parameter.opts, *parameter.secondary_opts)
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        if (inner := command.get_command(context, name)) is not None:
            yield from options_of(inner, click.Context(inner, context, name))


def kinds_of(kind: type[Options]) -> Iterator[type[Options]]:
    """What asks for options of a use."""
    yield kind
    for inner in kind.__subclasses__():
        yield from kinds_of(inner)


def test_options_that_pages_name_exist() -> None:
    names = {name for kind in kinds_of(Options) for name in kind.model_fields}
    asked = {f"--{no}{name.rstrip('_').replace('_', '-')}" for name in names for no in ("", "no-")}
    recipes = "".join(file.read_text(encoding="utf-8") for file in RECIPES.glob("*.py"))
    known = asked | set(options_of(app, click.Context(app))) | set(re.findall(r'"(--[a-z][a-z0-9-]+)"', recipes))
    known |= set(get_args_parser()._option_string_actions)  # of torchrun, which pages call
    assert "--no-such" not in known
    for page in PAGES:
        if page.name != "log.md":  # tells of what was tried
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", page.read_text(encoding="utf-8"))) <= known, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link
