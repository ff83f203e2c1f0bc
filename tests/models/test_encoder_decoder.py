"""The encoder–decoder: the whole target at once is the steps one by one, and no pair hears of another."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from throughtime.data.text.pairs import PairBatch
from throughtime.decoding import Beam, beam_search
from throughtime.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig

EOS, SOURCE, TARGET = 1, 6, 5
KINDS: list[dict[str, Any]] = [
    {},
    {"cell": "gru", "layers": 2},
    {"attention": "additive", "coverage": 0.7},
    {"input_feeding": True, "layers": 2},
    {"input_feeding": True, "attention": "additive", "coverage": 1.0, "cell": "gru"},
    {"tied": True, "cell": "lstm-peephole", "bidirectional": False},
    {"attention": "dot", "decoder_hidden": 8},
    {"cell": "lstm-projected", "options": {"proj_size": 3}},
]


def build(**options: Any) -> EncoderDecoder:
    torch.manual_seed(2)
    values = {"source": SOURCE, "target": TARGET, "hidden": 4, "embedding": 3, "decoder_hidden": 5, **options}
    model = EncoderDecoder(EncoderDecoderConfig(**values)).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.6)
    return model


MODELS = [build(**kind) for kind in KINDS]

sources = st.lists(st.integers(0, SOURCE - 1), max_size=5)
targets = st.lists(st.integers(2, TARGET - 1), max_size=4)
pairs = st.lists(st.tuples(sources, targets), min_size=1, max_size=4)


def batch_of(pairs: list[tuple[list[int], list[int]]]) -> PairBatch:
    return PairBatch.of([source for source, _ in pairs], [target for _, target in pairs], EOS)


@torch.no_grad()
def stepwise(model: EncoderDecoder, source: list[int], target: list[int]) -> list[float]:
    """The chain rule, a pair and a token at a time."""
    batch = batch_of([(source, [])])
    decoder = model.decoding(batch.source, batch.source_lengths)
    log_probs, state = decoder.begin()
    scores = []
    for token in [*target, EOS]:
        scores.append(float(log_probs[0, token]))
        log_probs, state = decoder.step(torch.tensor([token]), state)
    return scores


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.sampled_from(MODELS), pairs)
def test_whole_targets_in_ragged_batches_are_single_steps(
    model: EncoderDecoder, pairs: list[tuple[list[int], list[int]]]
) -> None:
    with torch.no_grad():
        log_probs, weights = model.log_probs(batch_of(pairs))
    for row, (source, target) in enumerate(pairs):
        expected = torch.tensor(stepwise(model, source, target), dtype=torch.float64)
        torch.testing.assert_close(log_probs[row, : len(expected)], expected)
        assert not log_probs[row, len(expected) :].any()
        sums = weights[row, : len(expected), : len(source)].sum(1)
        torch.testing.assert_close(sums, torch.full_like(sums, float(bool(source))))
        assert not weights[row, :, len(source) :].any()


@torch.no_grad()
def by_hand(model: EncoderDecoder, source: list[int], target: list[int]) -> list[float]:
    """The docstrings' equations for one pair, a step at a time, on the layers alone."""
    outputs, final = model.encoder(model.source_embedding(torch.tensor([source])))
    state = model.bridge(final)
    memory = model.attention.memory(outputs, torch.tensor([len(source)]))
    read = torch.zeros(1, model.config.embedding, dtype=outputs.dtype)
    fed, covered, scores = outputs.new_zeros(1, model.attended), outputs.new_zeros(1, len(source)), []
    for token in [*target, EOS]:
        step = torch.cat([read, fed], 1) if model.config.input_feeding else read
        output, state = model.decoder.step(step, state)
        context, weights = model.attention(output.unsqueeze(1), memory, covered if model.attention.coverage else None)
        covered = covered + weights[:, 0]
        fed = torch.tanh(model.join(torch.cat([context[:, 0], output], 1)))
        logits = fed @ model.embedding.weight.T + model.bias if model.config.tied else model.softmax(fed)
        scores.append(float(logits.log_softmax(1)[0, token]))
        # Tied, what is read has variance one, and what the softmax multiplies with a small one.
        read = model.embedding.weight[[token]] * (model.config.embedding**0.5 if model.config.tied else 1.0)
    return scores


