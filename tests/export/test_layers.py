"""Exported layers in ONNX Runtime and in ONNX's own reader against the reference engine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import throughtime
from throughtime.cells import CELLS, Cell, LSTMCell, bias, input_matrix, recurrent_matrix
from throughtime.errors import UserError
from throughtime.export import onnx
from throughtime.export.graph.operations import OPERATIONS

KERNELS = {
    "rnn": "RNN",
    "rnn-relu": "RNN",
    "gru": "GRU",
    "gru-full": "GRU",
    "lstm": "LSTM",
    "lstm-peephole": "LSTM",
    "lstm-coupled": "LSTM",
}
"""Cells that ONNX has, and as what."""

OPTIONS: list[dict[str, Any]] = [
    {"lengths": True, "bidirectional": True},
    {"lengths": True, "bidirectional": True, "layers": 2, "resets": True, "dtype": torch.float64},
    {"form": "step", "resets": True, "layers": 2},
]
"""Of the grid, between them every option; each cell is held against all of them."""


def operators(graph: Any) -> list[str]:
    """The operators of a graph and of the bodies in it."""
    inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return [node.op_type for node in graph.node] + [op for body in inner for op in operators(body)]


def differs(grid: Any, case: Any, batch: int, time: int, *, reader: Any = None, **options: Any) -> float:
    """How far an exported layer is from the reference at most."""
    layer = case.layer(**options)
    asked = {"form": case.form, "lengths": case.lengths, "states": case.states, "resets": case.resets}
    session = (reader or grid.opened)(onnx(layer, **asked))
    values = grid.given(layer, case, batch, time)
    return float(grid.difference(session, values, grid.expected(layer, case, values)))


@pytest.mark.parametrize("number", range(len(OPTIONS)))
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_gives_what_the_reference_gives(cell: str, number: int, grid: Any) -> None:
    assert differs(grid, grid.Case(cell, **OPTIONS[number]), 3, 5) < grid.ALLOWED


@pytest.mark.parametrize("cell", [*KERNELS, "lstm-projected", "lstm-layernorm", "antisymmetric"])
def test_one_graph_serves_every_shape(cell: str, grid: Any) -> None:
    layer, case = grid.Case(cell).layer(), grid.Case(cell, lengths=True)
    session = grid.opened(onnx(layer))
    for batch in grid.BATCHES:
        for time in grid.TIMES:
            values = grid.given(layer, case, batch, time)
            assert grid.difference(session, values, grid.expected(layer, case, values)) < grid.ALLOWED


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("lstm", {"zoneout": 0.2}),
        ("lstm", {"zoneout": {"c": 0.5}, "bidirectional": True, "merge": "mean"}),
        ("gru", {"heads": 2, "bidirectional": True, "merge": "product"}),
        ("lstm-projected", {"proj_size": 3, "residual": True}),
        ("gru-simplified", {"hidden": 3, "residual": True, "bidirectional": True, "merge": "sum"}),
        ("lstm", {"hidden": 3, "residual": True, "bias": False, "dropout": 0.5, "input_dropout": 0.5}),
        ("lstm-layernorm", {"recurrent_dropout": 0.5, "weight_drop": 0.5}),
    ],
)
@pytest.mark.parametrize("lengths", [True, False], ids=["ragged", "whole"])
def test_what_a_layer_does_beside_its_cell(cell: str, options: dict[str, Any], lengths: bool, grid: Any) -> None:
    case = replace(grid.Case(cell, lengths=lengths, states=not lengths, layers=2))
    torch.manual_seed(0)
    own = dict(options)
    layer = throughtime.Recurrent(cell, 3, own.pop("hidden", 4), 2, engine="reference", **own)
    model = onnx(grid.shaken(layer), lengths=lengths, states=not lengths)  # in training: it is written as in use
    values = grid.given(layer.eval(), case, 4, 6)
    assert grid.difference(grid.opened(model), values, grid.expected(layer, case, values)) < grid.ALLOWED


def reference_reader(model: Any) -> Any:
    return pytest.importorskip("onnx.reference").ReferenceEvaluator(model)


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("lstm-peephole", {}),  # its operators know no sequence_lens
        ("gru-full", {"form": "step"}),
        ("lstm-layernorm", {"lengths": True, "bidirectional": True, "layers": 2}),
        ("lstm", {"lengths": True, "resets": True, "bidirectional": True}),
        ("slstm", {"lengths": True, "dtype": torch.float64}),
    ],
)
def test_a_second_reader_agrees(cell: str, options: dict[str, Any], grid: Any) -> None:
    assert differs(grid, grid.Case(cell, **options), 3, 4, reader=reference_reader) < grid.ALLOWED


@pytest.mark.parametrize("cell", CELLS)
def test_what_onnx_has_becomes_its_operator_and_all_else_a_scan(cell: str) -> None:
    pytest.importorskip("onnx")
    layer = throughtime.Recurrent(cell, 3, 4)
    found = operators(onnx(layer).graph)
    kernels = [op for op in found if op in ("RNN", "GRU", "LSTM", "Scan")]
    assert kernels == [KERNELS.get(cell, "Scan")]
    for other in (onnx(layer, operators=()), onnx(layer.double()), onnx(layer.float(), resets=True)):
        assert "Scan" in operators(other.graph)
    step = operators(onnx(layer, form="step", operators=["LSTM"]).graph)
    assert ("LSTM" in step, {"RNN", "GRU"} & set(step)) == (KERNELS.get(cell) == "LSTM", set())


def test_a_cell_of_ones_own_is_its_own_equations(grid: Any) -> None:
    class Odd(LSTMCell):
        def step(self, x: Any, s: Any, p: Any) -> Any:
            new = super().step(x, s, p)
            return {"h": -new["h"], "c": new["c"]}

    layer = throughtime.Recurrent(Odd, 3, 4, engine="reference")
    model = onnx(layer)
    assert "LSTM" not in operators(model.graph)
    case = grid.Case("lstm", lengths=True)
    values = grid.given(layer, case, 3, 4)
    assert grid.difference(grid.opened(model), values, grid.expected(layer, case, values)) < grid.ALLOWED


def test_a_step_of_numbers_alone_fills_its_rows(make: Any, grid: Any) -> None:
    """What stands for all rows, or for all units, is as large as the state where it becomes one."""

    def step(x: Any, s: Any, p: Any) -> dict[str, Any]:
        one = s.m.sum(-1, keepdim=True)
        return {"h": torch.zeros_like(s.h) + p.b, "m": torch.ones_like(s.m) * one, "x": p.W @ (p.b * 1.0 + s.h * 0)}

    declared = {"b": bias(3), "W": input_matrix(3, 3), "U": recurrent_matrix(3, 3)}
    cell = make(declared, step, {"h": 3, "m": 2, "x": 3})
    layer = throughtime.Recurrent(lambda k, n: cell, 2, 3, engine="reference")
    case = grid.Case("", lengths=True)
    values = grid.given(grid.shaken(layer), case, 4, 3)
    assert grid.difference(grid.opened(onnx(layer)), values, grid.expected(layer, case, values)) < grid.ALLOWED


@pytest.mark.parametrize(
    ("theirs", "batch_first"),
    [
        (nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True), True),
        (nn.GRU(3, 4), False),
        (nn.RNN(3, 4, nonlinearity="relu"), False),
    ],
)
def test_layers_of_pytorch_keep_the_order_of_their_dimensions(theirs: Any, batch_first: bool, grid: Any) -> None:
    x = torch.randn(2, 5, 3)
    with torch.no_grad():
        outputs, _ = theirs(x)
    throughtime.accelerate(theirs)  # what it is swapped for is taken, too
    session = grid.opened(onnx(theirs, lengths=False, states=False))
    assert torch.allclose(torch.from_numpy(session.run(["outputs"], {"inputs": x.numpy()})[0]), outputs, atol=1e-6)
    given = {value.name: value.shape for value in session.get_inputs()}
    assert given == {"inputs": ["batch", "time", 3] if batch_first else ["time", "batch", 3]}


def test_weights_keep_their_names_and_the_metadata_tells_the_sizes() -> None:
    pytest.importorskip("onnx")
    model = onnx(throughtime.Recurrent("lstm-projected", 3, 4, 2, proj_size=2))
    arrays = {array.name: list(array.dims) for array in model.graph.initializer if array.name.startswith("cells.")}
    assert arrays == {
        "cells.0.W_x": [3, 16],
        "cells.0.W_h": [2, 16],
        "cells.0.b": [16],
        "cells.0.W_p": [4, 2],
        "cells.1.W_x": [2, 16],
        "cells.1.W_h": [2, 16],
        "cells.1.b": [16],
        "cells.1.W_p": [4, 2],
    }
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told["cell"] == "ProjectedLSTMCell"
    assert (told["states"], told["state_sizes"], told["bidirectional"]) == ("h,c", "2,4", "0")


def test_a_fault_is_seen(grid: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    case = grid.Case("gru-simplified", lengths=True)
    assert differs(grid, case, 3, 4) < grid.ALLOWED
    monkeypatch.setitem(OPERATIONS, "sigmoid", lambda graph, a: graph.add("Mul", graph.add("Sigmoid", a), 0.999))
    assert differs(grid, case, 3, 4) > 10 * grid.ALLOWED


def test_what_has_no_graph_is_told_in_a_line_and_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("onnx")

    class Sorted(Cell):
        def parameters(self) -> dict[str, Any]:
            return {"W": input_matrix(self.hidden_size, self.input_size)}

        def step(self, x: Any, s: Any, p: Any) -> Any:
            return {"h": (p.W @ x).sort(-1).values}

    path = tmp_path / "layer.onnx"
    with pytest.raises(UserError, match=r"Sorted: expected equations that can be written as a graph, but .* sort"):
        onnx(throughtime.Recurrent(Sorted, 2, 3), path)
    with pytest.raises(UserError, match=r"expected a layer of one direction .* form=.sequence"):
        onnx(throughtime.GRU(2, 3, bidirectional=True), path, form="step")
    with pytest.raises(UserError, match=r"'sequence', 'step', got 'stepp' \(did you mean 'step'"):
        onnx(throughtime.GRU(2, 3), path, form="stepp")
    with pytest.raises(UserError, match=r"operators among 'RNN', 'GRU', 'LSTM', got 'GRUU' \(did you mean 'GRU'"):
        onnx(throughtime.GRU(2, 3), path, operators=["GRUU"])
    with pytest.raises(UserError, match=r"32 or 64 bits, got torch.bfloat16; convert the layer: layer.float\(\)"):
        onnx(throughtime.GRU(2, 3).bfloat16(), path)
    with pytest.raises(UserError, match=r"a layer of Throughtime, or torch.nn.RNN, GRU, LSTM, got Linear"):
        onnx(nn.Linear(2, 3), path)
    assert list(tmp_path.iterdir()) == []
    onnx(throughtime.GRU(2, 3), path)
    assert path.stat().st_size > 300


def test_without_onnx_a_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"^writing ONNX needs onnx; run: pip install 'throughtime\[export\]'$"):
        onnx(throughtime.GRU(2, 3))
