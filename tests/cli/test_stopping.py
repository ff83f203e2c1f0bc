"""A run that is killed, interrupted or diverges: nothing is lost, and it goes on to the same bits."""

from __future__ import annotations

import json
import math
import os
import random
import re
import shlex
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from forked import PATIENCE, Forked
from throughtime.cli import main
from throughtime.training import load_tensors

TINY = ["--hidden", "16", "--embedding", "8", "--batch", "2", "--bptt", "10"]
STEPS = 250
PLAN = [*TINY, "--steps", str(STEPS), "--evaluate-every", "60", "--layers", "2"]

Launch = Callable[..., BaseProcess]


@pytest.fixture
def launch(forked: Callable[..., Forked]) -> Launch:
    """Starts the command line in a process that can be killed."""
    return lambda *arguments: forked(main, list(map(str, arguments))).process


@pytest.fixture(scope="module")
def whole(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped."""
    out = shelf / "whole"
    command = ["train", "text", str(shelf / "text.txt"), "--out", str(out), *PLAN]
    ended = Forked(tmp_path_factory.mktemp("whole"), main, command).end()
    assert ended.status == 0, ended.err
    return out


def checkpoint(run: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """The checkpoint as it stands, which must be whole at any moment; None where there is none yet."""
    path = run / "checkpoint.safetensors"
    if not path.exists():
        return None
    tensors, data = load_tensors(path)
    assert tensors["random"].numel() > 1000
    return tensors, data


def step(run: Path) -> int:
    """Steps done by the checkpoint, also while the run that writes it goes on: all is read from one open file."""
    path = run / "checkpoint.safetensors"
    if not path.exists():
        return 0
    whole = path.read_bytes()
    header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
    metadata = header.pop("__metadata__")
    assert len(safetensors.torch.load(whole)) == len(header)
    return int(json.loads(metadata["throughtime"])["progress"]["step"])


def wait(until: Callable[[], object], process: BaseProcess) -> None:
    end = time.monotonic() + PATIENCE
    while not until():
        assert process.exitcode is None, "it ended before it could be stopped"
        assert time.monotonic() < end
        time.sleep(0.001)


def log(run: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without the clock."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k not in ("seconds", "tokens_per_s")} for record in records]


def assert_same_end(run: Path, whole: Path) -> None:
    """Weights, checkpoint and log are those of the run that nothing stopped."""
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    tensors, data = load_tensors(run / "checkpoint.safetensors")
    expected, expected_data = load_tensors(whole / "checkpoint.safetensors")
    assert {name.partition(".")[0] for name in expected} >= {"model", "random"}
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(tensors[name], value), name
    for side in (data, expected_data):
        side["progress"].pop("seconds")
    assert data == expected_data
    assert log(run) == log(whole)
    # A kill in the midst of a write may leave a hidden file behind; what a user sees is the same.
    names, expected_names = ({file.name for file in folder.glob("[!.]*")} for folder in (run, whole))
    assert names == expected_names


def test_a_run_killed_again_and_again_ends_in_the_same_weights(
    launch: Launch, whole: Path, shelf: Path, tmp_path: Path
) -> None:
    draw = random.Random(11)
    run = tmp_path / "run"
    fresh = ["train", "text", shelf / "text.txt", "--out", run, *PLAN]
    again = ["train", "text", "--out", run, "--resume"]
    interval = ["--checkpoint-seconds", "0.05"]

    def go() -> BaseProcess:
        return launch(*(again if run.exists() else fresh), *interval)

    def kill(process: BaseProcess) -> int:
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        for path in run.glob("*.safetensors"):
            load_tensors(path)
        return step(run)

    # While it starts and reads the text: there is no folder yet, or a whole one.
    for seconds in (0.0, draw.uniform(0, 0.05), draw.uniform(0.05, 0.1)):
        process = go()
        time.sleep(seconds)
        kill(process)
        assert not run.exists() or (run / "config.json").exists()
    # Before the first checkpoint.
    process = go()
    wait(run.exists, process)
    kill(process)
    # In the midst of it, many times; every other time a checkpoint is written at every step, to be hit while it is.
    killed_at = []
    for number in range(6):
        interval = ["--checkpoint-seconds", "0" if number % 2 else "0.05"]
        before = step(run)
        goal = before + draw.randint(1, 20)
        process = go()
        wait(lambda goal=goal: step(run) >= goal, process)
        time.sleep(draw.uniform(0, 0.02))
        killed_at.append(kill(process))
        assert killed_at[-1] > before
    assert killed_at[0] > 0
    assert killed_at[-1] < STEPS
    process = go()
    process.join(PATIENCE)
    assert process.exitcode == 0
    assert_same_end(run, whole)


@pytest.mark.parametrize(
    ("options", "part", "there"),
    [
        # Whole sentences in an order of their own, without a state that is carried on.
        (["--sentences", "--bptt", "0"], "carried.", False),
        # Averaging begins when validation stops improving, here within the first 20 steps.
        (["--optimiser", "asgd", "--lr", "150", "--bptt", "12"], "average.", True),
        (
            ["--unit", "words", "--tied", "--cell", "gru-simplified", "--bptt", "5", "--zoneout", "0.2"],
            "carried.",
            True,
        ),
    ],
    ids=["sentences", "averaged", "zoneout"],
)
def test_other_ways_to_train_go_on_to_the_same_weights(
    launch: Launch, shelf: Path, tmp_path: Path, options: list[str], part: str, there: bool
) -> None:
    small = ["--hidden", "8", "--embedding", "4", "--batch", "4", "--held-out", "0.03"]
    options = [*small, "--steps", "60", "--evaluate-every", "5", *options]
    one, two = tmp_path / "one", tmp_path / "two"
    process = launch("train", "text", shelf / "text.txt", "--out", one, *options)
    process.join(PATIENCE)
    assert process.exitcode == 0
    process = launch("train", "text", shelf / "text.txt", "--out", two, *options, "--checkpoint-seconds", "0")
    wait(lambda: step(two) >= 20, process)
    process.kill()
    process.join()
    found = checkpoint(two)
    assert found is not None
    assert 20 <= found[1]["progress"]["step"] < 60
    assert any(name.startswith(part) for name in found[0]) == there
    process = launch("train", "text", "--out", two, "--resume")
    process.join(PATIENCE)
    assert process.exitcode == 0
    assert_same_end(two, one)


def test_ctrl_c_ends_after_the_step_and_says_how_to_go_on(
    call: Any, forked: Callable[..., Forked], whole: Path, shelf: Path, tmp_path: Path
) -> None:
    run = tmp_path / "my run"
    begun = forked(main, ["train", "text", str(shelf / "text.txt"), "--out", str(run), *PLAN])
    wait((run / "metrics.jsonl").exists, begun.process)  # its first line tells of step 20
    os.kill(begun.process.pid, signal.SIGINT)
    ended = begun.end()
    assert (ended.status, ended.out) == (130, "")
    assert "Traceback" not in ended.err
    last = ended.err.splitlines()[-1]
    found = re.fullmatch(r"stopped at step (\d+); go on with: (.*)", last)
    assert found
    assert int(found[1]) == step(run)
    assert 20 <= step(run) < STEPS
    resume = shlex.split(found[2])
    assert resume == ["throughtime", "train", "text", "--out", str(run), "--resume"]
    answer = call(*resume[1:])
    assert answer.code == 0
    assert f"resumed at step {found[1]}\n" in answer.err
    assert_same_end(run, whole)


def test_sigterm_ends_like_ctrl_c(launch: Launch, whole: Path, shelf: Path, tmp_path: Path) -> None:
    """What a scheduler sends before it takes the machine away."""
    run = tmp_path / "run"
    process = launch("train", "text", shelf / "text.txt", "--out", run, *PLAN)
    wait((run / "metrics.jsonl").exists, process)
    process.terminate()
    process.join(PATIENCE)
    assert process.exitcode == 130
    assert 0 < step(run) < STEPS
    process = launch("train", "text", "--out", run, "--resume")
    process.join(PATIENCE)
    assert process.exitcode == 0
    assert_same_end(run, whole)


def test_signals_mean_what_they_meant_after_training(call: Any, text: Path, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert call("train", "text", text, "--out", tmp_path / "run", *TINY, "--steps", "1").code == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_ctrl_c_elsewhere_is_one_line(
    call: Any, model: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("throughtime.applications.text_model.TextModel.score", interrupt)
    answer = call("score", model, "--line", "The cat")
    assert (answer.code, answer.err.strip()) == (130, "throughtime: interrupted")
    # While a long text is tokenised: the half-made folder goes.
    monkeypatch.setattr("throughtime.tasks.text.task.encode_to_file", interrupt)
    answer = call("train", "text", text, "--out", tmp_path / "deep" / "run", *TINY)
    assert (answer.code, answer.err.strip()) == (130, "throughtime: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_resuming_a_finished_run_changes_nothing(call: Any, text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = call("train", "text", text, "--out", run, *TINY, "--steps", "5", "--json").json
    files = {file.name: file.read_bytes() for file in run.iterdir()}
    answer = call("train", "text", "--out", run, "--resume", "--json")
    assert answer.json == first
    assert "resumed at step 5\n" in answer.err
    assert {file.name: file.read_bytes() for file in run.iterdir()} == files


def test_a_run_can_be_made_longer(call: Any, text: Path, tmp_path: Path) -> None:
    """Where the learning rate does not depend on the end, two epochs and one more are three."""
    options = ["--hidden", "8", "--embedding", "4", "--batch", "8", "--bptt", "50", "--schedule", "constant"]
    options += ["--evaluate-every", "5"]
    long, short = tmp_path / "long", tmp_path / "short"
    for run, epochs in ((long, 3), (short, 2)):
        assert call("train", "text", text, "--out", run, *options, "--epochs", epochs).code == 0
    assert step(short) * 3 == step(long) * 2
    assert call("train", "text", "--out", short, "--resume", "--epochs", 3).code == 0
    assert json.loads((short / "config.json").read_text())["settings"]["epochs"] == 3
    end, _ = load_tensors(short / "checkpoint.safetensors")
    expected, _ = load_tensors(long / "checkpoint.safetensors")
    assert end.keys() == expected.keys()
    assert all(torch.equal(end[name], value) for name, value in expected.items())


def test_text_files_are_not_needed_any_more(call: Any, text: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(text.read_bytes())
    run = tmp_path / "run"
    assert call("train", "text", tmp_path / "text.txt", "--out", run, *TINY, "--steps", "2").code == 0
    (tmp_path / "text.txt").unlink()
    moved = run.rename(tmp_path / "moved")
    assert call("train", "text", "--out", moved, "--resume", "--steps", "4").code == 0
    assert step(moved) == 4
    assert call("evaluate", moved).code == 0


DIVERGE = ["--cell", "rnn-relu", "--optimiser", "sgd", "--lr", "1e30", "--clip-norm", "0"]


def test_a_run_that_diverges_says_where_and_what_helps(call: Any, text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    answer = call("train", "text", text, "--out", run, *TINY, *DIVERGE, "--steps", "50", "--checkpoint-seconds", "0")
    assert (answer.code, answer.out) == (1, "")
    lines = [line for line in answer.err.splitlines() if line.startswith("throughtime: ")]
    assert lines == answer.err.splitlines()[-1:]
    found = re.match(
        r"throughtime: training diverged at step (\d+): loss (\S+), gradient norm (\S+); "
        r"lower the learning rate \(now \S+\), or clip gradients by norm \(now off; 1\.0 is a good start\), or ",
        lines[0],
    )
    assert found
    assert not (math.isfinite(float(found[2])) and math.isfinite(float(found[3])))
    assert 1 < int(found[1]) < 50
    # What stands is the last step that was sound; going on from it comes to the same end.
    assert step(run) == int(found[1]) - 1
    again = call("train", "text", "--out", run, "--resume")
    assert again.code == 1
    assert again.err.splitlines()[-1] == lines[0]