@pytest.mark.parametrize("model", MODELS)
def test_a_pair_is_the_equations_written_out(model: EncoderDecoder) -> None:
    for source, target in (([2, 3, 4, 5], [2, 4, 3]), ([5], [3])):
        with torch.no_grad():
            log_probs, _ = model.log_probs(batch_of([(source, target)]))
        assert log_probs[0].tolist() == pytest.approx(by_hand(model, source, target))


PAIRS = [([2, 3, 4, 5], [2, 4]), ([5], [3, 3, 2, 4]), ([3, 2], [])]


@pytest.mark.parametrize("model", MODELS)
def test_gradients_of_a_batch_are_the_sum_of_its_pairs(model: EncoderDecoder) -> None:
    model.zero_grad()
    batch = batch_of(PAIRS)
    loss, carried = model.loss(batch, None)
    assert carried is None
    (loss * batch.tokens).backward()
    together = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    for pair in PAIRS:
        single = batch_of([pair])
        (model.loss(single, None)[0] * single.tokens).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, together[name])
        assert parameter.grad.any(), name


@pytest.mark.parametrize("number", range(len(MODELS)))
def test_gradients_are_those_of_differences(number: int) -> None:
    model = MODELS[number]
    batch = batch_of(PAIRS)
    model.zero_grad()
    model.loss(batch, None)[0].backward()
    for name, parameter in model.named_parameters():
        place = int(parameter.grad.abs().argmax())
        flat = parameter.data.view(-1)
        before, losses = float(flat[place]), []
        for shift in (1e-6, -1e-6):
            flat[place] = before + shift
            with torch.no_grad():
                losses.append(float(model.loss(batch, None)[0]))
        flat[place] = before
        expected = (losses[0] - losses[1]) / 2e-6
        assert float(parameter.grad.view(-1)[place]) == pytest.approx(expected, rel=1e-4, abs=1e-8), name


def test_probabilities_of_all_targets_sum_to_one() -> None:
    """Of all that end within three steps, and of what goes on after."""
    model = MODELS[0]
    others = [token for token in range(TARGET) if token != EOS]
    ended = [[], *[[a] for a in others], *[[a, b] for a in others for b in others]]
    total = 0.0
    for target in ended:
        with torch.no_grad():
            total += float(model.log_probs(batch_of([([2, 3], target)]))[0].sum().exp())
    going = 0.0
    for target in [[a, b] for a in others for b in others]:
        with torch.no_grad():
            scores = model.log_probs(batch_of([([2, 3], target)]))[0][0]
        going += float(scores[:2].sum().exp() * (1 - scores[2].exp()))
    assert total + going == pytest.approx(1.0)


def test_the_bridge_hands_over_both_directions_of_every_layer() -> None:
    model = build(layers=2)
    final = {name: torch.randn(4, 1, 4, dtype=torch.float64) for name in ("h", "c")}
    first = model.bridge(final)
    for name, value in final.items():
        maps = model.bridge.maps[name]
        for layer in range(2):
            joined = torch.cat([value[2 * layer], value[2 * layer + 1]], 1)
            expected = torch.tanh(joined @ maps[layer].weight.T + maps[layer].bias)
            torch.testing.assert_close(first[name][layer], expected)


def test_the_loss_is_smoothed_and_covered() -> None:
    model = build(attention="additive", coverage=0.5, label_smoothing=0.2)
    batch = batch_of(PAIRS)
    with torch.no_grad():
        vectors, weights, _ = model.decode(batch.inputs, model.encode(batch.source, batch.source_lengths))
        log_probs = model.log_softmax(vectors)
        expected = 0.0
        for row, (_, target) in enumerate(PAIRS):
            for step, token in enumerate([*target, EOS]):
                each = log_probs[row, step]
                expected -= 0.8 * float(each[token]) + 0.2 * float(each.mean())
                before = weights[row, :step].sum(0)
                expected += 0.5 * float(torch.minimum(weights[row, step], before).sum())
        assert float(model.loss(batch, None)[0]) == pytest.approx(expected / batch.tokens)


