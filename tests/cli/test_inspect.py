"""``throughtime inspect``, ``--watch``, and several cells trained alike, as a user runs them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from throughtime.cli import run as run_command

TEXT = "the cat sat on the mat and the dog sat on the log while the rain fell on the roof\n" * 60
TINY = ["--hidden", "12", "--embedding", "6", "--layers", "2", "--batch", "4", "--bptt", "20"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspect")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    out, text = str(folder / "run"), str(folder / "text.txt")
    assert run_command(["train", "text", text, *TINY, "--steps", "60", "--watch", "--out", out]) == 0
    return folder / "run"


def test_the_progress_line_tells_of_every_layer(call: Any, run: Path, tmp_path: Path) -> None:
    text = run.parent / "text.txt"
    answer = call("train", "text", text, *TINY, "--steps", "1", "--watch", "--out", tmp_path / "run")
    assert re.search(r"clipped \d+ %  layer 1 [\d.e-]+  layer 2 [\d.e-]+", answer.err)
    answer = call("train", "text", text, *TINY, "--steps", "1", "--out", tmp_path / "other")
    assert "layer 1" not in answer.err


def test_the_log_has_the_norm_of_every_layer(run: Path) -> None:
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [event for event in events if event["event"] == "step"]
    assert [event["step"] for event in steps] == [20, 40, 60]
    for event in steps:
        assert set(event["layers"]) == {"layer 1", "layer 2"}
        # The layers are a part of the whole gradient; embedding and softmax are the rest.
        assert 0 < sum(norm**2 for norm in event["layers"].values()) < event["grad_norm"] ** 2


def test_a_page_and_its_figures(call: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.pictures.DPI", 40)  # what they show is looked at in test_figures.py
    answer = call("inspect", run, "--out", tmp_path / "page", "--length", "30", "--rows", "3")
    assert answer.code == 0, answer.err
    assert re.search(r"layer 2 +(about )?[\d.]+( – [\d.]+)? +0\.\d+ +(over )?\d+ +[\d.e<-]+ – [\d.e<-]+", answer.out)
    assert "the page:" in answer.out
    names = {file.name for file in (tmp_path / "page").iterdir()}
    assert names == {
        *("index.html", "gradients.png", "memory.png", "jacobian.png", "gates-1.png", "gates-2.png", "training.png")
    }
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 6
    assert not re.search(r"(src|href)=\"(?!data:|#)", page), "the page loads something"
    assert "3 sequences of the run's validation text, 90 tokens" in page.replace("&#x27;", "'")
    assert page.count("Healthy") == page.count("What does this mean?") == 6
    assert page.count("f    = σ(W_f [h&lt;t-1&gt;, x&lt;t&gt;] + b_f)") == 2, (
        "the letters of a layer's gates are explained"
    )
    assert "Verdict" in page


@pytest.mark.usefixtures("undrawn")
def test_a_prompt_and_a_file(call: Any, run: Path, tmp_path: Path) -> None:
    found = call("inspect", run, "--prompt", "the cat sat", "--out", tmp_path / "a", "--json").json
    assert [line["cell"] for line in found["cells"]] == ["layer 1", "layer 2"]
    assert {line["gate"] for line in found["gates"]} >= {"i", "f", "g", "o"}
    assert found["memory"]["stack"]["length"] <= 10
    assert found["verdict"][0]["kind"] in ("vanishes", "healthy", "stuck")
    (tmp_path / "other.txt").write_text("the dog fell on the cat " * 20, encoding="utf-8")
    answer = call("inspect", run, "--data", tmp_path / "other.txt", "--out", tmp_path / "b")
    assert answer.code == 0, answer.err
    assert "other.txt" in (tmp_path / "b" / "index.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_no_validation_has_seen(call: Any, run: Path, tmp_path: Path) -> None:
    young = shutil.copytree(run, tmp_path / "young")
    (young / "model.safetensors").unlink()
    assert call("inspect", young, "--length", "10").code == 0
    (young / "checkpoint.safetensors").unlink()
    answer = call("inspect", young)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "model.safetensors, which does not exist" in answer.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompt", ""], "expected text to look at, got none in the prompt"),
        (["--prompt", "a", "--data", "text.txt"], "expected --data or --prompt, not both"),
        (["--data", "none.txt"], "none.txt: no such file"),
        (["--out", "config.json"], "--out: expected a folder, got the file"),
    ],
)
def test_bad_input(call: Any, run: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    before = sorted(run.iterdir())
    answer = call("inspect", run, *arguments)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert message in answer.err
    assert sorted(run.iterdir()) == before


EXPLODING = [
    *("--cell", "rnn", "--cell-option", "nonlinearity=relu", "--cell-option", "gain=1.15", "--hidden", "16"),
    *("--length", "40", "--optimiser", "sgd", "--lr", "0.02", "--schedule", "constant", "--examples", "400"),
    *("--held-out", "50", "--epochs", "8", "--seed", "1"),
]


@pytest.mark.usefixtures("undrawn")
def test_what_explodes_is_diagnosed_and_clipping_mends_it(call: Any, tmp_path: Path) -> None:
    """relu whose recurrent weights start at 1.15 times the identity: 1.15 to the power of 40 is 268."""
    answer = call("train", "adding", *EXPLODING, "--clip-norm", "0", "--out", tmp_path / "bare")
    assert answer.code == 1
    found = re.search(r"training diverged at step (\d+): .*clip gradients by norm \(now off", answer.err)
    assert found, answer.err
    answer = call("inspect", tmp_path / "bare")
    assert answer.code == 0, answer.err
    assert f"explodes: training broke off at step {found[1]}; what helps: clip gradients by norm" in answer.out

    answer = call("train", "adding", *EXPLODING, "--clip-norm", "1", "--out", tmp_path / "clipped", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["squared_error"] < 1.0


def test_several_cells_are_trained_alike_and_compared(call: Any, tmp_path: Path) -> None:
    options = ["--gap", "4", "--examples", "300", "--held-out", "60", "--epochs", "2", "--hidden", "8"]
    out = tmp_path / "run"
    answer = call("train", "agreement", *options, "--cell", "rnn,gru-simplified", "--out", out)
    assert answer.code == 0, answer.err
    assert (out / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in out.iterdir()} == {"comparison.png", "rnn", "gru-simplified"}
    assert (out / "rnn" / "train.jsonl").read_bytes() == (out / "gru-simplified" / "train.jsonl").read_bytes()
    assert re.search(r"gru-simplified +4 +[\d.]+", answer.out)
    found = call("evaluate", out / "rnn", "--json").json
    assert found["chance"] == 50.0
    assert [row["gap"] for row in found["tables"]["by gap"]] == [0, 1, 2, 3, 4]
    # What is finished stays; what is missing is trained.
    shutil.rmtree(out / "gru-simplified")
    before = (out / "rnn" / "model.safetensors").stat().st_mtime_ns
    answer = call("train", "agreement", *options, "--cell", "rnn,gru-simplified", "--out", out, "--resume")
    assert answer.code == 0, answer.err
    assert (out / "rnn" / "model.safetensors").stat().st_mtime_ns == before
    assert (out / "gru-simplified" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["agreement", "words.txt"], "task agreement makes its data itself, got words.txt; leave them out"),
        (["agreement", "--cell", "rnn,rnn"], "--cell: expected different cells separated by commas, got rnn, rnn"),
        (["adding", "--cell", "rnn,ltsm"], "unknown cell 'ltsm' (did you mean 'lstm'?)"),
        (["copy", "--cell", "rnn", "--cell-option", "gain=-1"], "expected gain to be at least 0"),
    ],
)
def test_bad_input_of_tasks_that_make_their_data(call: Any, tmp_path: Path, arguments: list[str], message: str) -> None:
    out = tmp_path / "out"
    answer = call("train", *arguments, "--examples", "20", "--held-out", "10", "--epochs", "1", "--out", out)
    assert (answer.code, message in answer.err) == (2, True), answer.err
