"""What commands write lands in the folder that they were given, whoever made that folder, and whenever they end."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from throughtime.applications.folder.model_folder import staged
from throughtime.cli import main
from throughtime.cli import run as run_command
from throughtime.errors import UserError
from throughtime.tasks import TASKS

SMALL = ["--hidden", "4", "--layers", "1", "--batch", "2", "--steps", "1", "--checkpoint-seconds", "0"]
OPTIONS = {"text": ["--embedding", "4", "--bptt", "10"]}
MADE = [name for name, task in TASKS.items() if task.makes_data]


def below(folder: Path) -> dict[str, object]:
    """Everything in a folder: bytes, mode, and where links lead."""
    return {
        str(path.relative_to(folder)): (
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None,
            path.lstat().st_mode,
        )
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Trains a tiny model of a task, once."""
    folder = tmp_path_factory.mktemp("writing")
    (folder / "text.txt").write_text("the cat sat on the mat and ran\n" * 20)

    def trained(task: str) -> Path:
        out = folder / task
        if not out.exists():
            paths = [] if task in MADE else [str(folder / "text.txt")]
            made = ["--held-out", "10", "--examples", "10", "--cell", "gru"] if task in MADE else []
            arguments = ["train", task, *paths, "--out", str(out), *SMALL, *OPTIONS.get(task, []), *made]
            assert run_command([*arguments, "--tensorboard"]) == 0
        return out

    return trained


@pytest.mark.parametrize("task", ["text", *MADE])
def test_links_planted_in_a_folder_lead_nowhere(
    task: str, train: Callable[[str], Path], call: Any, tmp_path: Path
) -> None:
    """Every file that a run has is a link to one outside, in turn, and so is every name that is made beside it."""
    pytest.importorskip("tensorboard")
    whole = train(task)
    names = [path.name for path in whole.iterdir()]
    assert {"config.json", "checkpoint.safetensors", "model.safetensors", "tensorboard"} < set(names)
    for name in [*names, "inspection", ".lock", "metrics.jsonl"]:
        run, outside = tmp_path / name / "run", tmp_path / name / "outside"
        shutil.copytree(whole, run)
        outside.mkdir()
        if (run / name).exists():
            (run / name).rename(outside / name)
        elif name == "inspection":
            (outside / name).mkdir()
        else:
            (outside / name).write_text('{"step": 1}\n')
        (run / name).symlink_to(outside / name)
        for other in names:
            (outside / f"{other}.victim").write_text("theirs")
            (outside / f"{other}.victim").chmod(0o600)
            (run / f".{other}.partial").symlink_to(outside / f"{other}.victim")
        before = below(outside)
        for command in (
            ["train", task, "--out", run, "--resume", "--steps", "2", "--tensorboard"],
            *([["inspect", run, "--rows", "2", "--length", "10"]] if name == "inspection" else []),
        ):
            answer = call(*command)
            assert len(answer.err.splitlines()) == 1
            assert answer.code == 2
            assert "a link that leads out of the model folder is not followed" in answer.err
        assert below(outside) == before, name
        shutil.rmtree(tmp_path / name)


def test_a_linked_folder_of_a_comparison_is_not_entered(
    train: Callable[[str], Path], call: Any, tmp_path: Path
) -> None:
    shutil.copytree(train("text"), tmp_path / "theirs")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "gru").symlink_to(tmp_path / "theirs")
    before = below(tmp_path / "theirs")
    answer = call("train", "text", "--out", tmp_path / "out", "--cell", "gru,lstm", "--resume", "--steps", "2")
    assert answer.code == 2
    assert "out/gru: expected a folder, found a link" in answer.err
    assert below(tmp_path / "theirs") == before


