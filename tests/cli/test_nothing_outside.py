"""No folder has a file outside of it read: every task, every text in every file of the folder, every link in it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strange_folders import changed, commands, copied, refused, texts, write
from throughtime.applications.folder import references
from throughtime.tasks import TASKS

OPENED: list[str] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        OPENED.append(os.fsdecode(arguments[0]))


sys.addaudithook(_note)


pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(autouse=True)
def nobody_has_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that the folder comes to."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(references, "_named", set())


@pytest.fixture
def secret(tmp_path: Path, folders: dict[str, Path]) -> Iterator[Path]:
    """A file outside, of sound, that nobody may open."""
    path = tmp_path / "secret.wav"
    shutil.copy(next(folders["speech"].parent.rglob("*.wav")), path)
    OPENED.clear()
    yield path
    assert not [name for name in OPENED if name.endswith("secret.wav")]


def files(run: Path) -> list[Path]:
    return sorted(path for path in run.iterdir() if path.suffix in (".json", ".jsonl") and path.name != "metrics.jsonl")


def read_lines(path: Path) -> list[Any]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(text)] if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("task", TASKS)
def test_no_text_of_a_folder_opens_a_file_outside(
    call: Any, folders: dict[str, Path], tmp_path: Path, secret: Path, task: str
) -> None:
    run = copied(folders[task], tmp_path)
    for path in (run / "valid.jsonl", run / "test.jsonl"):
        if path.exists():  # what one example names is read as what all name is
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    ways = [str(secret), os.path.relpath(secret, run)]
    ask = commands(task, run)
    for path in files(run):
        whole = path.read_text(encoding="utf-8")
        lines = read_lines(path)
        for number, place in enumerate(texts(lines[0])):
            bad = [changed(lines[0], place, ways[number % 2]), *lines[1:]]
            path.write_text("".join(json.dumps(line) + "\n" for line in bad), encoding="utf-8")
            looks = "inspect" if path.suffix == ".jsonl" and number == 0 else "evaluate"  # looking takes its time
            answer = call(*ask["train" if path.stem in ("train", "config") and number % 2 else looks])
            assert answer.code in (0, 2), (path.name, place, answer.err)
            assert "Traceback" not in answer.err
        path.write_text(whole, encoding="utf-8")


@pytest.mark.parametrize("task", TASKS)
def test_no_link_of_a_folder_is_followed_out_of_it(
    call: Any, folders: dict[str, Path], tmp_path: Path, secret: Path, task: str
) -> None:
    run = copied(folders[task], tmp_path)
    for path in sorted(run.iterdir()):
        kept = tmp_path / "kept"
        path.rename(kept)
        path.symlink_to(secret)
        for arguments in commands(task, run).values():
            refused(call, *arguments)
        path.unlink()
        kept.rename(path)


def test_recordings_are_read_again_where_the_user_has_trained(
    call: Any, folders: dict[str, Path], tmp_path: Path
) -> None:
    run = copied(folders["speech"], tmp_path)
    data = folders["speech"].parent
    again = ("train", "speech", "--out", run, "--resume", "--steps", 4)
    assert f"its data lie outside of it, first {data}" in (told := refused(call, "evaluate", run))
    assert "which is not read unasked; name data to judge it by if you trust it" in told
    assert "pass --data PATH with --resume if you trust it" in refused(call, *again)
    assert call(*again, "--data", tmp_path).code == 2  # elsewhere
    assert call(*again, "--data", data).code == 0
    assert call("evaluate", run).code == 0
    assert str(data) in (tmp_path / "state" / "throughtime" / "data").read_text(encoding="utf-8")


def test_what_others_may_have_written_is_not_believed(
    call: Any, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(folders["speech"], tmp_path)
    references.remember([folders["speech"].parent])
    monkeypatch.setattr(references, "_named", set())
    assert call("evaluate", run).code == 0
    (tmp_path / "state" / "throughtime" / "data").chmod(0o666)
    assert "its data lie outside of it" in refused(call, "evaluate", run)


def test_without_a_home_a_training_goes_on_in_its_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for home in ("", "relative", "/proc/none"):
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        monkeypatch.setenv("HOME", home)
        monkeypatch.setattr(references, "_named", set())
        references.remember([tmp_path])
        references.check(tmp_path / "run", [tmp_path / "a.wav"], "")


def test_vectors_that_a_folder_names_are_not_read(
    call: Any, folders: dict[str, Path], tmp_path: Path, secret: Path
) -> None:
    run = copied(folders["sentiment"], tmp_path)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    write(run / "config.json", changed(config, ("settings", "vectors"), str(secret)))
    for name in ("checkpoint.safetensors", "model.safetensors", "metrics.jsonl"):
        (run / name).unlink()
    assert "its data lie outside of it" in refused(call, "train", "sentiment", "--out", run, "--resume")
