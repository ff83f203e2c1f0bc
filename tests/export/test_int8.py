"""Matrices of int8: a graph computes what the rounded model does, and takes a quarter of the room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import throughtime
from throughtime import runtime
from throughtime.cells import CELLS
from throughtime.cli import run as call
from throughtime.export import onnx
from throughtime.export.graph.int8 import as_whole, rounded

ort = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_every_cell_computes_with_rounded_matrices(cell: str) -> None:
    torch.manual_seed(0)
    layer = throughtime.Recurrent(cell, 16, 32, bidirectional=True, engine="reference").eval()
    x, lengths = torch.randn(3, 6, 16), torch.tensor([6, 0, 3])
    with rounded(layer), torch.no_grad():
        expected = layer(x, lengths=lengths)[0].numpy()
    made = onnx(layer, states=False, int8=True)
    with torch.no_grad():
        other = layer(x, lengths=lengths)[0].numpy()
    found = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        ["outputs"], {"inputs": x.numpy(), "lengths": lengths.numpy()}
    )[0]
    assert np.abs(found - expected).max() < 2e-5
    assert np.abs(other - expected).max() > 3e-5, "rounding moves nothing, or was not taken back"
    assert {each.key: each.value for each in made.metadata_props}["matrices"] == "int8"
    wide = [
        t for t in made.graph.initializer if t.data_type == 1 and sum(d > 1 for d in t.dims) > 1 and min(t.dims) > 8
    ]
    assert not wide


def test_a_step_and_a_whole_model_are_written_so_too(run: throughtime.Run, tmp_path: Path) -> None:
    layer = torch.nn.LSTM(32, 64)
    before = [value.clone() for value in layer.parameters()]
    sizes = [len(onnx(layer, form="step", int8=int8).SerializeToString()) for int8 in (False, True)]
    assert sizes[0] / sizes[1] > 3
    assert all(map(torch.equal, before, layer.parameters()))
    for whole in (run, run.model):
        onnx(whole, tmp_path / "step.onnx", form="step", int8=True)
        wide = len(onnx(whole, form="step").SerializeToString())
        assert wide / (tmp_path / "step.onnx").stat().st_size > 3.5


def test_what_is_no_whole_number_of_steps_stays() -> None:
    random = np.random.default_rng(0)
    assert as_whole(random.normal(size=(16, 16)).astype(np.float32)) is None
    steps = random.integers(-100, 100, (3, 16, 40)).astype(np.float32)
    steps[:, 0] = 127
    scales = random.uniform(0.1, 1, (3, 1, 40)).astype(np.float32)
    found = as_whole(steps * scales)
    assert found is not None
    np.testing.assert_array_equal(found[0], steps)
    np.testing.assert_allclose(found[1], scales, rtol=1e-6)


TEXT = "The quick brown fox jumps over the lazy dog. It didn't see the cat's tail, which was long!\n" * 60


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> throughtime.Run:
    folder = tmp_path_factory.mktemp("int8")
    (folder / "text.txt").write_text(TEXT)
    options: dict[str, Any] = {"batch": 4, "steps": 2, "progress": False, "cell": "gru", "hidden": 160}
    return throughtime.train("text", folder / "text.txt", out=folder / "run", **options)


def test_a_folder_of_int8_scores_as_the_rounded_model(run: throughtime.Run, tmp_path: Path) -> None:
    before = run.score(TEXT[:60])[0].log_prob
    run.export(tmp_path / "small", int8=True)
    assert run.score(TEXT[:60])[0].log_prob == before
    with rounded(run.model):
        expected = run.score(TEXT[:60])[0].log_prob
    assert runtime.open(tmp_path / "small").score(TEXT[:60])[0].log_prob == pytest.approx(expected, abs=1e-4)
    assert expected != before
    for name, (float_bytes, int8_bytes) in run.rounding().items():
        if name.startswith("bytes"):
            assert float_bytes / int8_bytes > 3.5
            assert int8_bytes == (tmp_path / "small" / name.removeprefix("bytes of ")).stat().st_size


def test_the_command_tells_what_it_costs(
    run: throughtime.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert call(["export", str(run.folder), "--int8", "--step", str(tmp_path / "step.onnx")]) == 0
    rows = {line.split("  ")[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    found = run.rounding()
    before, after = (round(value, 2) for value in found["perplexity"])
    assert rows["perplexity"][1:] == [f"{before:.2f}", f"{after:.2f}"]
    assert (tmp_path / "step.onnx").stat().st_size == found["bytes of step.onnx"][1]
