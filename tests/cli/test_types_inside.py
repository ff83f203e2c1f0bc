"""What stands in the plain files of a model folder is of its kind, or is refused in a line: every task, every entry."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strange_folders import changed
from throughtime.tasks import TASKS
from throughtime.training.metrics import kept_lines, read_metrics

VALUES = [None, True, -1, 10**39, 1.5, "x", [], [[]], {}, {"a": 1}]
RAW = {
    "deep": "[" * 100_000,
    "digits": "9" * 5_000,
    "infinite": "1e999",
    "nan": "NaN",
    "surrogate": r'"\ud800"',
    "cut": "",
}
STEPS = (0, 3, 7)
"""Which of them stand in a place, counted from its number."""
MARK = "@here@"

pytestmark = pytest.mark.usefixtures("undrawn")


def entries(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where values stand in plain data; of a list or of many names the first stands for all."""
    if path:
        yield path
    if isinstance(value, dict):
        for name in list(value)[:12]:
            yield from entries(value[name], (*path, name))
    elif isinstance(value, list) and value:
        yield from entries(value[0], (*path, 0))


def without(value: Any, path: tuple[Any, ...]) -> Any:
    value = copy.deepcopy(value)
    inner = value
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return value


def works_or_is_refused(call: Any, what: object, *arguments: object) -> bool:
    """Whether a command was refused, in a line."""
    answer = call(*arguments)
    assert answer.code in (0, 2), (what, answer.err)
    assert answer.code == 0 or (answer.out == "" and len(answer.err.splitlines()) == 1), (what, answer.err)
    return bool(answer.code)


@pytest.fixture
def run(folders: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A model folder of a task, to change."""
    return Path(shutil.copytree(folders[request.param], tmp_path / "run"))


every_run = pytest.mark.parametrize("run", TASKS, indirect=True)


@every_run
@pytest.mark.parametrize("name", ["vocabulary.json", "test.jsonl"])
def test_no_value_of_another_kind_ends_in_a_traceback(call: Any, run: Path, name: str) -> None:
    path = run / name
    if not path.exists():  # of text
        return
    first, *rest = path.read_text(encoding="utf-8").splitlines() if name != "vocabulary.json" else [path.read_text()]
    value, refused = json.loads(first), 0
    for number, place in enumerate(entries(value)):
        news = [VALUES[(number + step) % len(VALUES)] for step in STEPS]
        for bad in [*(changed(value, place, new) for new in news), without(value, place)]:
            path.write_text("\n".join([json.dumps(bad), *rest]) + "\n", encoding="utf-8")
            refused += works_or_is_refused(call, (place, bad), "evaluate", run)
    assert refused or not value


@every_run
def test_nothing_missing_of_what_names_the_data_ends_in_a_traceback(call: Any, run: Path) -> None:
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    one = ["--cell", "gru"] if TASKS[config["task"]].makes_data else []
    for place in list(entries(config["data"], ("data",))):
        (run / "config.json").write_text(json.dumps(without(config, place)), encoding="utf-8")
        works_or_is_refused(call, place, "evaluate", run)
        works_or_is_refused(call, place, "train", config["task"], "--out", run, "--resume", *one)


@every_run
def test_no_value_of_another_kind_in_what_was_read_ends_in_a_traceback(call: Any, run: Path) -> None:
    path = run / "data.json"
    value, refused = json.loads(path.read_text(encoding="utf-8")), 0
    for number, place in enumerate(entries(value)):
        for bad in [changed(value, place, VALUES[number % len(VALUES)]), without(value, place)]:
            path.write_text(json.dumps(bad), encoding="utf-8")
            refused += works_or_is_refused(call, (place, bad), "inspect", run, "--data")
    assert refused
    for raw in RAW.values():
        path.write_text(json.dumps({**value, "taken": MARK}).replace(f'"{MARK}"', raw), encoding="utf-8")
        assert works_or_is_refused(call, raw[:20], "inspect", run, "--data")


@every_run
@pytest.mark.parametrize("raw", RAW)
def test_what_json_cannot_hold_is_refused_in_a_line(call: Any, run: Path, raw: str) -> None:
    task = json.loads((run / "config.json").read_text())["task"]
    for name in ("config.json", "vocabulary.json", "valid.jsonl", "test.jsonl"):
        path = run / name
        if not path.exists():
            continue
        whole = path.read_text(encoding="utf-8")
        value = json.loads(whole.splitlines()[0] if name.endswith("l") else whole)
        value["data" if "data" in value else next(iter(value), "new")] = MARK
        path.write_text(json.dumps(value).replace(f'"{MARK}"', RAW[raw]) + "\n")
        if name != "valid.jsonl" or not (run / "test.jsonl").exists():
            assert works_or_is_refused(call, name, "evaluate", run)
        if name == "valid.jsonl":
            one = ["--cell", "gru"] if TASKS[task].makes_data else []
            assert works_or_is_refused(call, name, "train", task, "--out", run, "--resume", *one)
        path.write_text(whole, encoding="utf-8")


@every_run
def test_what_is_no_utf_8_is_refused_in_a_line(call: Any, run: Path) -> None:
    for name in ("config.json", "vocabulary.json", "test.jsonl"):
        path = run / name
        if not path.exists():
            continue
        whole = path.read_bytes()
        path.write_bytes(whole[:-3] + b"\xff" + whole[-3:])
        assert works_or_is_refused(call, name, "evaluate", run)
        path.write_bytes(whole)


@pytest.mark.parametrize("run", ["text"], indirect=True)
@pytest.mark.parametrize("part", ["train", "valid"])
def test_ids_beyond_the_vocabulary_are_refused(call: Any, run: Path, part: str) -> None:
    path = run / f"{part}.ids"
    path.write_bytes(b"\xff\xff" + path.read_bytes()[2:])
    answer = call("train", "text", "--out", run, "--resume", "--steps", 9)
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)
    assert f"{path}: expected ids below" in answer.err
    assert "got 65535" in answer.err


STEP = '{"event": "step", "step": %d, "epoch": 0, "loss": 1.0, "grad_norm": 1.0, "clipped_share": 0.0}'
BAD_LINES = [
    b"\xff\xfe",
    b"[]",
    b"{}",
    b'{"event": "step", "step": "3"}',
    b'{"event": "step", "step": true}',
    b'{"event": 5, "step": 3}',
    b'{"event": "evaluation", "step": 3, "loss": "low"}',
    b"[" * 100_000,
    b'{"event": "step", "step": ' + b"9" * 5000 + b"}",
    b"\x00",
]


@pytest.mark.parametrize("run", ["sentiment"], indirect=True)
@pytest.mark.parametrize("bad", BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_damaged_line_of_the_log(call: Any, run: Path, bad: bytes) -> None:
    path = run / "metrics.jsonl"
    path.write_bytes(b"\n".join([(STEP % 1).encode(), bad, (STEP % 2).encode(), b""]))
    answer = call("inspect", run, "--rows", 1, "--length", 4)
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)
    assert f"{path}:2: " in answer.err
    assert call("train", "sentiment", "--out", run, "--resume").code == 0
    assert [event["step"] for event in read_metrics(path)] == [1, 2]


def test_a_killed_runs_last_line_may_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    path.write_text(f"{STEP % 1}\n{STEP % 2}\n{STEP % 3}"[:-5])
    assert [event["step"] for event in read_metrics(path)] == [1, 2]
    assert kept_lines(path, 1).decode() == f"{STEP % 1}\n"
