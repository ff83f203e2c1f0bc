"""Weights and checkpoints on disk: whole or not at all, refused in one line when damaged, and never code."""

from __future__ import annotations

import json
import os
import pickle
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from throughtime.data import Streams, TokenBatch
from throughtime.errors import UserError
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.training import Plan, Trainer, load_tensors, load_weights, save_tensors, save_weights


def network(width: int = 3, **more: nn.Module) -> nn.Module:
    return nn.ModuleDict({"first": nn.Linear(2, width), "last": nn.Linear(width, 2, bias=False), **more})


def trainer_of(folder: Path) -> Trainer[TokenBatch]:
    torch.manual_seed(0)
    model = LanguageModel(LanguageModelConfig(vocabulary=5, cell="rnn", hidden=3, embedding=2))
    plan = Plan(epochs=2, checkpoint_seconds=0.0, momentum=0.5, optimiser="sgd")
    return Trainer(model, Streams(np.array([2, 3, 4, 1] * 6), 2, 3, 1), plan, folder)


def stopped(folder: Path, steps: int = 3) -> Trainer[TokenBatch]:
    trainer = trainer_of(folder)
    trainer.progress.seconds = 0.0
    for _ in range(steps):
        trainer.stop()
        trainer.run()
    return trainer


def one_line(act: Callable[[], object], path: Path) -> str:
    with pytest.raises(UserError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
def test_tensors_and_data_come_back_as_they_were(kind: torch.dtype, tmp_path: Path) -> None:
    torch.manual_seed(1)
    tensors = {
        "matrix": (torch.randn(3, 4) * 9).to(kind),
        "turned": (torch.randn(3, 4) * 9).to(kind).t(),
        "number": torch.tensor(1).to(kind),
        "nothing": torch.zeros(0, 2, dtype=kind),
    }
    data = {"text": "Öl, 雨 \n", "number": 0.1, "infinite": float("inf"), "none": None, "list": [1, [True]]}
    path = tmp_path / "t.safetensors"
    save_tensors(path, tensors, data)
    loaded, found = load_tensors(path)
    assert found == data
    assert loaded.keys() == tensors.keys()
    for name, value in tensors.items():
        assert loaded[name].dtype == kind
        assert torch.equal(loaded[name], value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.safetensors"]


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    first, second = network(), network()
    save_weights(tmp_path / "w.safetensors", first)
    load_weights(tmp_path / "w.safetensors", second)
    for name, value in second.state_dict().items():
        assert torch.equal(value, first.state_dict()[name])


def crash_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def half(number: int, data: bytes) -> int:
        write(number, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("throughtime.files.os.write", half)


def test_a_crash_while_writing_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    trainer = stopped(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    old, weights = path.read_bytes(), {n: v.clone() for n, v in trainer.model.state_dict().items()}
    with pytest.MonkeyPatch.context() as patch:
        crash_half_way(patch)
        with pytest.raises(OSError, match="No space left"):
            trainer.run()
    assert trainer.progress.step == 4
    assert path.read_bytes() == old
    again = trainer_of(tmp_path)
    again.resume()
    assert again.progress.step == 3
    for name, value in again.model.state_dict().items():
        assert torch.equal(value, weights[name])
    again.run()
    assert load_tensors(path)[1]["progress"]["step"] == 8


def test_a_crash_while_writing_leaves_the_old_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, first, second = tmp_path / "w.safetensors", network(), network()
    save_weights(path, first)
    crash_half_way(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        save_weights(path, second)
    loaded = network()
    load_weights(path, loaded)
    assert torch.equal(loaded.state_dict()["first.weight"], first.state_dict()["first.weight"])


def test_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Otherwise a power cut right after the move could leave an empty file under the name.
    path, seen = tmp_path / "w.safetensors", list[str]()
    sync, move = os.fsync, os.replace

    def watched_sync(number: int) -> None:
        seen.append("folder" if os.fstat(number).st_ino == tmp_path.stat().st_ino else "file")
        sync(number)

    def watched_move(source: Path, target: Path) -> None:
        seen.append("move")
        move(source, target)

    monkeypatch.setattr("throughtime.files.os.fsync", watched_sync)
    monkeypatch.setattr("throughtime.files.os.replace", watched_move)
    save_weights(path, network())
    assert seen == ["file", "move", "folder"]


def cuts(whole: bytes) -> Iterator[bytes]:
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    for size in (0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(whole) - 1):
        yield whole[:size]
    yield b"\0" * len(whole)
    yield b"\xff" * len(whole)
    yield b"not weights at all"
    yield whole + b"\0"


def test_cut_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(path, network())
    for damaged in list(cuts(path.read_bytes())):
        path.write_bytes(damaged)
        message = one_line(lambda: load_weights(path, network()), path)
        assert "expected a whole safetensors file; this one is damaged or cut" in message


def test_weights_that_are_missing_or_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    assert "which does not exist" in one_line(lambda: load_weights(path, network()), path)
    path.mkdir()
    one_line(lambda: load_weights(path, network()), path)


def test_a_cut_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    stopped(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    for damaged in list(cuts(path.read_bytes())):
        path.write_bytes(damaged)
        one_line(trainer_of(tmp_path).resume, path)


def test_a_checkpoint_with_flipped_bits_is_read_or_refused(tmp_path: Path) -> None:
    # Anywhere in the header: names, shapes, offsets, the position in the data, the optimiser's settings.
    trainer = stopped(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    whole = path.read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    dice = random.Random(6)
    for at in [dice.randrange(8, header) for _ in range(300)]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << dice.randrange(7))]) + whole[at + 1 :])
        with suppress(UserError):  # anything else would be shown as a traceback
            trainer.resume()


@pytest.mark.parametrize("missing", ["progress", "groups", "averaged", "clipper", "everything"])
def test_a_checkpoint_without_its_data(missing: str, tmp_path: Path) -> None:
    stopped(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    tensors, data = load_tensors(path)
    data.pop(missing, None)
    save_tensors(path, tensors, None if missing == "everything" else data)
    assert "the checkpoint is damaged" in one_line(trainer_of(tmp_path).resume, path)


def test_a_checkpoint_without_its_random_state(tmp_path: Path) -> None:
    stopped(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    tensors, data = load_tensors(path)
    del tensors["random"]
    save_tensors(path, tensors, data)
    assert "the checkpoint is damaged" in one_line(trainer_of(tmp_path).resume, path)


def test_a_trained_model_whose_checkpoint_is_gone(tmp_path: Path) -> None:
    trainer_of(tmp_path).run()
    path = tmp_path / "checkpoint.safetensors"
    path.unlink()
    assert "train again into another folder" in one_line(trainer_of(tmp_path).resume, path)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (network(4), "3 differ, first first.bias: expected [3], got [4]"),
        (network(more=nn.Linear(1, 1)), "2 differ, first more.bias: expected none, got [1]"),
        (nn.ModuleDict({"first": nn.Linear(2, 3)}), "1 differ, first last.weight: expected [2, 3], got none"),
    ],
)
def test_weights_of_another_model_are_named(other: nn.Module, named: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(path, other)
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert named in one_line(lambda: load_weights(path, model), path)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.fixture
def no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a file was unpickled")

    for place, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(place, name, refuse)
    monkeypatch.setattr("torch.serialization.load", refuse)
    monkeypatch.setattr("torch._weights_only_unpickler.Unpickler", refuse)
    monkeypatch.setattr("builtins.eval", refuse)


def test_loading_unpickles_nothing(tmp_path: Path, no_code: None) -> None:
    trainer = stopped(tmp_path)
    again = trainer_of(tmp_path)
    again.resume()
    again.run()
    load_weights(tmp_path / "model.safetensors", trainer.model)


def test_a_pickle_under_the_name_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return Path.touch, (str(tmp_path / "ran"),)  # type: ignore[return-value]

    path = tmp_path / "model.safetensors"
    for bomb in (pickle.dumps(Bomb()), b""):
        path.write_bytes(bomb)
        one_line(lambda: load_weights(path, network()), path)
    torch.save({"first.weight": torch.ones(1)}, path)
    one_line(lambda: load_weights(path, network()), path)
    assert not (tmp_path / "ran").exists()


def test_what_is_beside_the_tensors_is_json(tmp_path: Path) -> None:
    stopped(tmp_path)
    raw = (tmp_path / "checkpoint.safetensors").read_bytes()
    header: Mapping[str, Any] = json.loads(raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]])
    data = json.loads(header["__metadata__"]["throughtime"])
    assert sorted(data) == ["averaged", "clipper", "groups", "progress"]
    assert data["progress"]["step"] == 3
