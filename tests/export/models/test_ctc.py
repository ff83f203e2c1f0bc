"""The graphs of a recogniser in ONNX Runtime against the model, with each of its options."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch

from throughtime.export.models import forms_of, write_model
from throughtime.models import CTCConfig, CTCModel

OPTIONS: dict[str, dict[str, Any]] = {
    "features": {"features": 2},
    "symbols": {"symbols": 6},
    "frames": {"frames": 3},
    "time_masks": {"time_masks": 2, "time_width": 2},
    "time_width": {"time_masks": 1, "time_width": 3},
    "band_masks": {"band_masks": 1, "band_width": 2},
    "band_width": {"band_masks": 1, "band_width": 1},
    "cell": {"cell": "lstm-peephole"},
    "hidden": {"hidden": 7},
    "layers": {"layers": 2},
    "bidirectional": {"bidirectional": True, "frames": 2},
    "dropout": {"dropout": 0.5, "layers": 2},
    "input_dropout": {"input_dropout": 0.5},
    "recurrent_dropout": {"recurrent_dropout": 0.5},
    "zoneout": {"zoneout": {"c": 0.25}},
    "weight_drop": {"weight_drop": 0.5},
    "residual": {"residual": True, "layers": 2},
    "options": {"options": {"heads": 2}},
}


def test_every_option_is_thought_of() -> None:
    assert OPTIONS.keys() == {field.name for field in fields(CTCConfig)}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=str)
def test_graphs_say_what_the_model_says(options: dict[str, Any]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model = CTCModel(CTCConfig(**{"features": 3, "symbols": 4, "hidden": 4, **options}), engine="reference")
    written = {name: write_model(model, name, {}) for name in forms_of(model)}
    graphs = {name: runtime.InferenceSession(proto.SerializeToString()) for name, proto in written.items()}
    assert ("step" in graphs) != model.stack.bidirectional
    model.eval()
    frames, lengths = torch.randn(3, 7, model.config.features), torch.tensor([7, 0, 4])
    for row, length in zip(frames, lengths.tolist(), strict=True):
        row[length:] = 0
    with torch.no_grad():
        expected = model.log_probs(frames, lengths).numpy()
    given = {"features": frames.numpy(), "lengths": lengths.numpy()}
    log_probs, steps = graphs["sequence"].run(["log_probs", "real_steps"], given)
    assert steps.tolist() == model.steps(lengths).tolist()
    assert log_probs.shape == expected.shape
    for found, right, count in zip(log_probs, expected, steps, strict=True):
        assert np.allclose(found[:count], right[:count], atol=1e-5)
    if "step" not in graphs:
        return
    state = {
        name: np.zeros((model.stack.num_layers, 1, w), np.float32) for name, w in model.stack.cell.widths().items()
    }
    whole = np.pad(frames[0].numpy(), ((0, -7 % model.config.frames), (0, 0)))
    names = [value.name for value in graphs["step"].get_outputs()]
    for joined, right in zip(whole.reshape(len(expected[0]), -1), expected[0], strict=True):
        found = dict(zip(names, graphs["step"].run(names, {"features": joined[None], **state}), strict=True))
        state = {name: found[f"next_{name}"] for name in state}
        assert np.allclose(found["log_probs"][0], right, atol=1e-5)
