"""Weights and checkpoints of strangers: what does not fit is refused in one line, before anything is taken over."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from throughtime.data import Streams, TokenBatch
from throughtime.errors import UserError
from throughtime.layers import CRF
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.training import (
    OptimiserName,
    Plan,
    Trainer,
    load_model,
    load_tensors,
    load_weights,
    save_tensors,
    save_weights,
)

Tensors = dict[str, torch.Tensor]


def refusal(act: Callable[[], object], path: Path) -> str:
    with pytest.raises(UserError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def network(width: int = 3) -> nn.Module:
    return nn.ModuleDict({"first": nn.Linear(2, width), "last": nn.Linear(width, 2, bias=False)})


def raw(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "whole",
    [
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 2**63) + b"{}",
        raw(b"[" * 10_000),
        raw(b'{"a": ' + b"9" * 5000 + b"}"),
        raw(b'{"\\ud800": {}}'),
        raw(b"\xff\xff"),
        raw([]),
        raw({"a": 1}),
        raw({"a": {**F32, "shape": [-2]}}, bytes(8)),
        raw({"a": {**F32, "shape": [True, 2]}}, bytes(8)),
        raw({"a": {**F32, "shape": [10**12]}}, bytes(8)),
        raw({"a": {**F32, "dtype": "F128"}}, bytes(8)),
        raw({"a": {**F32, "dtype": []}}, bytes(8)),
        raw({"a": {**F32, "data_offsets": [0, 10**12]}}, bytes(8)),
        raw({"a": F32, "b": F32}, bytes(16)),
        raw({"a": F32, "b": F32}, bytes(8)),
        raw({"a": F32}, bytes(9)),
        raw({"a": F32, "__metadata__": {"throughtime": 1}}, bytes(8)),
        raw({"a": F32, "__metadata__": []}, bytes(8)),
        raw({"a": F32, "__metadata__": {"throughtime": "[]"}}, bytes(8)),
        raw({"a": F32, "__metadata__": {"throughtime": "[" * 10_000}}, bytes(8)),
        raw(b'{"a": ' + json.dumps(F32).encode() + b', "a": {"dtype": "I32", "shape": [2], "data_offsets": [0, 8]}}')
        + bytes(9),
    ],
)
def test_headers_that_say_what_is_not_so(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(whole)
    refusal(lambda: load_tensors(path), path)
    refusal(lambda: load_model(path, network), path)


@pytest.mark.parametrize("kind", ["fifo", "zero", "folder"])
def test_what_is_no_file_is_not_read(kind: str, tmp_path: Path) -> None:
    for name in ("model.safetensors", "checkpoint.safetensors"):
        path = tmp_path / name
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "zero":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
        assert "expected a regular file" in refusal(lambda path=path: load_tensors(path), path)  # type: ignore[misc]
    assert "expected a regular file" in refusal(trainer_of(tmp_path).resume, tmp_path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none_are_told_by_name(bad: float, tmp_path: Path) -> None:
    path, model = tmp_path / "model.safetensors", network()
    with torch.no_grad():
        model.get_parameter("last.weight")[1, :2] = bad
    save_weights(path, model)
    for act in (lambda: load_weights(path, network()), lambda: load_model(path, network)):
        assert "got 2 of 6 in last.weight that are NaN or infinite" in refusal(act, path)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.bool])
def test_weights_of_another_kind_of_number(kind: torch.dtype, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(path, network().to(kind) if kind.is_floating_point else network())
    if not kind.is_floating_point:
        save_tensors(path, {name: value.to(kind) for name, value in load_tensors(path)[0].items()})
    for act in (lambda: load_weights(path, network()), lambda: load_model(path, network)):
        assert f"first.bias: expected [3], got [3] of {str(kind)[6:]}" in refusal(act, path)


class Own(nn.Module):
    """A model of the user's own: a buffer that no file holds, code that looks at values."""

    def __init__(self, *, looks: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.register_buffer("steps", torch.arange(4), persistent=False)
        if looks and float(self.first.bias.abs().sum()) < 0:
            raise AssertionError


@pytest.mark.parametrize("looks", [False, True])
def test_what_no_file_holds_is_made_as_ever(looks: bool, tmp_path: Path) -> None:
    path, saved = tmp_path / "model.safetensors", Own()
    save_weights(path, saved)
    before = torch.get_rng_state()
    loaded = load_model(path, lambda: Own(looks=looks))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(loaded.first.weight, saved.first.weight)
    assert loaded.get_buffer("steps").tolist() == [0, 1, 2, 3]


def test_no_start_values_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = LanguageModelConfig(vocabulary=9, hidden=8, embedding=4, options={"memory": 20.0})
    saved = LanguageModel(config)
    save_weights(tmp_path / "model.safetensors", saved)
    before = torch.get_rng_state()
    drawn = list[torch.device]()
    orthogonal = nn.init.orthogonal_

    def watched(weight: torch.Tensor) -> torch.Tensor:
        drawn.append(weight.device)
        return orthogonal(weight)

    monkeypatch.setattr(nn.init, "orthogonal_", watched)
    loaded = load_model(tmp_path / "model.safetensors", lambda: LanguageModel(config))
    assert {device.type for device in drawn} == {"meta"}
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in loaded.parameters())


