"""``throughtime predict --workers``: each input of an archive is answered once, in order, whatever is killed."""

from __future__ import annotations

import json
import multiprocessing.forkserver
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import throughtime
from forked import Forked
from throughtime.cli import run as run_command

LINES = [f"the plain cat number {number}" if number % 7 else "" for number in range(70)]


@pytest.fixture(scope="module", autouse=True)
def server() -> None:
    """The processes' server has loaded what they need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        multiprocessing.forkserver.ensure_running()


@pytest.fixture
def archive(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Path, Path]]:
    """A model and an archive for some tasks: lines in two files and a table; recordings; genomes."""
    monkeypatch.chdir(tmp_path)
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("\n".join(LINES[:50]) + "\n")
    (texts / "b.csv").write_text("text,label\n" + "".join(f"the old cat {n},good\n" for n in range(40)))
    (texts / "c.txt").write_text("\n".join(LINES[50:]) + "\n")
    sounds = tmp_path / "sounds"
    (sounds / "deeper").mkdir(parents=True)
    for number, path in enumerate(sorted(folders["speech"].parent.rglob("*.wav"))):
        shutil.copy(path, sounds / ("deeper" if number % 2 else ".") / f"{number}.wav")
    genomes = tmp_path / "genomes"
    genomes.mkdir()
    for number, path in enumerate(sorted(folders["dna"].parent.rglob("*.fa"))):
        shutil.copy(path, genomes / f"{number}.fa")
    found = {"sentiment": texts, "entities": texts, "speech": sounds, "dna": genomes}
    return {task: (folders[task], folder.relative_to(tmp_path)) for task, folder in found.items()}


def said(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.mark.parametrize("task", ["sentiment", "entities", "speech", "dna"])
def test_several_processes_find_what_one_finds(call: Any, archive: dict[str, tuple[Path, Path]], task: str) -> None:
    run, folder = archive[task]
    assert call("predict", run, folder, "--workers", "2", "--out", "two.jsonl").code == 0
    model = throughtime.load(run)
    expected = [
        {"input": name, **found.data} for path in sorted(folder.rglob("*.*")) for name, found in model.answers(path)
    ]
    told = [
        {n: value for n, value in one.items() if n not in ("part", "parts", "notes", "warnings")}
        for one in said(Path("two.jsonl"))
    ]
    assert told == json.loads(json.dumps(expected))
    assert call("predict", run, folder, "--workers", "1", "--out", "one.jsonl").code == 0
    assert Path("one.jsonl").read_bytes() == Path("two.jsonl").read_bytes()


def test_without_out_it_prints_what_one_process_prints(call: Any, archive: dict[str, tuple[Path, Path]]) -> None:
    run, folder = archive["sentiment"]
    one = call("predict", run, folder / "a.txt", "--json")
    assert call("predict", run, folder / "a.txt", "--json", "--workers", "2").out == one.out
    text = (folder / "a.txt").read_bytes()
    assert call("predict", run, "--json", "--workers", "2", stdin=text).out == one.out
    assert call("predict", run, "--line", LINES[1], "--json", "--workers", "2").lines == one.lines[1:2]


def test_what_cannot_be_read_is_told_and_passed_over(call: Any, archive: dict[str, tuple[Path, Path]]) -> None:
    run, folder = archive["speech"]
    (folder / "3b.wav").write_bytes(b"no sound")
    answer = call("predict", run, folder, "--workers", "2", "--out", "r.jsonl")
    assert answer.code == 3
    assert "1 of" in answer.err
    assert "inputs could not be answered; their lines say why, under error" in answer.err
    bad = [one for one in said(Path("r.jsonl")) if "error" in one]
    assert [one["input"] for one in bad] == ["sounds/3b.wav"]
    assert "expected sound" in bad[0]["error"]
    printed = call("predict", run, folder, "--workers", "2", "--json")
    assert printed.code == 3
    assert len(printed.out.splitlines()) == len(said(Path("r.jsonl"))) - 1
    assert "throughtime: sounds/3b.wav: expected sound" in printed.err
    again = call("predict", run, folder, "--resume", "--out", "r.jsonl")  # all is answered already
    assert (again.code, "1 of" in again.err) == (3, True)

    run, folder = archive["sentiment"]
    (folder / "bb.txt").write_bytes(b"a line\n\xff\xfe\xff\n")
    assert call("predict", run, folder, "--workers", "2", "--out", "t.jsonl").code == 3
    assert [one["input"] for one in said(Path("t.jsonl")) if "error" in one] == ["texts/bb.txt"]


def test_it_goes_on_from_any_cut(call: Any, archive: dict[str, tuple[Path, Path]]) -> None:
    run, folder = archive["sentiment"]
    assert call("predict", run, folder, "--workers", "2", "--out", "r.jsonl").code == 0
    out, whole = Path("r.jsonl"), Path("r.jsonl").read_bytes()
    assert len(said(out)) == 110
    for size in (0, 1, len(whole) // 2, len(whole) - 1, len(whole)):
        out.write_bytes(whole[:size])
        assert call("predict", run, folder, "--out", "r.jsonl", "--resume").code == 0
        assert out.read_bytes() == whole


def test_it_goes_on_with_the_same_alone(call: Any, archive: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    run, folder = archive["sentiment"]
    own = tmp_path / "run"
    shutil.copytree(run, own)
    assert call("predict", own, folder, "--workers", "1", "--out", "r.jsonl").code == 0
    before = Path("r.jsonl").read_bytes()
    for change, arguments, message in (
        (None, [], "r.jsonl: already exists; pass --resume to go on with it, or another --out"),
        (
            None,
            ["--resume", "--nbest", "2"],
            "r.jsonl: was begun with options none, not nbest 2; give what it was begun",
        ),
        (folder / "a.txt", ["--resume"], "r.jsonl: was begun with inputs files 3, bytes"),
        (own / "config.json", ["--resume"], "r.jsonl: was begun with model "),
    ):
        if change is not None:
            change.write_text(change.read_text() + "\n")
        answer = call("predict", own, folder, "--workers", "1", "--out", "r.jsonl", *arguments)
        assert answer.code == 2
        assert message in answer.err
        assert "another --out" in answer.err
    assert Path("r.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--workers", "2", "--out", "r.csv"],
            "--out: expected a file of JSON lines (*.jsonl) with --workers or --resume",
        ),
        (["--resume"], "--resume: expected --out, the file to go on with"),
        (["--workers", "2", "--stream"], "--stream: expected no --workers and no --resume"),
        (["--workers", "0"], "0 is not in the range x>=1"),
    ],
)
def test_what_does_not_go_together_is_refused(
    call: Any, archive: dict[str, tuple[Path, Path]], arguments: list[str], message: str
) -> None:
    run, folder = archive["sentiment"]
    answer = call("predict", run, folder, *arguments)
    assert answer.code == 2
    assert message in answer.err


def _predict(*arguments: str) -> None:
    """The command in a process of its own, which leads a group."""
    os._exit(run_command(list(arguments)))


def test_killed_at_any_moment_it_goes_on_to_the_same_file(
    call: Any, archive: dict[str, tuple[Path, Path]], forked: Callable[..., Forked], tmp_path: Path
) -> None:
    run, folder = archive["sentiment"]
    (folder / "d.txt").write_text("".join(f"the old grey cat sat near mat {n}\n" for n in range(800)))
    assert call("predict", run, folder, "--workers", "2", "--out", "whole.jsonl").code == 0
    draw, out, kills = random.Random(5), tmp_path / "r.jsonl", 0
    begun = ["predict", str(run), str(folder), "--workers", "2", "--out", "r.jsonl", "--resume"]
    while kills < 2:
        process = forked(_predict, *begun)
        size = out.stat().st_size if out.exists() else 0
        while process.process.is_alive() and (not out.exists() or out.stat().st_size <= size):
            time.sleep(0.002)
        time.sleep(draw.random() * 0.05)
        process.process.kill()
        if process.end().status != -signal.SIGKILL:
            break
        kills += 1
    assert kills
    assert call(*begun).code == 0
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*r.jsonl*")) == ["r.jsonl", "r.jsonl.begun.json"]
