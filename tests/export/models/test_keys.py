"""The graphs of a next-frame model in ONNX Runtime against the model."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

import throughtime
from throughtime.export.models import forms_of, write_model
from throughtime.models import KeyModel


def test_every_option_is_thought_of() -> None:
    """The stack is written as every layer is; dropout is gone."""
    assert list(inspect.signature(KeyModel).parameters) == ["stack", "dropout"]


@pytest.mark.parametrize("options", [{}, {"cell": "gru", "num_layers": 2, "dropout": 0.5}, {"zoneout": 0.2}], ids=str)
def test_graphs_say_what_the_model_says(options: dict[str, Any]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    stack = throughtime.Recurrent(**{"cell": "lstm", "input_size": 5, "hidden_size": 4, **options}, engine="reference")
    model = KeyModel(stack, dropout=0.5)
    written = {name: write_model(model, name, {}) for name in forms_of(model)}
    graphs = {name: runtime.InferenceSession(proto.SerializeToString()) for name, proto in written.items()}
    model.eval()
    frames, lengths = (torch.rand(3, 6, 5) < 0.5).float(), torch.tensor([6, 1, 4])
    state = {n: np.zeros((stack.num_layers, 3, w), np.float32) for n, w in stack.cell.widths().items()}
    with torch.no_grad():
        expected, final = model.logits(frames, None, lengths)
    given = {"frames": frames.numpy(), "lengths": lengths.numpy(), **state}
    found = _run(graphs["sequence"], given)
    assert np.allclose(found["logits"], expected.numpy(), atol=1e-5)
    assert all(np.allclose(found[f"next_{name}"], value.numpy(), atol=1e-5) for name, value in final.items())
    for step in range(6):
        found = _run(graphs["step"], {"frames": frames[:, step].numpy(), **state})
        state = {name: found[f"next_{name}"] for name in state}
        assert np.allclose(found["logits"][0], expected[0, step].numpy(), atol=1e-5)


def _run(session: Any, given: dict[str, Any]) -> dict[str, Any]:
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))
