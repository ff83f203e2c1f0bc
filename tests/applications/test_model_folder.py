"""A model folder stands whole or not at all, and reading one runs no code."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import torch

from throughtime.applications.folder.model_folder import FORMAT, ModelFolder, choose_device, staged
from throughtime.errors import UserError


def test_a_run_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    run = ModelFolder(tmp_path, "text", {"lr": 0.5, "cell": "lstm"}, {"cell": "lstm"}, {"train": {"name": "猫"}})
    run.save()
    assert ModelFolder.open(tmp_path, "text") == run
    value = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert value["format"] == FORMAT
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_a_folder_appears_only_when_all_of_it_is_there(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out"
    with staged(out) as folder:
        (folder / "file").write_text("whole")
        assert folder != out
        assert not out.exists()
        assert folder.parent == out.parent  # on the same file system: the move is one step
    assert (out / "file").read_text() == "whole"
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o755  # others may read a model


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_of_a_folder_that_failed(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "kept").mkdir()

    def fail() -> None:
        with staged(tmp_path / "kept" / "new" / "er" / "out") as folder:
            (folder / "file").write_text("a part")
            raise error

    with pytest.raises(error):
        fail()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["kept"]


def test_what_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="already exists; pass --resume"), staged(tmp_path / "out"):
        raise AssertionError
    with pytest.raises(UserError, match="already exists; pass another --out"), staged(tmp_path / "file"):
        raise AssertionError
    with pytest.raises(UserError, match="cannot be made"), staged(tmp_path / "file" / "out"):
        raise AssertionError
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "mine", "out"]


def made(folder: Path, settings: object, model: object) -> Path:
    ModelFolder(folder, "text", {"cell": settings}, {"cell": model}, {}).save()
    return folder


def test_a_built_in_cell_needs_no_leave(tmp_path: Path) -> None:
    made(tmp_path, "gru", "gru")
    ModelFolder.open(tmp_path, "text")
    ModelFolder.open(tmp_path, "text", "gru")
    with pytest.raises(UserError, match="expected --cell gru, which made this model, got lstm"):
        ModelFolder.open(tmp_path, "text", "lstm")


@pytest.mark.parametrize("cell", ["os:system", "a.b:C", ":"])
def test_code_outside_of_the_folder_is_run_only_when_named(tmp_path: Path, cell: str) -> None:
    made(tmp_path, cell, cell)
    with pytest.raises(UserError, match=f"pass --cell {cell} if you trust it"):
        ModelFolder.open(tmp_path, "text")
    with pytest.raises(UserError, match="which made this model"):
        ModelFolder.open(tmp_path, "text", "other:Cell")
    assert ModelFolder.open(tmp_path, "text", cell).said == {cell}


@pytest.mark.parametrize(("settings", "model"), [("os:system", "lstm"), ("lstm", "os:system"), (None, None), (1, 1)])
def test_what_builds_is_what_was_asked_for(tmp_path: Path, settings: object, model: object) -> None:
    made(tmp_path, settings, model)
    with pytest.raises(UserError, match="expected the same cell in 'settings' and 'model'"):
        ModelFolder.open(tmp_path, "text")


def test_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="pass --device cpu"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    assert choose_device("cpu") == torch.device("cpu")
