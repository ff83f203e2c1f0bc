"""Embedding and softmax of the models of tokens: names and start values are those that recorded runs rely on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from throughtime.data import NOTHING
from throughtime.models import EncoderDecoder, EncoderDecoderConfig, LanguageModel, LanguageModelConfig
from throughtime.models.tokens import TokenModel

CELL = {"W_x": 46.105266, "W_h": 37.769039, "b": 5.0}
STACK = {f"stack.cells.0.{name}": value for name, value in CELL.items()}
CODERS = {
    "encoder.cells.0.W_x": 45.25297,
    "encoder.cells.0.W_h": 37.815023,
    "encoder.cells.0.b": 5.0,
    "encoder.cells.1.W_x": 45.538942,
    "encoder.cells.1.W_h": 38.791783,
    "encoder.cells.1.b": 5.0,
    "decoder.cells.0.W_x": 34.669446,
    "decoder.cells.0.W_h": 27.044769,
    "decoder.cells.0.b": 4.0,
    "bridge.maps.h.0.weight": 5.832164,
    "bridge.maps.h.0.bias": 0.516648,
    "bridge.maps.c.0.weight": 6.723606,
    "bridge.maps.c.0.bias": 0.90797,
    "attention.of_memory.weight": 5.922516,
}
# The sum of the magnitudes of every parameter at the start, in the order in which optimisers and clipping see them.
RECORDED: list[tuple[dict[str, Any], dict[str, float]]] = [
    ({}, {"embedding.weight": 30.815753, **STACK, "softmax.weight": 7.380898, "softmax.bias": 1.844701}),
    ({"tied": True}, {"bias": 0.0, "embedding.weight": 12.580479, **STACK, "bridge.weight": 6.145282}),
    (
        {"source": 6},
        {
            "source_embedding.weight": 20.618739,
            "embedding.weight": 38.245984,
            **CODERS,
            "join.weight": 7.343899,
            "join.bias": 0.546497,
            "softmax.weight": 6.822514,
            "softmax.bias": 1.808435,
        },
    ),
    (
        {"source": 6, "tied": True},
        {
            "bias": 0.0,
            "source_embedding.weight": 20.618739,
            "embedding.weight": 15.613858,
            **CODERS,
            "join.weight": 11.112123,
            "join.bias": 0.714355,
        },
    ),
]
KINDS = [options for options, _ in RECORDED]


def build(options: dict[str, Any]) -> TokenModel:
    torch.manual_seed(3)
    values = {"hidden": 5, "embedding": 6, **options}
    if "source" in options:
        return EncoderDecoder(EncoderDecoderConfig(target=7, decoder_hidden=4, **values))
    return LanguageModel(LanguageModelConfig(vocabulary=7, **values))


@pytest.mark.parametrize(("options", "recorded"), RECORDED)
def test_names_and_start_values_are_the_recorded_ones(options: dict[str, Any], recorded: dict[str, float]) -> None:
    found = {name: float(value.detach().double().abs().sum()) for name, value in build(options).named_parameters()}
    assert list(found) == list(recorded)
    assert found == pytest.approx(recorded, abs=2e-5)


@pytest.mark.parametrize("options", KINDS)
def test_an_embedding_has_variance_one_and_nothing_is_zero(options: dict[str, Any]) -> None:
    model = build({**options, "embedding": 400})
    embedded = model.embed(torch.tensor([[NOTHING, 0, 6]]))
    assert embedded.shape == (1, 3, 400)
    assert not embedded[0, 0].any()
    assert embedded[0, 1:].var().item() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("options", KINDS)
def test_logits_are_products_with_the_embedding_where_tied(options: dict[str, Any]) -> None:
    model = build(options)
    tied = options.get("tied", False)
    values = dict(model.named_parameters())
    matrix, bias = (values["embedding.weight"], values["bias"]) if tied else (model.softmax.weight, model.softmax.bias)
    with torch.no_grad():
        bias.normal_()
    vectors = torch.randn(2, 3, matrix.shape[1])
    torch.testing.assert_close(model.logits(vectors), vectors @ matrix.T + bias)