def test_of_two_fresh_runs_the_second_is_told(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"

    def begin() -> None:
        with staged(out) as first:
            (first / "config.json").write_text("the first")
            first.rename(out)  # what another process does when it is quicker
            first.mkdir()
            (first / "config.json").write_text("the second")

    with pytest.raises(UserError, match="run: another training has made it meanwhile; pass --resume"):
        begin()
    assert (out / "config.json").read_text() == "the first"
    assert [path.name for path in out.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("suffix", ["tokenizer.json", "train.ids", "valid.ids", "config.json"])
def test_a_full_disk_while_preparing(
    suffix: str, error: int, text: Path, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, failing, write = os.open, set(), os.write

    def watched(path: Any, *given: Any, **named: Any) -> int:
        number = opening(path, *given, **named)
        (failing.add if f".{suffix}." in str(path) else failing.discard)(number)
        return number

    def fail(number: int, data: bytes) -> int:
        if number in failing:
            raise OSError(error, os.strerror(error))
        return write(number, data)

    monkeypatch.setattr("throughtime.files.os.open", watched)
    monkeypatch.setattr("throughtime.files.os.write", fail)
    answer = call("train", "text", text, "--out", tmp_path / "a" / "run", *SMALL, *OPTIONS["text"])
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert line.startswith(f"throughtime: {tmp_path}/a/.run.")
    assert line.endswith(f"/{suffix}: {os.strerror(error)}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["metrics.jsonl", "checkpoint.safetensors", "model.safetensors"])
def test_a_full_disk_while_training(name: str, text: Path, call: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from throughtime import files

    run = tmp_path / "run"
    checked = files.errors_of

    def full(path: Path, *others: Path) -> Any:
        def fail(number: int, data: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        if path.name == name:
            monkeypatch.setattr(files, "_write", fail)
        return checked(path, *others)

    monkeypatch.setattr(files, "errors_of", full)
    answer = call("train", "text", text, "--out", run, *SMALL, *OPTIONS["text"])
    assert answer.code == 2
    assert answer.err.splitlines()[-1] == f"throughtime: {run / name}: No space left on device"
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


@pytest.fixture
def signals() -> Iterator[None]:
    """The command line may leave some that are not heard: it ends with its process."""
    ends = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = {number: signal.getsignal(number) for number in ends}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_preparing_leaves_nothing(
    number: signal.Signals, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def interrupt(*given: object) -> None:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # a closed terminal may send it twice

    monkeypatch.setattr("throughtime.tasks.text.task.encode_to_file", interrupt)
    with pytest.raises(SystemExit) as ended:
        main(["train", "text", str(text), "--out", str(tmp_path / "deep" / "run"), *SMALL])
    assert ended.value.code == 130
    assert capsys.readouterr().err.strip() == "throughtime: interrupted"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("launched", [True, False])
def test_a_signal_while_it_ends_is_no_traceback(
    launched: bool, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """torchrun sends one to all of its processes once one of them has ended; what each of them says stands."""
    from throughtime.api.progress import ProgressObserver

    def end(*given: object) -> None:
        raise UserError("the other one ended")

    def interrupt(*given: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    if launched:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "mine")
    monkeypatch.setattr(ProgressObserver, "step", end)
    monkeypatch.setattr("throughtime.cli.visible", lambda message: interrupt() or message)  # what is told goes by it
    with pytest.raises(SystemExit) as ended:
        main(["train", "text", str(text), "--out", str(tmp_path / "run"), *SMALL, *OPTIONS["text"]])
    assert ended.value.code == (2 if launched else 130)
    assert ("throughtime: the other one ended\n" in capsys.readouterr().err) is launched
    assert not (tmp_path / "run" / ".lock").exists()
    interrupt()  # while Python ends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_every_signal_that_ends_a_run_leaves_a_checkpoint(
    number: signal.Signals, text: Path, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from throughtime.api.progress import ProgressObserver

    def send(self: object, report: Any) -> None:
        if report.step == 2:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(ProgressObserver, "step", send)
    run = tmp_path / "run"
    before = signal.getsignal(number)
    answer = call("train", "text", text, "--out", run, *SMALL[:-4], "--steps", "9", *OPTIONS["text"])
    assert answer.code == 130
    assert f"stopped at step 2; go on with: throughtime train text --out {run} --resume" in answer.err
    assert (run / "checkpoint.safetensors").exists()
    assert signal.getsignal(number) == before


def test_a_signal_that_is_ignored_stays_ignored(
    text: Path, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As below nohup."""
    from throughtime.api.progress import ProgressObserver

    monkeypatch.setattr(ProgressObserver, "step", lambda self, report: os.kill(os.getpid(), signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        answer = call("train", "text", text, "--out", tmp_path / "run", *SMALL, *OPTIONS["text"])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert answer.code == 0


def test_what_a_run_goes_on_from_is_on_the_disk_before_its_name(
    text: Path, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is waited for, then the folder, then its parents; metrics before the checkpoint that follows them."""
    done: list[tuple[str, str]] = []
    sync, move = os.fsync, os.replace

    def watched_sync(number: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{number}")).name
        done.append(("sync", ".staged" if name.startswith(".run.") else name.split(".partial")[0]))
        sync(number)

    def watched_move(source: Path, target: Path) -> None:
        done.append(("move", Path(target).name))
        move(source, target)

    monkeypatch.setattr("throughtime.files.os.fsync", watched_sync)
    monkeypatch.setattr("throughtime.files.os.replace", watched_move)
    out = tmp_path / "a" / "b" / "run"
    assert call("train", "text", text, "--out", out, *SMALL, *OPTIONS["text"]).code == 0
    renamed = done.index(("move", "run"))
    moved = [name for kind, name in done[:renamed] if kind == "move"]
    assert moved == ["tokenizer.json", "train.ids", "valid.ids", "config.json", "data.json"]
    for name in moved:
        synced = [number for number, (kind, what) in enumerate(done) if kind == "sync" and what.startswith(f".{name}.")]
        assert synced[0] < done.index(("move", name)), name
    assert done[renamed - 1] == ("sync", ".staged")
    assert done[renamed + 1 : renamed + 4] == [("sync", "b"), ("sync", "a"), ("sync", tmp_path.name)]
    last = len(done) - 1 - done[::-1].index(("move", "checkpoint.safetensors"))
    assert ("sync", "metrics.jsonl") in done[renamed:last]


def test_a_run_of_one_cell_goes_on_where_a_task_compares_several(
    train: Callable[[str], Path], call: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(train(MADE[0]), run)
    answer = call("train", MADE[0], "--out", run, "--resume", "--steps", "2", "--json")
    assert answer.json["steps"] == 2
    assert not list(run.glob("*/config.json"))
