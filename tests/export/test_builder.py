"""The builder of graphs: each node once, names of their own, nothing that no output needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from throughtime.export.graph import Graph


@pytest.fixture(autouse=True)
def needs_onnx() -> None:
    pytest.importorskip("onnx")


def run(graph: Graph, grid: Any, **values: Any) -> list[np.ndarray]:
    return list(grid.opened(graph.model()).run(None, values))


def test_a_node_and_a_number_are_there_once_and_what_is_not_needed_is_not() -> None:
    graph = Graph("one")
    x = graph.input("x", ["n", 2])
    twice = graph.add("Mul", x, 2.0)
    assert graph.add("Mul", x, 2.0) == twice
    assert graph.add("Mul", x, 3.0) != twice
    graph.add("Add", twice, graph.weight("unused", torch.ones(2)))
    graph.output(graph.add("Add", twice, 2.0), "y", ["n", 2])
    made = graph.model().graph
    assert [node.op_type for node in made.node] == ["Mul", "Add", "Identity"]
    assert len(made.initializer) == 1


def test_names_are_taken_once() -> None:
    graph = Graph("one")
    graph.input("mul", ["n"])
    assert graph.add("Mul", "mul", "mul") == "mul_2"
    with pytest.raises(ValueError, match="a name of its own, got 'mul' twice"):
        graph.input("mul", ["n"])
    assert graph.weight("w", torch.ones(2)) == graph.weight("w", np.ones(2, np.float32)) == "w"
    with pytest.raises(ValueError, match="one weight of the name 'w', got two that differ"):
        graph.weight("w", torch.zeros(2))


def test_numbers_have_the_type_of_the_graph(grid: Any) -> None:
    graph = Graph("one", np.float64)
    x = graph.input("x", ["n"])
    graph.output(graph.add("Add", graph.add("Mul", x, 2), graph.weight("w", torch.ones(1))), "y", ["n"])
    (y,) = run(graph, grid, x=np.array([0.1]))
    assert (y.dtype, y.tolist()) == (np.float64, [1.2])


def test_layers_of_pytorch(grid: Any) -> None:
    table, head = nn.Embedding(7, 3), nn.Linear(3, 5)
    graph = Graph("scorer")
    ids = graph.input("ids", ["batch", "time"], np.int64)
    rows = graph.embedding(ids, "table", table.weight)
    graph.output(graph.linear(rows, "head", head.weight, head.bias), "scores", ["batch", "time", 5])
    given = torch.tensor([[1, 6, 0], [2, 2, 5]])
    (scores,) = run(graph, grid, ids=given.numpy())
    np.testing.assert_allclose(scores, head(table(given)).detach().numpy(), rtol=1e-5, atol=1e-6)
    assert {array.name: list(array.dims) for array in graph.model().graph.initializer} == {
        "table.weight": [7, 3],
        "head.weight": [3, 5],
        "head.bias": [5],
    }


def test_shapes_that_are_known_when_it_runs(grid: Any) -> None:
    graph = Graph("one")
    x, lengths = graph.input("x", ["batch", "time", 2]), graph.input("lengths", ["batch"], np.int64)
    real = graph.transpose(graph.real_steps(lengths, graph.size(x, 1)), 1, 0)
    graph.output(real, "real", ["batch", "time"], bool)
    graph.output(graph.flip(graph.cut(x, 1, 1), 1), "flipped", ["batch", "rest", 2])
    graph.output(graph.zeros(graph.size(x, 0), 3), "zeros", ["batch", 3])
    graph.output(graph.add("Reshape", x, graph.shape(graph.size(x, 0), -1)), "flat", ["batch", "all"])
    given = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    real, flipped, zeros, flat = run(graph, grid, x=given, lengths=np.array([2, 0]))
    assert real.tolist() == [[True, True, False], [False] * 3]
    assert flipped.tolist() == given[:, 1:][:, ::-1].tolist()
    assert zeros.shape == (2, 3)
    assert flat.tolist() == given.reshape(2, 6).tolist()


def test_a_body_takes_what_it_needs_from_outside(grid: Any) -> None:
    graph = Graph("sums")
    x = graph.input("x", ["time", 2])
    scaled = graph.add("Mul", graph.input("scale", [1]), 10.0)
    body = graph.inner("step")
    old, now = body.input("old", [2]), body.input("x", [2])
    new = body.add("Add", old, body.add("Mul", now, scaled))
    assert body.add("Mul", "scale", 10.0) == scaled  # it is known from outside
    body.output(new, "next", [2])
    body.output(new, "y", [2])
    final, steps = graph.add_many("Scan", 2, np.zeros(2, np.float32), x, body=body, num_scan_inputs=1)
    graph.output(final, "final", [2])
    graph.output(steps, "steps", ["time", 2])
    final, steps = run(graph, grid, x=np.array([[1, 2], [3, 4]], np.float32), scale=np.array([0.5], np.float32))
    assert (final.tolist(), steps.tolist()) == ([20, 30], [[5, 10], [20, 30]])


def test_metadata_is_told_in_plain_words() -> None:
    graph = Graph("one")
    graph.output(graph.input("x", ["n"]), "y", ["n"])
    model = graph.model({"model_type": "ctc", "sizes": [16, 32], "both": True, "rate": 8000})
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told == {"model_type": "ctc", "sizes": "16,32", "both": "1", "rate": "8000"}
    assert (model.producer_name, model.ir_version, model.opset_import[0].version) == ("throughtime", 8, 17)
