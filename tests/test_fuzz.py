"""Damaged files and folders are read or refused in one line; and the fuzzer itself sees what it is to see."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
import time
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from random import Random
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import pytest

from forked import Forked, execute
from throughtime.applications.folder import references
from throughtime.applications.supervised import Supervised
from throughtime.applications.task import Task
from throughtime.errors import UserError
from throughtime.tasks import TASKS

RECIPES = Path(__file__).resolve().parents[1] / "benchmarks" / "recipes"
INPUTS = 12_000


@pytest.fixture(scope="module", autouse=True)
def _recipes() -> Iterator[None]:
    for extra in ("av", "soundfile", "symusic", "scipy", "Bio", "kaldi_native_fbank", "sacrebleu", "jiwer"):
        pytest.importorskip(extra)
    for extra in ("pyarrow", "zstandard"):
        pytest.importorskip(extra)
    sys.path.insert(0, str(RECIPES))
    yield
    sys.path.remove(str(RECIPES))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return importlib.import_module("fuzzing.cases").all_cases(tmp_path_factory.mktemp("fuzz"))


def fuzz(read: Callable[..., object], tmp_path: Path, count: int = 1, seconds: float = 20.0) -> list[Any]:
    """What becomes of inputs that ``read`` reads."""
    made = importlib.import_module("fuzzing.cases").Case("fake", {"a.txt": b"abc"}, ["a.txt"], read, folder=True)
    inputs = importlib.import_module("fuzzing.inputs").Inputs([made], 0)
    found = importlib.import_module("fuzzing.workers").fuzz(inputs, range(count), tmp_path / "work", 1, seconds)
    return sorted(found, key=lambda result: result.number)


HARM = f"""
import sys
sys.path.insert(0, {str(RECIPES)!r})
import fuzz
tally = fuzz.run(range({INPUTS}), seed=0, workers=1, seconds=60, shown=False, once=True)  # a busy machine is no hang
for fault in tally.faults.values():
    print(fault["kind"], fault["inputs"], fault["detail"])
print("faults:", len(tally.faults), "inputs:", tally.count)
"""


def test_no_damaged_file_does_harm(forked: Callable[..., Forked]) -> None:
    """All kinds of damage to all kinds of files for all readers, once; in a process without threads, as it forks."""
    ended = forked(execute, HARM).end()
    assert (ended.status, ended.err) == (0, "")
    faults, inputs = map(int, re.findall(r"\d+", ended.out.splitlines()[-1]))
    assert faults == 0, ended.out
    assert inputs > 1000


class Says(Random):
    """Draws one number."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