def test_the_memory_of_a_search_follows_its_rows() -> None:
    for model in MODELS:
        batch = batch_of(PAIRS)
        with torch.no_grad():
            decoder = model.decoding(batch.source, batch.source_lengths)
            _, state = decoder.begin()
            tokens = torch.tensor([2, 3, 4])
            expected, after = decoder.step(tokens, state)
            for rows in (torch.tensor([2, 0, 0, 1]), torch.tensor([2, 0, 1])):
                found, taken = decoder.step(tokens[rows], decoder.reorder(state, rows))
                torch.testing.assert_close(found, expected[rows])
                again = torch.tensor([2, 2, 3, 2])[: len(rows)]
                right, _ = decoder.step(again, decoder.reorder(after, rows))
                torch.testing.assert_close(decoder.step(again, taken)[0], right)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_scheduled_sampling_reads_the_models_own_tokens(share: float) -> None:
    model = build(scheduled_sampling=share)
    with torch.no_grad():
        model.softmax.bias.fill_(-50.0)
        model.softmax.bias[3] = 50.0  # the model always says 3
    right, own = batch_of([([2, 4], [2, 4, 2])]), batch_of([([2, 4], [3, 3, 3])])
    model.train()
    vectors = [model.decode(b.inputs, model.encode(b.source, b.source_lengths))[0] for b in (right, own)]
    assert torch.allclose(*vectors) == (share == 1.0)
    model.eval()
    vectors = [model.decode(b.inputs, model.encode(b.source, b.source_lengths))[0] for b in (right, own)]
    assert not torch.allclose(*vectors)


def test_without_input_feeding_the_decoder_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build()
    calls = []
    forward = model.decoder.forward
    monkeypatch.setattr(model.decoder, "forward", lambda *a, **k: calls.append(a[0].shape[1]) or forward(*a, **k))
    model.loss(batch_of(PAIRS), None)
    assert calls == [5]


@torch.no_grad()
def test_dropout_is_drawn_in_training_alone() -> None:
    model = build(dropout=0.5)
    batch = batch_of(PAIRS)
    assert float(model.loss(batch, None)[0]) == float(model.loss(batch, None)[0])
    model.train()
    assert float(model.loss(batch, None)[0]) != float(model.loss(batch, None)[0])


class ByCalls:
    """A decoder whose every step is a call of the layer."""

    def __init__(self, model: EncoderDecoder, batch: PairBatch) -> None:
        self.model, self.inner = model, model.decoding(batch.source, batch.source_lengths)

    def begin(self) -> tuple[Tensor, Any]:
        return self.inner.begin()

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        vectors, _, state = self.model.decode(tokens.unsqueeze(1), state)
        return self.model.log_softmax(vectors[:, -1]), state

    def reorder(self, state: Any, rows: Tensor) -> Any:
        return self.inner.reorder(state, rows)


@pytest.mark.parametrize("width", [1, 3])
def test_a_search_over_a_stream_finds_what_calls_of_the_layer_find(width: int) -> None:
    for model in MODELS:
        batch = batch_of([*PAIRS, *PAIRS[:1]])
        length = [2, 7, 5, 3][: len(batch.source_lengths)]
        over, calls = (
            beam_search(decoder, Beam(width), eos=EOS, length=length)
            for decoder in (model.decoding(batch.source, batch.source_lengths), ByCalls(model, batch))
        )
        for found, expected in zip(over, calls, strict=True):
            assert [h.tokens for h in found] == [h.tokens for h in expected]
            assert [h.score for h in found] == pytest.approx([h.score for h in expected], rel=1e-4)
