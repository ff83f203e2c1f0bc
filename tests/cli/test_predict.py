"""``throughtime predict`` on inputs that are files and streams, with a predictor that counts letters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from throughtime.api import Run
from throughtime.applications.options import Drawn, Options, Written
from throughtime.applications.prediction import Prediction
from throughtime.applications.task import Task, Use
from throughtime.cli import predict
from throughtime.cli.shared import options
from throughtime.data.progress import report


class Asked(Drawn, Written):
    """What may be asked of a count."""


class Counting:
    """Says how many bytes a file has; a stream after every byte."""

    suffixes = (".bin",)

    def predict(self, lines: Sequence[str], asked: Asked) -> list[Prediction]:
        return [_say(len(line)) for line in lines]

    def predict_file(self, path: Path, asked: Asked) -> Iterator[Prediction]:
        size = len(path.read_bytes())
        report(size, size, "bytes")
        yield _say(size, ["it is empty"] if not size else [])

    def is_whole(self, folder: Path) -> bool:
        return False

    def answers(self, path: Path, asked: Asked) -> Iterator[tuple[str, Prediction]]:
        return ((str(path), found) for found in self.predict_file(path, asked))

    def answers_to_lines(self, lines: Sequence[str], asked: Asked) -> Iterator[tuple[str, Prediction]]:
        return ((f"line {number}", found) for number, found in enumerate(self.predict(lines, asked), 1))

    def stream(self, path: Path | None, asked: Asked) -> Iterator[Prediction]:
        size = 2 if path is None else len(path.read_bytes())
        for number in range(1, size + 1):
            yield _say(number, final=number == size)


def _say(number: int, warnings: Sequence[str] = (), final: bool = True) -> Prediction:
    return Prediction(Text(f"{number} bytes"), {"bytes": number, "final": final}, warnings, final)


class CountingTask(Task):
    name = "counting"

    def options(self, run: Path, use: Use, cell: str | None = None) -> type[Options]:
        return Asked

    def load(self, run: Path, cell: str | None = None, *, device: str = "auto", latest: bool = False) -> Any:
        return Counting()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (predict, options):
        monkeypatch.setattr(module, "open_run", lambda run, cell, task: Run(run, CountingTask()))
    (tmp_path / "inside").mkdir()
    for name, content in (("a.bin", b"abc"), ("inside/b.BIN", b""), ("c.txt", b"abcd")):
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_every_file_is_an_input(call: Any, folder: Path) -> None:
    answer = call("predict", "run", folder / "a.bin", folder / "c.txt")
    assert (answer.code, answer.out, answer.err) == (0, "3 bytes\n4 bytes\n", "")


def test_a_folder_is_searched_for_files_of_a_known_kind(call: Any, folder: Path) -> None:
    answer = call("predict", "run", folder)
    assert answer.out == "3 bytes\n0 bytes\n"
    assert answer.err == f"throughtime: {folder / 'inside' / 'b.BIN'}: it is empty\n"


def test_lines_are_read_where_they_are_given(call: Any, folder: Path) -> None:
    assert call("predict", "run", "--line", "ab").out == "2 bytes\n"


def test_a_stream_is_told_as_it_comes(call: Any, folder: Path) -> None:
    answer = call("predict", "run", folder / "a.bin", "--stream", "--json")
    assert [json.loads(line) for line in answer.out.splitlines()] == [
        {"bytes": number, "final": number == 3} for number in (1, 2, 3)
    ]
    assert call("predict", "run", "--stream").out == "1 bytes\n2 bytes\n"
    assert call("predict", "run", "--stream", "-").out == "1 bytes\n2 bytes\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected files to read (.bin), got none"),
        (["none"], "none: expected files of .bin in it, found none"),
        (["a.bin", "c.txt", "--out", "x"], "--out: expected one file to read, got 2"),
        (["a.bin", "--out", "nowhere/x"], "--out: expected a folder that exists, got nowhere; make it first"),
        (["a.bin", "--picture", "x.gif"], "--picture: expected a file that ends in .png, .svg, .pdf, got x.gif"),
        (["a.bin", "c.txt", "--stream"], "--stream: expected one file, or none for standard input"),
    ],
)
def test_bad_input(
    call: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "none").mkdir()
    answer = call("predict", "run", *arguments)
    assert (answer.code, answer.err) == (2, f"throughtime: {message}\n")


def test_text_models_read_one_file(call: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "suffixes", ())
    answer = call("predict", "run", "a.txt", "b.txt")
    assert (answer.code, answer.err) == (2, "throughtime: expected one file of lines, got 2: a.txt, b.txt\n")