def test_constants_of_a_crf_are_made(tmp_path: Path) -> None:
    save_weights(tmp_path / "m", nn.ModuleList([CRF(2, trained=False), nn.Linear(1, 1)]))
    loaded = load_model(tmp_path / "m", lambda: nn.ModuleList([CRF(2, trained=False), nn.Linear(1, 1)]))
    assert loaded[0].get_buffer("transitions").tolist() == [[0.0] * 3] * 3


def test_a_model_of_endless_layers_ends_at_the_file(tmp_path: Path) -> None:
    path, made = tmp_path / "model.safetensors", list[int]()
    save_weights(path, network())

    def build() -> nn.Module:
        layers = nn.ModuleList()
        while True:
            layers.append(nn.Linear(1, 1))
            made.append(1)

    assert "more than the 3 tensors of this file" in refusal(lambda: load_model(path, build), path)
    assert len(made) < 10


def trainer_of(folder: Path, optimiser: OptimiserName = "adam") -> Trainer[TokenBatch]:
    torch.manual_seed(0)
    model = LanguageModel(LanguageModelConfig(vocabulary=5, cell="rnn", hidden=3, embedding=2))
    plan = Plan(epochs=2, checkpoint_seconds=0.0, momentum=0.5, optimiser=optimiser, average=0.9)
    return Trainer(model, Streams(np.array([2, 3, 4, 1] * 6), 2, 3, 1), plan, folder)


def put(*path: Any, value: Any) -> Callable[[Tensors, dict[str, Any]], None]:
    def change(tensors: Tensors, data: dict[str, Any]) -> None:
        inner: Any = data
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value

    return change


def tensor(name: str, value: torch.Tensor | None) -> Callable[[Tensors, dict[str, Any]], None]:
    def change(tensors: Tensors, data: dict[str, Any]) -> None:
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value

    return change


