"""The command line called in this process, on texts made here."""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from made_data import MAKERS
from throughtime.cli import run
from throughtime.tasks import TASKS

TINY = ["--hidden", "16", "--embedding", "8", "--batch", "2", "--bptt", "10"]
WORDS = ["the", "a", "old", "grey", "cat", "dog", "bird", "sat", "ran", "sang", "on", "under", "near", "mat", "tree"]
WORDS += ["house", "and", "then", "it", "was", "full", "of", "joy"]
CHINESE = ["小猫", "老狗", "鸟儿", "我们", "孩子", "树下", "房子里", "坐着", "唱歌", "飞过", "睡觉", "很高兴", "很冷"]


def english(lines: int, seed: int = 0) -> str:
    """Lines of a few words."""
    draw = random.Random(seed)
    return "".join(" ".join(draw.choices(WORDS, k=draw.randint(4, 9))).capitalize() + ".\n" for _ in range(lines))


def chinese(lines: int, seed: int = 0) -> str:
    """Lines without a single space."""
    draw = random.Random(seed)
    return "".join("".join(draw.choices(CHINESE, k=draw.randint(3, 8))) + "。\n" for _ in range(lines))


@dataclass(frozen=True)
class Answer:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one line of JSON."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its lines of JSON."""
        assert self.code == 0, self.err
        return [json.loads(line) for line in self.out.splitlines()]


Call = Callable[..., Answer]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs the command line, with ``stdin=`` on its standard input."""

    def answer(*arguments: object, stdin: bytes = b"") -> Answer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return answer


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with texts and models that tests read and leave as they are: see :func:`model`, :func:`sentences`."""
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "text.txt").write_text(english(150), encoding="utf-8")
    (folder / "other.txt").write_text(english(30, seed=1), encoding="utf-8")
    (folder / "zh.txt").write_text(chinese(100), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def text(shelf: Path) -> Path:
    """A text of 150 lines, about 4,000 characters."""
    return shelf / "text.txt"


@pytest.fixture(scope="session")
def model(shelf: Path) -> Path:
    """A language model of characters that has learnt a little."""
    out = shelf / "characters"
    options = ["--steps", "60", "--lr", "0.02", "--evaluate-every", "20"]
    assert run(["train", "text", str(shelf / "text.txt"), "--out", str(out), *TINY, *options]) == 0
    return out


@pytest.fixture(scope="session")
def sentences(shelf: Path) -> Path:
    """A language model of words and sentences whose rarer words are UNK."""
    out = shelf / "sentences"
    options = ["--sentences", "--unit", "words", "--bptt", "0", "--batch", "16", "--steps", "40", "--lr", "0.02"]
    options += ["--hidden", "16", "--embedding", "8", "--max-vocab", "20"]
    assert run(["train", "text", str(shelf / "text.txt"), "--out", str(out), *options]) == 0
    return out


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder of every task there is, trained for two steps, to be copied; the data lie beside it."""
    assert set(MAKERS) == set(TASKS), "a task without data in made_data.py"
    made = {}
    for task in TASKS:
        folder = tmp_path_factory.mktemp(task)
        made[task] = folder / "run"
        given = MAKERS[task](folder, "plain")
        assert run(["train", task, *map(str, given.data), *given.options, "--out", str(made[task])]) == 0
    return made
