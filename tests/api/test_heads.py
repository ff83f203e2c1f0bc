"""Runs of cells with heads: saved, read again, used, resumed; a cell of the user's own and a built-in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import throughtime
from api.conftest import SMALL

OWN = """
from dataclasses import dataclass

import torch
from throughtime.cells import HeadedCell, bias, input_matrix, recurrent_matrix


@dataclass(frozen=True)
class Leaky(HeadedCell):
    slowness: float = 0.5

    def parameters(self):
        n, k = self.hidden_size, self.input_size
        return {"W": input_matrix(n, k), "U": recurrent_matrix(n, n, heads=self.heads), "b": bias(n)}

    def step(self, x, s, p):
        return {"h": self.slowness * s.h + torch.tanh(p.W @ x + p.U @ s.h + p.b)}
"""
RUNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "built in": ({"cell": "lstm", "cell_option": "heads=2"}, {}),
    "own": (
        {"cell": "headed_cells:Leaky", "cell_option": ("heads=4", "slowness=0.25")},
        {"cell": "headed_cells:Leaky"},
    ),
}


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_with_heads_is_read_used_and_resumed(
    kind: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "headed_cells.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "code")
    asked, read_with = RUNS[kind]
    given = SMALL | asked | {"bidirectional": True}
    whole = throughtime.train("sentiment", file, out=tmp_path / "whole", **given | {"steps": 6})
    throughtime.train("sentiment", file, out=tmp_path / "run", **given | {"steps": 4})
    run = throughtime.load(tmp_path / "run", **read_with)
    cells = [module.cell for module in run.model.modules() if isinstance(module, throughtime.layers.Directed)]
    heads = int(str(asked["cell_option"]).split("heads=")[1][0])
    assert cells
    assert all(cell.heads == heads for cell in cells)
    stored = load_file(tmp_path / "run" / "model.safetensors")
    recurrent = [value for name, value in stored.items() if name.split(".")[-1] in ("W_h", "U")]
    assert recurrent
    assert all(value.shape[1] == SMALL["hidden"] // heads for value in recurrent)
    texts = ["a fine film", "a poor book"]
    before = [prediction.data for prediction in run.predict(texts)]
    run.save(tmp_path / "moved")
    moved = throughtime.load(tmp_path / "moved", **read_with)
    assert [prediction.data for prediction in moved.predict(texts)] == before
    moved.resume(steps=6, progress=False)
    for name, value in load_file(tmp_path / "moved" / "model.safetensors").items():
        assert torch.equal(value, load_file(tmp_path / "whole" / "model.safetensors")[name]), name
    assert [p.data for p in moved.predict(texts)] == [p.data for p in whole.predict(texts)]


def test_a_folder_of_an_own_cell_with_heads_runs_no_code_unasked(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "headed_cells.py").write_text(OWN, encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        throughtime.train("sentiment", file, out=tmp_path / "run", **SMALL | RUNS["own"][0] | {"steps": 1})
    with pytest.raises(throughtime.UserError, match="headed_cells:Leaky"):
        throughtime.load(tmp_path / "run").predict("a fine film")
