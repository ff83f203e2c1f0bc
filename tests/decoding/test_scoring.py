"""The probability of a sequence does not depend on which others are scored with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data import Streams, TokenBatch, WholeTexts
from throughtime.decoding import sequence_log_probs, stream_log_prob
from throughtime.models import LanguageModel, LanguageModelConfig

EOS = 1


def build(**options: Any) -> LanguageModel:
    torch.manual_seed(4)
    values = {"vocabulary": 7, "cell": "gru", "hidden": 5, "embedding": 4, **options}
    model = LanguageModel(LanguageModelConfig(**values)).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return model


MODEL = build()


@torch.no_grad()
def stepwise(text: list[int]) -> float:
    """The chain rule, a token at a time."""
    total, state, before = 0.0, None, -1
    for token in text:
        log_probs, state = MODEL.next_log_probs(torch.tensor([[before]]), state)
        total, before = total + float(log_probs[0, token]), token
    return total


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 6), max_size=7), max_size=9), st.sampled_from([1, 2, 3, 64]))
def test_each_sequence_as_if_it_were_alone(sequences: list[list[int]], rows: int) -> None:
    scores = sequence_log_probs(MODEL, sequences, rows)
    np.testing.assert_allclose(scores, [stepwise(text) for text in sequences], rtol=1e-10, atol=1e-12)
    assert all(score == 0.0 for text, score in zip(sequences, scores, strict=True) if not text)


def test_the_order_is_that_of_the_sequences() -> None:
    sequences = [[2] * length for length in (3, 1, 0, 5, 2, 4)]
    forwards = sequence_log_probs(MODEL, sequences, rows=2)
    assert len(set(forwards)) == len(forwards)
    backwards = sequence_log_probs(MODEL, sequences[::-1], rows=4)
    np.testing.assert_allclose(backwards, forwards[::-1], rtol=1e-12)


def test_sequences_are_computed_together_with_those_of_similar_length() -> None:
    batches: list[tuple[int, int]] = []

    class Watched:
        def log_probs(self, batch: TokenBatch, state: Any = None) -> tuple[torch.Tensor, Any]:
            batches.append(tuple(batch.targets.shape))  # type: ignore[arg-type]
            return MODEL.log_probs(batch, state)

    sequence_log_probs(Watched(), [[2] * n for n in (1, 9, 2, 8, 1, 9, 2, 8)], rows=4)
    assert batches == [(4, 2), (4, 9)]


def test_a_sum_of_many_small_parts_keeps_its_digits() -> None:
    class Constant:
        def log_probs(self, batch: TokenBatch, state: Any = None) -> tuple[torch.Tensor, Any]:
            return torch.full(batch.targets.shape, -0.1), None

    expected = 1_000_000 * torch.tensor(-0.1).item()  # what single precision makes of a tenth
    (score,) = sequence_log_probs(Constant(), [[2] * 1_000_000])
    assert score == pytest.approx(expected, rel=1e-12)
    ids = np.full(1_000_000, 2)
    ((total, tokens),) = stream_log_prob(Constant(), WholeTexts(ids, 1, EOS))
    assert (total, tokens) == (pytest.approx(expected, rel=1e-12), 1_000_000)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_running_text_is_the_sum_of_its_texts(rows: int) -> None:
    ids = np.random.default_rng(1).integers(1, 7, 60)
    streams = Streams(ids, rows, 4, EOS)
    results = list(stream_log_prob(MODEL, streams))
    assert len(results) == len(streams)
    assert sum(tokens for _, tokens in results) == 60
    expected = 0.0
    for begin, end in zip(streams.bounds[:-1], streams.bounds[1:], strict=True):
        text: list[int] = []
        for token in ids[begin:end].tolist():
            text.append(token)
            if token == EOS:
                expected, text = expected + stepwise(text), []
        expected += stepwise(text)
    assert sum(score for score, _ in results) == pytest.approx(expected, rel=1e-10)


def test_whole_texts_are_their_sum() -> None:
    ids = np.array([3, 4, EOS, 5, EOS, EOS, 2, 6])
    total = sum(score for score, _ in stream_log_prob(MODEL, WholeTexts(ids, 2, EOS)))
    expected = sum(stepwise(text) for text in ([3, 4, EOS], [5, EOS], [EOS], [2, 6]))
    assert total == pytest.approx(expected, rel=1e-10)


def test_scoring_builds_no_graph() -> None:
    class Watched:
        def log_probs(self, batch: TokenBatch, state: Any = None) -> tuple[torch.Tensor, Any]:
            assert not torch.is_grad_enabled()
            return MODEL.log_probs(batch, state)

    sequence_log_probs(Watched(), [[2, 3]])
    for _ in stream_log_prob(Watched(), WholeTexts(np.array([2, EOS, 3, EOS]), 1, EOS)):
        assert torch.is_grad_enabled()
