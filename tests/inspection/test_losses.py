"""The losses of single steps add up to the loss that is trained; every model's layers can be looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from throughtime.data import TokenBatch
from throughtime.data.text.pairs import PairBatch
from throughtime.data.text.words import WordBatch
from throughtime.inspection import gradients_through_time, record
from throughtime.layers import Recurrent
from throughtime.models import (
    ClassBatch,
    Classifier,
    EncoderDecoder,
    EncoderDecoderConfig,
    LanguageModel,
    LanguageModelConfig,
    Model,
    TagBatch,
    Tagger,
    TaggerConfig,
    WordInputConfig,
)

WORDS = WordBatch(torch.tensor([[4, 2, 3], [5, 0, 0]]), torch.tensor([3, 1]))
PAIRS = PairBatch.of([[5, 6, 3], [7]], [[4], [2, 3]], eos=1)


def classifier() -> Classifier:
    features = torch.randn(2, 4, 3)
    return Classifier(lambda steps: features, Recurrent("gru", 3, 4), 3, pooling="mean")


def encoder_decoder(**options: Any) -> EncoderDecoder:
    sizes = {"source": 9, "target": 7, "hidden": 6, "decoder_hidden": 8, "layers": 2, "embedding": 5}
    return EncoderDecoder(EncoderDecoderConfig(**sizes, **options))


def tagger(crf: bool) -> Tagger:
    inputs = WordInputConfig(words=10, embedding=4)
    return Tagger(TaggerConfig(labels=3, inputs=inputs, hidden=8, bidirectional=True, crf=crf))


CASES = [
    (
        LanguageModel(LanguageModelConfig(vocabulary=7, hidden=4, embedding=3)),
        TokenBatch.of([[1, 2, 3], [4]]),
        4,
    ),
    (classifier(), ClassBatch(SimpleNamespace(lengths=torch.tensor([4, 2]), tokens=6), torch.tensor([0, 2])), 2),  # type: ignore[arg-type]
    (tagger(crf=False), TagBatch(WORDS, torch.tensor([[0, 2, 1], [1, 0, 0]])), 4),
    (encoder_decoder(), PAIRS, 5),
    (encoder_decoder(input_feeding=True), PAIRS, 5),
]


@pytest.mark.parametrize(("model", "batch", "count"), CASES, ids=["language", "class", "tags", "pairs", "fed"])
def test_losses_of_steps_add_up(model: Model, batch: Any, count: int) -> None:
    model.eval()
    torch.testing.assert_close(model.losses(batch).sum() / count, model.loss(batch, None)[0])


def test_names_tell_layers_and_directions() -> None:
    cells = record(encoder_decoder(), PAIRS).cells
    assert [cell.name for cell in cells] == [
        "encoder layer 1, forward",
        "encoder layer 1, backward",
        "encoder layer 2, forward",
        "encoder layer 2, backward",
        "decoder layer 1",
        "decoder layer 2",
    ]
    assert [len(cell.inputs[0]) for cell in cells] == [3, 3, 3, 3, 3, 3]
    flows = gradients_through_time(record(encoder_decoder(), PAIRS))
    assert [flow.aligned for flow in flows] == [False] * 4 + [True] * 2


def test_a_decoder_that_runs_piece_by_piece_is_one_sequence() -> None:
    """Nothing is fed back where the weights that read it are zero: the pieces are then the whole."""
    fed, whole = encoder_decoder(input_feeding=True), encoder_decoder()
    values = fed.state_dict()
    with torch.no_grad():
        fed.decoder.directed[0].W_x[:, 5:] = 0.0
    plain = {name: values[name][:, :5] if name == "decoder.cells.0.W_x" else values[name] for name in values}
    whole.load_state_dict(plain)
    pieces, one = record(fed, PAIRS), record(whole, PAIRS)
    assert len(pieces.cells[-1].looks) == 3
    assert len(one.cells[-1].looks) == 1
    torch.testing.assert_close(pieces.cells[-1].values("c"), one.cells[-1].values("c"))
    for mine, theirs in zip(gradients_through_time(pieces), gradients_through_time(one), strict=True):
        torch.testing.assert_close(mine.norms[""], theirs.norms[""])
        torch.testing.assert_close(mine.by_distance().norms, theirs.by_distance().norms)
