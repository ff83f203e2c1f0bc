"""Drawing and searching over a stream gives what the model gives on whole sequences, whatever it is built of."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import pytest
import torch
from torch import Tensor

import throughtime
from familiar import FAMILIAR
from throughtime.cells import input_matrix
from throughtime.data import NOTHING
from throughtime.decoding import (
    Beam,
    Sampling,
    TextDecoder,
    beam_search,
    greedy,
    sample,
    sample_beside,
    sample_many,
    sampling,
)
from throughtime.engine.compiled.stream import CompiledStream
from throughtime.models import LanguageModel, LanguageModelConfig

VOCABULARY, EOS = 23, 1


class Adding(throughtime.Cell):
    """A cell that no program can be made of."""

    def parameters(self) -> Any:
        return {"W": input_matrix(self.hidden_size, self.input_size)}

    def step(self, x: Any, s: Any, p: Any) -> Any:
        return {"h": torch.tanh(s.h + (p.W @ x).cumsum(-1))}


BUILT: dict[str, dict[str, Any]] = {
    **{cell: {"cell": cell} for cell in FAMILIAR},
    "tied": {"tied": True, "hidden": 8},
    "tied with a bridge": {"tied": True, "layers": 2, "dropout": 0.3},
    "adaptive": {"adaptive": (5, 12), "layers": 2, "zoneout": 0.1},
    "projected": {"cell": "lstm-projected", "options": {"proj_size": 5}, "layers": 2},
    "residual": {"layers": 3, "residual": True, "recurrent_dropout": 0.2, "input_dropout": 0.2, "weight_drop": 0.2},
    "adding": {"layers": 2},
}


def build(name: str) -> LanguageModel:
    torch.manual_seed(2)
    config = LanguageModelConfig(**{"vocabulary": VOCABULARY, "hidden": 16, "embedding": 8, **BUILT[name]})
    model = LanguageModel(config, cell=Adding if name == "adding" else None).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return model


class Whole:
    """The model without its stream: every step is a call."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model

    def next_log_probs(self, tokens: Tensor, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Any]:
        return self.model.next_log_probs(tokens, state)


@pytest.mark.parametrize("name", BUILT)
@torch.no_grad()
def test_steps_say_what_the_whole_sequence_says(name: str) -> None:
    model = build(name)
    tokens = torch.randint(VOCABULARY, (3, 6))
    tokens[:, 0] = NOTHING
    compiled = isinstance(model.stack.stream().cells[0], CompiledStream)
    for rows in (slice(0, 1), slice(0, 3)):
        read = tokens[rows]
        stream = model.stream(model.next_log_probs(read[:, :2])[1])
        for step in range(2, 6):
            found = stream.step(read[:, step])
            expected, state = model.next_log_probs(read[:, : step + 1])
            torch.testing.assert_close(found, expected)
            for key, value in stream.state.items():
                torch.testing.assert_close(value, state[key])
                assert not compiled or torch.equal(value, state[key])
    torch.testing.assert_close(model.stream().step(tokens[:1, 0]), model.next_log_probs(tokens[:1, :1])[0])


@pytest.mark.parametrize("name", ["lstm", "gru-full", "tied with a bridge", "adaptive", "adding"])
def test_a_seed_draws_the_same_with_and_without_a_stream(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = build(name), []
    whole = model.next_log_probs
    for settings in (Sampling(length=40, seed=4), Sampling(length=20, seed=5, top_k=4, temperature=2.0, min_length=9)):
        expected = list(sample(Whole(model), [3, 4], settings, eos=EOS, never=[0]))
        with monkeypatch.context() as patch:
            patch.setattr(model, "next_log_probs", lambda *given: calls.append(given) or whole(*given))
            assert list(sample(model, [3, 4], settings, eos=EOS, never=[0])) == expected
    assert len(expected) >= 9
    assert len(calls) == 2  # the prompts alone


@pytest.mark.parametrize("name", ["lstm", "gru-full", "tied with a bridge", "adaptive", "adding", "whole"])
def test_sequences_drawn_side_by_side_are_those_drawn_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BESIDE", 4)  # of six: a group of four and one of two
    model: Any = Whole(build("lstm")) if name == "whole" else build(name)
    settings = [Sampling(length=30, seed=seed, min_length=seed, temperature=3.0) for seed in range(6)]
    alone = [list(sample(model, [3, 4], each, eos=EOS, never=[0])) for each in settings]
    assert len({len(each) for each in alone}) > 1  # they end at different steps
    assert [list(each) for each in sample_beside(model, [3, 4], settings, eos=EOS, never=[0])] == alone
    beside = sample_beside(model, [3, 4], settings, eos=EOS, never=[0])
    found = list(zip_longest(*reversed(beside)))
    assert [[t for t in column if t is not None] for column in zip(*found, strict=True)] == alone[::-1]


@pytest.mark.parametrize("name", ["lstm", "adaptive", "adding"])
def test_searches_find_the_same_with_and_without_a_stream(name: str) -> None:
    model = build(name)
    for search in (
        lambda decoder: beam_search(decoder, Beam(4), eos=EOS, length=[3, 12]),
        lambda decoder: [greedy(decoder, eos=EOS, length=[9, 4])],
        lambda decoder: [sample_many(decoder, Sampling(seed=3), eos=EOS, length=[9, 14])],
    ):
        found, expected = (search(TextDecoder(each, [5], rows=2)) for each in (model, Whole(model)))
        assert [[h.tokens for h in row] for row in found] == [[h.tokens for h in row] for row in expected]
        for row, others in zip(found, expected, strict=True):
            assert [h.log_prob for h in row] == pytest.approx([h.log_prob for h in others], rel=1e-5)


@torch.no_grad()
def test_a_decoder_goes_on_from_any_state_it_gave() -> None:
    decoder = TextDecoder(build("lstm"), [5])
    _, first = decoder.begin()
    one, after = decoder.step(torch.tensor([3]), first)
    kept = {name: value.clone() for name, value in after.items()}
    two, _ = decoder.step(torch.tensor([4]), after)
    assert torch.equal(decoder.step(torch.tensor([3]), first)[0], one)
    assert torch.equal(decoder.step(torch.tensor([4]), after)[0], two)
    assert all(torch.equal(after[name], value) for name, value in kept.items())
    joined = decoder.join([after, first, after])
    found, _ = decoder.step(torch.tensor([4, 3, 4]), joined)
    torch.testing.assert_close(found, torch.cat([two, one, two]))


@torch.no_grad()
def test_a_decoder_begins_with_the_weights_of_that_moment() -> None:
    model = build("lstm")
    decoder = TextDecoder(model, [5])
    _, state = decoder.begin()
    before, _ = decoder.step(torch.tensor([3]), state)
    for parameter in model.stack.parameters():
        parameter.mul_(0.5)
    _, state = decoder.begin()
    found, _ = decoder.step(torch.tensor([3]), state)
    torch.testing.assert_close(found, model.next_log_probs(torch.tensor([[NOTHING, 5, 3]]))[0])
    assert not torch.allclose(found, before)
