"""An encoder–decoder's graphs in ONNX Runtime against the model, with each of its options."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch

from throughtime.data import NOTHING
from throughtime.export.models import forms_of, write_model
from throughtime.models import EncoderDecoder, EncoderDecoderConfig

OPTIONS: dict[str, dict[str, Any]] = {
    "source": {"source": 4},
    "target": {"target": 3},
    "embedding": {"embedding": 5},
    "decoder_hidden": {"decoder_hidden": 3},
    "attention": {"attention": "additive"},
    "input_feeding": {"input_feeding": True},
    "coverage": {"coverage": 1.0, "attention": "additive"},
    "tied": {"tied": True},
    "label_smoothing": {"label_smoothing": 0.1},
    "scheduled_sampling": {"scheduled_sampling": 0.5},
    "cell": {"cell": "gru"},
    "hidden": {"hidden": 7},
    "layers": {"layers": 2},
    "bidirectional": {"bidirectional": False},
    "dropout": {"dropout": 0.5, "layers": 2},
    "input_dropout": {"input_dropout": 0.5},
    "recurrent_dropout": {"recurrent_dropout": 0.5},
    "zoneout": {"zoneout": 0.25},
    "weight_drop": {"weight_drop": 0.5},
    "residual": {"residual": True, "layers": 2},
    "options": {"options": {"heads": 2}},
}
"""Of the config, every field with what is not its default."""

MORE: list[dict[str, Any]] = [
    {"attention": "dot", "hidden": 3, "decoder_hidden": 6, "embedding": 6},
    {"attention": "additive", "coverage": 1.0, "input_feeding": True, "tied": True, "layers": 2, "cell": "gru-full"},
    {"cell": "lstm-projected", "options": {"proj_size": 3}, "bidirectional": False},
]


def test_every_option_is_thought_of() -> None:
    """A new one fails here until somebody has said what becomes of it in a graph."""
    assert OPTIONS.keys() == {field.name for field in fields(EncoderDecoderConfig)}


def made(**options: Any) -> EncoderDecoder:
    torch.manual_seed(0)
    sizes = {"source": 9, "target": 7, "hidden": 4, "decoder_hidden": 6, "embedding": 4, "coverage": 0.0}
    model = EncoderDecoder(EncoderDecoderConfig(**{**sizes, **options}), engine="reference")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def sessions(model: EncoderDecoder) -> dict[str, Any]:
    runtime = pytest.importorskip("onnxruntime")
    written = {name: write_model(model, name, {}) for name in forms_of(model)}
    return {name: runtime.InferenceSession(proto.SerializeToString()) for name, proto in written.items()}


def run(session: Any, given: dict[str, Any]) -> dict[str, Any]:
    named = [value.name for value in session.get_outputs()]
    return dict(zip(named, session.run(named, given), strict=True))


@pytest.mark.parametrize("options", [*OPTIONS.values(), *MORE], ids=str)
def test_graphs_say_what_the_model_says(options: dict[str, Any]) -> None:
    model = made(**options)  # in training: it is written as it is in use
    opened = sessions(model)
    model.eval()
    source, lengths = torch.randint(0, model.config.source, (3, 5)), torch.tensor([5, 0, 3])
    tokens = torch.randint(0, model.config.target, (4, 3))
    tokens[0] = NOTHING
    given = {"source": source.numpy(), "lengths": lengths.numpy()}
    state: dict[str, Any] = run(opened["encoder"], given)
    fed = {"covered": np.zeros((3, 5), np.float32), "fed": np.zeros((3, model.attended), np.float32)}
    held = {"values": state.pop("values"), "keys": state.pop("keys"), "lengths": lengths.numpy()}
    asked = {value.name for value in opened["decoder"].get_inputs()}
    state |= {name: value for name, value in fed.items() if name in asked}
    with torch.no_grad():
        expected = model.encode(source, lengths)
        for step in tokens:
            vectors, weights, expected = model.decode(step.unsqueeze(1), expected)
            found = run(opened["decoder"], {"inputs": step.numpy(), **held, **state})
            state = {name.removeprefix("next_"): v for name, v in found.items() if name.startswith("next_")}
            log_probs = model.log_softmax(vectors[:, 0])
            assert np.allclose(found["log_probs"], log_probs.numpy(), atol=1e-5)
            assert np.allclose(found["attention"], weights[:, 0].numpy(), atol=1e-5)
