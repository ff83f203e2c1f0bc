"""One training at a time in a run's folder, however the one before ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from forked import Forked, execute
from throughtime.errors import UserError
from throughtime.training.lock import locked

HOLD = """
import signal
from pathlib import Path
from throughtime.training.lock import locked

with locked(Path({folder!r})):
    print("held", flush=True)
    signal.pause()
"""


@pytest.fixture
def holder(forked: Callable[..., Forked], tmp_path: Path) -> BaseProcess:
    """Another process that has the lock."""
    begun = forked(execute, HOLD.format(folder=str(tmp_path)))
    assert begun.line() == "held"
    return begun.process


def test_the_second_is_told_of_the_first_and_a_kill_ends_the_lock(holder: BaseProcess, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path}: process {holder.pid} is training it"), locked(tmp_path):
        raise AssertionError
    (tmp_path / "model.safetensors").write_bytes(b"read while it is trained")
    assert (tmp_path / "model.safetensors").read_bytes() == b"read while it is trained"
    holder.kill()
    holder.join()
    assert (tmp_path / ".lock").exists()
    (tmp_path / f".model.safetensors.{'0' * 16}.partial").write_bytes(b"a part")
    with locked(tmp_path):
        assert int((tmp_path / ".lock").read_text()) == os.getpid()
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_folder_that_is_trained_can_be_moved(holder: BaseProcess, tmp_path: Path) -> None:
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    with pytest.raises(UserError, match=f"process {holder.pid} is training it"), locked(moved):
        raise AssertionError
    moved.rename(tmp_path)


def test_the_lock_of_another_is_left_alone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with locked(run):
        run.rename(tmp_path / "moved")
        run.mkdir()
        (run / ".lock").write_text("another's")
    assert (run / ".lock").read_text() == "another's"


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder"])
def test_a_lock_that_is_no_file_is_refused(kind: str, tmp_path: Path) -> None:
    run, victim = tmp_path / "run", tmp_path / "victim"
    run.mkdir()
    if kind == "fifo":
        os.mkfifo(run / ".lock")
    elif kind == "folder":
        (run / ".lock").mkdir()
    else:
        (run / ".lock").symlink_to(victim)
    if kind == "link":
        victim.write_text("theirs")
    with pytest.raises((UserError, OSError), match=r"found a (link|folder)|Is a directory"), locked(run):
        raise AssertionError
    assert victim.exists() == (kind == "link")
    assert not victim.exists() or victim.read_text() == "theirs"