NAN = float("nan")
STRANGE: dict[str, Callable[[Tensors, dict[str, Any]], None]] = {
    **{
        f"progress.{name} {value!r}": put("progress", name, value=value)
        for name in ("step", "epoch", "index", "tokens", "best_step", "stale", "drops")
        for value in (-1, 1.5, True, "x", None, [], 10**30)
    },
    **{f"seconds {value!r}": put("progress", "seconds", value=value) for value in (-1.0, NAN, float("inf"), "x", True)},
    **{f"best {value!r}": put("progress", "best", value=value) for value in (NAN, "x", None, -float("inf"))},
    "figures": put("progress", "best_figures", value={"loss": "x"}),
    "figures that are a list": put("progress", "best_figures", value=[]),
    "finished": put("progress", "finished", value=1),
    "unknown member": put("progress", "more", value=1),
    **{f"progress {value!r}": put("progress", value=value) for value in (None, [], 1)},
    **{f"clipper {value!r}": put("clipper", value=value) for value in (None, 1, [1], [1, 2], [-1, -1], [1.0, 0], "ab")},
    **{f"averaged {value!r}": put("averaged", value=value) for value in (None, -1, 0, 1.5, True, "x")},
    **{f"groups {value!r}": put("groups", value=value) for value in (None, [], {}, [1], [{}, {}], "x")},
    **{f"lr {value!r}": put("groups", 0, "lr", value=value) for value in ("x", NAN, None, [], True)},
    **{f"betas {value!r}": put("groups", 0, "betas", value=value) for value in ([0.9], [0.9, 1.0], ["a", "b"], 0.9)},
    "parameters": put("groups", 0, "params", value=[0, 0]),
    "another kernel": put("groups", 0, "capturable", value=True),
    "random of another size": tensor("random", torch.zeros(3, dtype=torch.uint8)),
    "random of another kind": tensor("random", torch.zeros(5056)),
    "no random": tensor("random", None),
    "random that is no state": tensor("random", torch.full((5056,), 255, dtype=torch.uint8)),
    "carried of another width": tensor("carried.h", torch.zeros(1, 2, 4)),
    "carried of other streams": tensor("carried.h", torch.zeros(1, 1, 3)),
    "carried of another kind": tensor("carried.h", torch.zeros(1, 2, 3, dtype=torch.int64)),
    "carried of another name": tensor("carried.c", torch.zeros(1, 2, 3)),
    "carried NaN": tensor("carried.h", torch.full((1, 2, 3), NAN)),
    "average of another width": tensor("average.softmax.bias", torch.zeros(4)),
    "average of another name": tensor("average.more", torch.zeros(4)),
    "average NaN": tensor("average.softmax.bias", torch.full((5,), NAN)),
    "no average": tensor("average.softmax.bias", None),
    "optimiser of another width": tensor("optimiser.0.exp_avg", torch.zeros(1)),
    "optimiser of another kind": tensor("optimiser.0.exp_avg", torch.zeros(5, 2, dtype=torch.float64)),
    "optimiser that is huge": tensor("optimiser.999999999999.exp_avg", torch.zeros(1)),
    "optimiser of another name": tensor("optimiser.0.more", torch.zeros(5, 2)),
    "optimiser of no number": tensor("optimiser.x.exp_avg", torch.zeros(5, 2)),
    "optimiser NaN": tensor("optimiser.0.exp_avg", torch.full((5, 2), NAN)),
    "optimiser step NaN": tensor("optimiser.0.step", torch.tensor(NAN)),
    "optimiser step below zero": tensor("optimiser.0.step", torch.tensor(-1.0)),
    "no step": tensor("optimiser.0.step", None),
    "weights NaN": tensor("model.softmax.bias", torch.full((5,), NAN)),
    "weights of another width": tensor("model.softmax.bias", torch.zeros(4)),
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("stopped")
    trainer = trainer_of(folder)
    for _ in range(3):
        trainer.stop()
        trainer.run()
    return (folder / "checkpoint.safetensors").read_bytes()


@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_checkpoint_is_refused_and_nothing_of_it_taken(strange: str, stopped: bytes, tmp_path: Path) -> None:
    path, trainer = tmp_path / "checkpoint.safetensors", trainer_of(tmp_path)
    path.write_bytes(stopped)
    tensors, data = load_tensors(path)
    assert {"carried.h", "average.softmax.bias", "optimiser.0.exp_avg"} <= tensors.keys()
    STRANGE[strange](tensors, data)
    save_tensors(path, tensors, data)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    refusal(trainer.resume, path)
    assert trainer.progress.step == 0
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd", "asgd"])
def test_what_training_wrote_is_taken_whatever_the_optimiser(optimiser: OptimiserName, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole, parts = (trainer_of(tmp_path / name, optimiser) for name in ("whole", "parts"))
    torch.manual_seed(5)
    whole.run()
    torch.manual_seed(5)
    for _ in range(3):
        parts.stop()
        parts.run()
    again = trainer_of(tmp_path / "parts", optimiser)
    again.resume()
    assert again.progress == parts.progress
    again.run()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name])
