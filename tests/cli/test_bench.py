"""``throughtime bench``: what it prints, and the one line where it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TINY = ["--cells", "gru,mgu", "--batch", "2", "--time", "3", "--hidden", "4", "--threads", "1", "--seconds", "0.001"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.bench.run.peak_gflops", lambda number, *shortly: 50.0)


def test_tables_and_a_picture(call: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    answer = call("bench", "--what", "training,ragged", *TINY, "--plot", tmp_path / "ratios.png")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert "cores, torch" in lines[0]
    assert "50 GFLOP/s on 1 thread(s)" in lines[0]
    titles = [line.split(",")[0] for line in lines if line.startswith(("training step", "in all"))]
    assert titles == ["training step", "training step", "in all: geometric mean of the ratios"]
    rows = [line.split()[:6] for line in lines if line.startswith(("gru ", "mgu "))]
    assert rows == [[cell, "2", "3", k, "4", "1"] for k in ("4", "128") for cell in ("gru", "mgu")]
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_one_object(call: Any) -> None:
    result = call("bench", "--what", "training", *TINY, "--input", 7, "--json").json
    assert [(row["cell"], row["input"], list(row["peers"])) for row in result["rows"]] == [
        ("gru", 7, ["torch.nn"]),
        ("mgu", 7, ["eager loop"]),
    ]
    assert result["command"].startswith("throughtime")
    assert {line["against"] for line in result["summary"]} == {"torch.nn", "eager loop", "our lstm, per multiply-add"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cells", "ltsm"], "unknown cell 'ltsm' (did you mean 'lstm'?); cells: rnn, "),
        (["--cells", "lstm,,gru"], "--cells: expected words separated by commas, got 'lstm,,gru'"),
        (["--cells", "no_such_module:Cell"], "cell 'no_such_module:Cell': No module named 'no_such_module'"),
        (
            ["--what", "trainign"],
            "--what: expected training, ragged, streaming, drawing, words, memory, start, all, got 'trainign' (did",
        ),
        (["--batch", "1,x"], "--batch: expected sizes of at least 1 separated by commas, as 1,32, got '1,x'"),
        (["--time", "0"], "--time: expected sizes of at least 1"),
        (["--hidden", "-5"], "--hidden: expected sizes of at least 1"),
        (["--hidden", "99999999999999"], "--hidden: expected sizes of at least 1"),
        (["--hidden", "2000000"], "expected shapes that fit into this machine's memory of "),
        (["--input", "1,2"], "--input: expected one size, got 1, 2"),
        (["--threads", "4096"], "--threads: expected at most "),
        (["--seconds", "0"], "--seconds: expected more than 0 seconds for a row, got 0"),
        (["--seconds", "nan"], "--seconds: expected more than 0 seconds for a row, got nan"),
        (["--engine", "torhc"], "unknown engine 'torhc' (did you mean 'torch'?); engines: auto, "),
        (
            ["--engine", "torch", "--cells", "lstm,mgu"],
            "engine 'torch' cannot serve this call: PyTorch's kernels serve",
        ),
        (["--plot", "ratios.gif"], "--plot: expected a file that ends in .png, .svg, .pdf, got ratios.gif"),
        (["--plot", "none/ratios.png"], "--plot: expected a folder that exists, got none; make it first"),
    ],
)
def test_bad_input_is_one_line(
    call: Any, options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call("bench", *options)
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith(f"throughtime: {message}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_picture(call: Any, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    assert "--plot: expected a file, got the folder" in call("bench", "--plot", tmp_path / "folder.png").err
