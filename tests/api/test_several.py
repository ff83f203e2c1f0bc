"""Any number of processes trains the same weights, whatever the model, and also where they change on the way."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed import HashStore

import throughtime
from made_data import MAKERS, settings_of
from several import COUNT, Case, LostError, lose, work
from throughtime.applications.folder.model_folder import choose_device
from throughtime.errors import UserError
from throughtime.training import load_tensors
from throughtime.training.processes import Ranks, acting_as
from throughtime.training.processes.launch import grouped

STEPS = 20
UNDRAWN = {"dropout": 0.0, "recurrent_dropout": 0.0, "zoneout": 0.0}
COMMON = {"hidden": 4, "batch": 4, "steps": STEPS, "evaluate_every": 10, "seed": 3, "deterministic": True, "shards": 4}


def entities(folder: Path) -> list[str]:
    """Sentences of one word to six."""
    text = "".join("".join(f"w{n}\t{'B-loc' if n == 2 else 'O'}\n" for n in range(1 + i % 6)) + "\n" for i in range(14))
    file = folder / "entities.conll"
    file.write_text(text, encoding="utf-8")
    return [str(file)]


def speech(folder: Path) -> list[str]:
    """An archive of recordings of one length after the other, with transcripts of one word or three."""
    import soundfile

    draw = np.random.default_rng(0)
    for number in range(12):
        file = folder / "speech" / f"{number}.wav"
        file.parent.mkdir(exist_ok=True)
        soundfile.write(file, (0.1 * draw.standard_normal(5000 + 300 * number)).astype(np.float32), 8000)
        file.with_suffix(".txt").write_text("the old cat\n" if number % 2 else f"cat{number}\n", encoding="utf-8")
    with tarfile.open(folder / "speech.tar", "w") as archive:
        for file in sorted((folder / "speech").iterdir()):
            archive.add(file, file.name)
    return [str(folder / "speech.tar")]


def shards(texts: Case, folder: Path) -> Case:
    """The same, of texts that are packed."""
    for number, path in enumerate(texts.data):
        (folder / f"{number}.txt.gz").write_bytes(gzip.compress(Path(path).read_bytes()))
    return replace(texts, data=[str(folder / "*.txt.gz")], settings={**texts.settings, "workers": 1})


def case(task: str, folder: Path, data: list[str] | None = None, **more: Any) -> Case:
    if data is None:
        made = MAKERS[task](folder / task, "x")
        data, more = [str(path) for path in made.data], {**settings_of(made), **more}
    return Case(task, data, {**more, **COMMON})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    for task in MAKERS:
        (folder / task).mkdir()
    return folder


@pytest.fixture
def cases(folder: Path) -> dict[str, Case]:
    small = {"embedding": 4}
    text = case("text", folder, dropout=0.2, recurrent_dropout=0.1, zoneout=0.1)
    return {
        "text": shards(text, folder),
        "entities": case("entities", folder, entities(folder), **small, letter=4, spelled=4),
        "translation": case("translation", folder),
        "speech": case("speech", folder, speech(folder), mels=8, layers=1, unit="characters", shuffle_window=5),
        "sentiment-trees": case("sentiment-trees", folder),
        "averaged": replace(text, settings={**text.settings, "deterministic": False, "accumulate": 2, **UNDRAWN}),
    }


def metrics(run: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [{k: v for k, v in record.items() if k not in ("seconds", "tokens_per_s")} for record in records]


def test_bits(cases: dict[str, Case], folder: Path, forked: Callable[..., Any]) -> None:
    processes = [forked(work, number, folder, cases, OMP_NUM_THREADS="1") for number in range(COUNT)]
    for process in processes:
        ended = process.end()
        assert ended.status == 0, ended.err
    for name in cases.keys() - {"averaged"}:
        alone, wrote = load_tensors(folder / f"{name}.1" / "checkpoint.safetensors")
        assert wrote["progress"]["step"] == STEPS
        assert any(key.startswith("carried.") for key in alone) == (name == "text")
        for other in ("2", "3", "broken"):
            run = folder / f"{name}.{other}"
            tensors, told = load_tensors(run / "checkpoint.safetensors")
            assert tensors.keys() == alone.keys()
            for key, value in alone.items():
                assert key == "random" or torch.equal(tensors[key], value), (name, other, key)
            assert {**told["progress"], "seconds": 0} == {**wrote["progress"], "seconds": 0}
            assert metrics(run) == metrics(folder / f"{name}.1")
            best = [load_tensors(folder / f"{name}.{which}" / "model.safetensors")[0] for which in ("1", other)]
            assert all(torch.equal(best[1][key], value) for key, value in best[0].items())
    alone = load_tensors(folder / "averaged.1" / "checkpoint.safetensors")[0]
    for other in ("2", "3", "broken"):
        tensors = load_tensors(folder / f"averaged.{other}" / "checkpoint.safetensors")[0]
        for key in alone.keys() - {"random"}:
            torch.testing.assert_close(tensors[key], alone[key], rtol=1e-3, atol=1e-5, msg=f"{other} {key}")


def test_what_one_process_does_is_refused(folder: Path) -> None:
    several = Ranks()
    several.count = 3
    with acting_as(several):
        with pytest.raises(UserError, match=r"^out: expected one process, got 3; name a folder that all of them see"):
            throughtime.train("copy", cell="gru", progress=False)
        with pytest.raises(UserError, match=r"^--folds: expected one process, got 3; train each fold by itself"):
            throughtime.train("sentiment", "none.csv", folds=2, out=folder / "folds", progress=False)


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert choose_device("auto") == torch.device("cuda")
    several = Ranks()
    several.count = 3
    with acting_as(several):
        assert choose_device("auto") == choose_device("cuda") == torch.device("cuda:2")
        assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("gpus", "backend"), [(True, "cpu:gloo,cuda:nccl"), (False, "gloo")])
def test_torchrun_s_group(gpus: bool, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus)
    monkeypatch.setattr("torch.cuda.set_device", done.append)
    monkeypatch.setattr("torch.distributed.init_process_group", lambda name, **_: done.append(name))
    monkeypatch.setattr("throughtime.training.processes.launch.rendezvous", lambda _: iter([(HashStore(), 3, 4)]))
    monkeypatch.setattr("torch.distributed.destroy_process_group", lambda: done.append("end"))
    with grouped():
        assert not done  # a process by itself
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    with grouped():
        done.append("work")
    assert done == [*([3] if gpus else []), backend, "work", "end"]


def test_torchrun_goes_on_with_what_it_began_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out, settings = tmp_path / "run", {**settings_of(MAKERS["copy"](tmp_path, "x")), "steps": 3}
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "mine")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    with monkeypatch.context() as patch:
        patch.setattr("throughtime.api.running.locked", lambda _: lose())  # as soon as the folder stands
        with pytest.raises(LostError):
            throughtime.train("copy", out=out, progress=False, **settings)
    assert out.exists()
    with pytest.raises(UserError, match="already exists"):
        throughtime.train("copy", out=out, progress=False, **settings)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    again = throughtime.train("copy", out=out, progress=False, **settings)
    assert again.outcome is not None
    assert again.outcome.figures["steps"] == 3
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "another")
    with pytest.raises(UserError, match="already exists"):
        throughtime.train("copy", out=out, progress=False, **settings)