def test_whole_files_are_read(cases: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is damaged comes as far as it can; and every reader of a path has something to read."""
    models = importlib.import_module("fuzzing.models")
    seen: set[CodeType] = set()

    def watch(frame: Any, event: str, argument: object) -> None:
        if event == "call":
            seen.add(frame.f_code)

    for number, case in enumerate(cases):
        for way in (0.2, 0.72, 0.8, 0.95) if case.folder else (0.01, 0.2):
            root = tmp_path / f"{number}-{way}"
            models.write(root, case.files)
            monkeypatch.chdir(root)
            references.remember([root])
            sys.setprofile(watch)
            try:
                case.read(root, Says(way), case.targets[0])
            except UserError as error:
                if "cannot be inspected" not in str(error):  # a tree has no steps in time
                    pytest.fail(f"{case.name}: {error}")
            finally:
                sys.setprofile(None)
    unused = {"load_tensors", "load_weights", "read_midi"}  # of the library: no command takes this way
    missed = {
        name for name, function in readers() if function.__code__ not in seen and name.split(".")[-1] not in unused
    }
    assert {name for name in missed if name.rpartition(".")[2] not in unused} == set()


def readers() -> Iterator[tuple[str, FunctionType]]:
    """Public functions of the package that read a path and take nothing to be written."""
    for folder in ("applications", "data", "tasks", "training", "inspection"):
        source = RECIPES.parents[1] / "src"
        for file in sorted((source / "throughtime" / folder).rglob("*.py")):
            dotted = ".".join(file.relative_to(source).with_suffix("").parts)
            module = importlib.import_module(dotted.removesuffix(".__init__"))
            for name, function in vars(module).items():
                known = isinstance(function, FunctionType) and function.__module__ == module.__name__
                if known and name.startswith(("read_", "load_", "open_", "audio_", "abc_", "is_", "find_")):
                    hints = typing.get_type_hints(function, vars(typing) | vars(module))
                    if any("Path" in str(hint) for key, hint in hints.items() if key != "return"):
                        yield f"{module.__name__}.{name}", inspect.unwrap(function)


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_every_task_is_covered(cases: Any, task: Task) -> None:
    """Its data, by every suffix that it looks for; and every file of its model folder."""
    own = [case for case in cases if case.name.startswith((f"{task.name}:", f"predict {task.name}"))]
    folders = [case for case in cases if case.name.split()[:2] == ["folder", task.name]]
    assert folders
    for case in folders:
        assert (
            {"run/config.json", "run/model.safetensors", "run/checkpoint.safetensors", "run/metrics.jsonl"}
            <= {*case.targets}
            == {name for name in case.files if name.startswith("run/")}
        )
    assert own or task.makes_data
    if isinstance(task, Supervised) and not task.makes_data:
        alike = importlib.import_module("fuzzing.corpus").ALIKE
        damaged = {PurePath(name).suffix for case in own for name in case.targets}
        assert {suffix for suffix in task.application.suffixes if not {suffix, alike.get(suffix)} & damaged} == set()


def test_an_input_is_the_same_every_time(cases: Any) -> None:
    module = importlib.import_module("fuzzing.inputs")
    first, second = module.Inputs(cases, 7), module.Inputs(cases, 7)
    for number in range(300):
        one, other = first[number], second[number]
        assert (one.case.name, one.target, one.content) == (other.case.name, other.target, other.content)
        assert one.draw.random() == other.draw.random()
    different = module.Inputs(cases, 8)
    assert sum(first[n].content != different[n].content for n in range(100)) > 90


def test_every_reader_gets_its_share(cases: Any) -> None:
    """Of a million inputs, at least 3,500."""
    inputs = importlib.import_module("fuzzing.inputs").Inputs(cases, 0)
    assert min(case.weight for case in cases) / inputs.weights[-1] * 1_000_000 > 3_499


def test_damage_is_damage() -> None:
    mutate = importlib.import_module("fuzzing.mutations").mutate
    made = dict.fromkeys(("a.json", "a.jsonl", "a.csv", "a.mid"), b'{"a": [1, 2.5, "x"], "b": {"c": null}}')
    for name, content in made.items():
        assert sum(mutate(Random(n), name, content, [b"other"])[0] != content for n in range(200)) > 150


def test_each_damage_is_met_once(cases: Any) -> None:
    inputs = importlib.import_module("fuzzing.inputs").Inputs(cases, 0)

    def met(numbers: Iterable[int]) -> Counter[tuple[str, str, str]]:
        found = map(inputs.__getitem__, numbers)
        return Counter((one.case.name, PurePath(one.target).suffix, way) for one in found for way in one.damage)

    every, kept = met(range(1000)), inputs.once(range(1000))
    assert met(kept).keys() == every.keys()
    assert len(kept) <= len(every) < 1000
    assert {way for _, _, way in met(range(4000))} >= {"flip", "cut", "change_json", "missing", "endless", "splice"}


def read_fine(root: Path, draw: Random, target: str) -> None:
    (root / target).exists()


def refuse(root: Path, draw: Random, target: str) -> None:
    raise UserError(f"{root / target}: expected another file")


def refuse_nameless(root: Path, draw: Random, target: str) -> None:
    raise UserError("something is wrong")


def fail(root: Path, draw: Random, target: str) -> None:
    raise KeyError("a")


class Panic(BaseException):
    """As a library in Rust raises."""


def panic(root: Path, draw: Random, target: str) -> None:
    raise Panic


def abort(root: Path, draw: Random, target: str) -> None:
    os.abort()


def hang(root: Path, draw: Random, target: str) -> None:
    time.sleep(60)


def fill_memory(root: Path, draw: Random, target: str) -> None:
    np.ones(200_000_000, np.uint8)


def ask_for_memory(root: Path, draw: Random, target: str) -> None:
    np.empty(1 << 40, np.uint8)


def write_outside(root: Path, draw: Random, target: str) -> None:
    (root.parent / "outside" / "file").write_text("changed")


def leave_behind(root: Path, draw: Random, target: str) -> None:
    (root / "left").write_text("")


def import_bait(root: Path, draw: Random, target: str) -> None:
    importlib.import_module("bait_module")


def leave_a_child(root: Path, draw: Random, target: str) -> None:
    if not os.fork():
        time.sleep(60)
        os._exit(0)


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (read_fine, "read"),
        (refuse, "refused"),
        (refuse_nameless, "nameless"),
        (fail, "traceback"),
        (panic, "traceback"),
        (abort, "death"),
        (fill_memory, "memory"),
        (ask_for_memory, "memory"),
        (write_outside, "outside"),
        (leave_behind, "outside"),
        (import_bait, "outside"),
        (leave_a_child, "child"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_fuzzer_sees(
    read: Callable[..., object], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("fuzzing.workers"), "MOST_MEMORY", 100_000_000)
    found = fuzz(read, tmp_path, 2)
    assert [result.number for result in found] == [0, 1]
    assert {result.verdict.kind for result in found} == {kind}


def test_the_fuzzer_sees_what_hangs_and_where(tmp_path: Path) -> None:
    begun = time.monotonic()
    (found,) = fuzz(hang, tmp_path, seconds=0.5)
    assert time.monotonic() - begun < 10
    assert found.verdict.kind == "hang"
    assert "test_fuzz.py" in found.verdict.detail


def test_one_bad_input_does_not_cost_others_their_turn(tmp_path: Path) -> None:
    def some(root: Path, draw: Random, target: str) -> None:
        if draw.random() < 0.2:
            os.abort()

    kinds = Counter(result.verdict.kind for result in fuzz(some, tmp_path, 40))
    assert sum(kinds.values()) == 40
    assert kinds["death"] >= 2
    assert kinds["read"] >= 20
