"""The language model is a distribution: over the next token, and over all texts there are."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from familiar import FAMILIAR
from throughtime.cells import GRUCell
from throughtime.data import TokenBatch
from throughtime.decoding import sequence_log_probs
from throughtime.models import LanguageModel, LanguageModelConfig, Model
from throughtime.training import load_weights, save_weights

HEADS: dict[str, dict[str, Any]] = {
    "full": {},
    "tied": {"tied": True, "embedding": 16},
    "bridge": {"tied": True, "embedding": 4},
    "adaptive": {"adaptive": (2, 5)},
}


def build(head: str = "full", **options: Any) -> LanguageModel:
    torch.manual_seed(3)
    values: dict[str, Any] = {"vocabulary": 9, "cell": "lstm", "hidden": 16, "embedding": 5, **HEADS[head], **options}
    model = LanguageModel(LanguageModelConfig(**values)).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


@pytest.mark.parametrize("head", HEADS)
def test_probabilities_sum_to_one_over_the_vocabulary(head: str) -> None:
    model = build(head)
    sums = model.log_softmax(torch.randn(50, 16, dtype=torch.float64) * 3).exp().sum(1)
    torch.testing.assert_close(sums, torch.ones(50, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("head", HEADS)
def test_the_score_of_a_target_is_its_entry_in_the_distribution(head: str) -> None:
    model = build(head)
    text = list(range(9))  # every token of every cluster
    scores, _ = model.log_probs(TokenBatch.of([text]))
    hidden, _ = model.hidden(torch.tensor([[-1, *text[:-1]]]))
    torch.testing.assert_close(scores[0], model.log_softmax(hidden[0])[range(9), text], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("cell", ["rnn", "gru-simplified", "lstm-peephole"])
def test_the_probabilities_of_all_texts_sum_to_one(cell: str, head: str) -> None:
    adaptive = {"adaptive": (2,)} if head == "adaptive" else {}
    model = build(head, vocabulary=4, cell=cell, **adaptive)
    eos, longest = 1, 4
    others = [token for token in range(4) if token != eos]
    # Either a text has ended within four tokens, or it begins with four tokens none of which is its end.
    ended = [[*text, eos] for size in range(longest) for text in product(others, repeat=size)]
    going_on = [list(text) for text in product(others, repeat=longest)]
    assert len(ended) == 1 + 3 + 9 + 27
    total = torch.tensor(sequence_log_probs(model, ended + going_on), dtype=torch.float64).exp().sum()
    assert float(total) == pytest.approx(1.0, rel=1e-12)


def test_the_likelier_of_two_sentences_is_the_one_that_was_taught() -> None:
    torch.manual_seed(0)
    model = LanguageModel(LanguageModelConfig(vocabulary=7, cell="gru-full", hidden=16, embedding=8))
    sale, sail = [2, 3, 4, 1], [2, 3, 5, 1]  # alike up to one word, which sounds the same
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        loss, _ = model.loss(TokenBatch.of([sail, sail, sail, sale]), None)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    first, second = torch.tensor(sequence_log_probs(model.eval(), [sail, sale])).exp().tolist()
    # Cross-entropy teaches frequencies: three quarters and one quarter, and nothing left for other texts.
    assert (first, second) == (pytest.approx(0.75, abs=0.03), pytest.approx(0.25, abs=0.03))


@pytest.mark.parametrize("head", ["tied", "bridge"])
def test_tied_weights_are_one_matrix_with_both_gradients(head: str) -> None:
    model = build(head)
    batch = TokenBatch.of([[3, 5, 2]])
    hidden, _ = model.hidden(batch.inputs)
    as_input = torch.autograd.grad(
        model.log_softmax(hidden[0].detach())[range(3), [3, 5, 2]].sum(), model.embedding.weight
    )
    whole = torch.autograd.grad(model.log_probs(batch)[0].sum(), model.embedding.weight)
    through_inputs = whole[0] - as_input[0]
    # As a softmax matrix every row has a gradient; as a table the rows of the inputs, 3 and 5, alone.
    assert as_input[0].abs().sum(1).gt(0).all()
    changed = through_inputs.abs().sum(1) > 1e-9
    assert changed.nonzero().flatten().tolist() == [3, 5]


@pytest.mark.parametrize("cell", FAMILIAR)
@pytest.mark.parametrize("head", HEADS)
def test_the_state_dict_has_every_number_once(head: str, cell: str, tmp_path: Path) -> None:
    model = build(head, cell=cell, hidden=32, layers=2, residual=True)
    state = model.state_dict()
    assert sorted(state) == sorted(name for name, _ in model.named_parameters())
    assert len({value.data_ptr() for value in state.values()}) == len(state)
    save_weights(tmp_path / "model.safetensors", model)
    torch.manual_seed(11)
    other = LanguageModel(model.config).double().eval()
    load_weights(tmp_path / "model.safetensors", other)
    for name, value in other.state_dict().items():
        assert torch.equal(value, state[name])
    batch = TokenBatch.of([[2, 4, 8], [6]])
    assert torch.equal(other.log_probs(batch)[0], model.log_probs(batch)[0])


@pytest.mark.parametrize("head", HEADS)
def test_a_model_is_built_again_from_plain_data(head: str) -> None:
    options = {"cell": "rnn", "options": {"nonlinearity": "relu"}, "layers": 2, "dropout": 0.25, "zoneout": 0.5}
    config = build(head, **options).config
    assert LanguageModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_cell_of_the_users_own() -> None:
    torch.manual_seed(5)
    model = LanguageModel(LanguageModelConfig(vocabulary=4, cell="mine", hidden=6, embedding=3), cell=GRUCell)
    assert isinstance(model.stack.cell, GRUCell)


@pytest.mark.parametrize("regulariser", ["dropout", "input_dropout", "recurrent_dropout", "zoneout", "weight_drop"])
def test_a_regulariser_acts_in_training_alone(regulariser: str) -> None:
    model, plain = build(layers=2, **{regulariser: 0.5}), build(layers=2)
    plain.load_state_dict(model.state_dict())
    batch = TokenBatch.of([[2, 3, 4, 5, 6, 7]])
    first, again = model.log_probs(batch)[0], model.log_probs(batch)[0]
    assert torch.equal(first, again)
    if regulariser != "zoneout":  # which in use takes the mean of old and new
        assert torch.equal(first, plain.log_probs(batch)[0])
    model.train()
    torch.manual_seed(1)
    drawn = model.log_probs(batch)[0]
    assert not torch.equal(drawn, model.log_probs(batch)[0])
    torch.manual_seed(1)
    assert torch.equal(drawn, model.log_probs(batch)[0])


def test_dropout_acts_between_and_after_the_layers_and_leaves_the_embedding_whole() -> None:
    # A dropped feature is zero; with a linear view of each place the share of zeros can be counted.
    model = build(dropout=0.5, hidden=64, embedding=64, vocabulary=9, layers=2).train()
    seen: list[torch.Tensor] = []
    model.stack.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for directed in model.stack.directed:
        directed.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    hidden, _ = model.hidden(torch.randint(2, 9, (20, 10)))
    embedded, first, second = seen
    assert not embedded.eq(0).any()
    assert not first.eq(0).any()
    for dropped in (second, hidden):
        assert dropped.eq(0).double().mean() == pytest.approx(0.5, abs=0.03)


def test_what_excludes_each_other() -> None:
    with pytest.raises(ValueError, match="pass tied or adaptive, not both"):
        build("adaptive", tied=True)


def test_an_adaptive_softmax_needs_a_feature_for_every_cluster() -> None:
    # Each cluster sees a quarter of the features of the one before; without any it could tell no words apart.
    with pytest.raises(ValueError, match=r"2 clusters .* at least 16 features, got 15; take more hidden units"):
        build("adaptive", hidden=15)


def test_a_model_without_a_loss_says_what_to_define() -> None:
    with pytest.raises(NotImplementedError, match=r"Bare has no loss: define loss\(self, batch, carried\)"):
        type("Bare", (Model,), {})().loss(None, None)


def test_ids_reach_the_device_of_the_weights() -> None:
    # A device without numbers stands in for a GPU: it, too, refuses tensors of the CPU.
    model = build(cell="gru-simplified").to("meta")
    log_probs, state = model.next_log_probs(torch.tensor([[-1, 2]]))
    again, _ = model.next_log_probs(torch.tensor([[3]]), state)
    scores, _ = model.log_probs(TokenBatch.of([[3, 2], [4]]))
    assert {value.device.type for value in (log_probs, again, scores, *state.values())} == {"meta"}
