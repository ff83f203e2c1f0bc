"""The graph of a tagger of both strands in ONNX Runtime against the model, with each of its options."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch

from throughtime.export.models import write_model
from throughtime.models import Letters, StrandTagger, StrandTaggerConfig

OPTIONS: dict[str, dict[str, Any]] = {
    "swapped": {"swapped": (2, 1, 0)},
    "codon": {"codon": 3},
    "cell": {"cell": "lstm-peephole"},
    "hidden": {"hidden": 7},
    "layers": {"layers": 2},
    "bidirectional": {"bidirectional": False},
    "dropout": {"dropout": 0.5, "layers": 2},
    "input_dropout": {"input_dropout": 0.5},
    "recurrent_dropout": {"recurrent_dropout": 0.5},
    "zoneout": {"zoneout": {"c": 0.25}},
    "weight_drop": {"weight_drop": 0.5},
    "residual": {"residual": True, "layers": 2},
    "options": {"options": {"heads": 2}},
}


def test_every_option_is_thought_of() -> None:
    assert OPTIONS.keys() == {field.name for field in fields(StrandTaggerConfig)}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=str)
def test_the_graph_says_what_the_model_says(options: dict[str, Any]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    given = {"swapped": (0, 4, 5, 6, 1, 2, 3), "codon": 5, "hidden": 4, "bidirectional": True, **options}
    model = StrandTagger(StrandTaggerConfig(**given), engine="reference").eval()
    graph = runtime.InferenceSession(write_model(model, "sequence", {}).SerializeToString())
    draw = np.random.default_rng(0)
    for lengths in [(7, 0, 12), (1,), (2, 3), (13, 4, 9)]:
        letters = Letters.of([draw.integers(1, 16, length).astype(np.uint8) for length in lengths])
        with torch.no_grad():
            expected = model.log_probs(letters).numpy()
        found = graph.run(["log_probs"], {"codes": letters.codes.numpy(), "lengths": letters.lengths.numpy()})[0]
        assert found.shape == expected.shape
        for one, other, length in zip(found, expected, lengths, strict=True):
            assert np.allclose(one[:length], other[:length], atol=1e-5)
