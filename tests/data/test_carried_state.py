"""A state carried over every cut and dropped at every end: a text's probability is the same wherever it is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from familiar import FAMILIAR
from throughtime.data import Streams, TokenBatch
from throughtime.models import LanguageModel, LanguageModelConfig

EOS = 1


def tiny(cell: str, layers: int = 1) -> LanguageModel:
    torch.manual_seed(2)
    config = LanguageModelConfig(vocabulary=8, cell=cell, hidden=5, layers=layers, embedding=5)
    model = LanguageModel(config).double().eval()
    for parameter in model.parameters():  # strong weights: what a state holds is felt many steps later
        torch.nn.init.normal_(parameter, std=0.7)
    return model


def texts_in(ids: list[int]) -> list[list[int]]:
    found: list[list[int]] = [[]]
    for i in ids:
        found[-1].append(i)
        if i == EOS:
            found.append([])
    return [text for text in found if text]


@torch.no_grad()
def alone(model: LanguageModel, text: list[int]) -> list[float]:
    """The text's log-probabilities, token by token, with nothing else in the batch."""
    (scores,) = model.log_probs(TokenBatch.of([text]))[0].tolist()
    return list(scores)


@torch.no_grad()
def streamed(model: LanguageModel, streams: Streams, rows: int, epochs: int = 1) -> list[list[float]]:
    """Each stream's log-probabilities in order, the state carried from batch to batch and from epoch to epoch."""
    found: list[list[float]] = [[] for _ in range(rows)]
    carried = None
    for epoch in range(epochs):
        for batch in streams.batches(epoch):
            scores, final = model.log_probs(batch, batch.begin(carried))
            carried = batch.carry(final)
            assert batch.last is not None
            begun = 0
            for stream, last in enumerate(batch.last.tolist()):
                for row in range(begun, last + 1):
                    found[stream] += scores[row, : int(batch.lengths[row])].tolist()
                begun = last + 1
    return found


LSTM, DEEP = tiny("lstm"), tiny("gru-full", layers=2)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.one_of(st.just(EOS), st.integers(2, 7)), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(1, 9),
    st.sampled_from([LSTM, DEEP]),
)
def test_a_text_scores_the_same_wherever_it_is_cut(ids: list[int], rows: int, steps: int, model: LanguageModel) -> None:
    streams = Streams(np.array(ids), rows, steps, EOS)
    for stream, scores in enumerate(streamed(model, streams, rows)):
        inside = ids[streams.bounds[stream] : streams.bounds[stream + 1]]
        expected = [score for text in texts_in(inside) for score in alone(model, text)]
        np.testing.assert_allclose(scores, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", FAMILIAR)
def test_every_cell_carries_all_of_its_state(cell: str) -> None:
    model, text = tiny(cell, layers=2), [3, 5, 2, 7, 4, 6, 3, 2, 5, EOS, 4, 4, 6, 2, EOS]
    (scores,) = streamed(model, Streams(np.array(text), 1, 4, EOS), 1)
    expected = alone(model, text[:10]) + alone(model, text[10:])
    np.testing.assert_allclose(scores, expected, rtol=1e-10, atol=1e-12)


def test_the_next_epoch_begins_from_nothing() -> None:
    # The last text has no end, so that the state carried out of the epoch is that of an unfinished text.
    streams = Streams(np.array([3, 4, EOS, 5, 6, 2, 7]), 2, 2, EOS)
    once, twice = streamed(LSTM, streams, 2), streamed(LSTM, streams, 2, epochs=2)
    assert twice == [scores + scores for scores in once]


def test_the_test_would_see_a_lost_state() -> None:
    text = [3, 5, 2, 7, EOS]
    apart = alone(LSTM, text[:2]) + alone(LSTM, text[2:])
    assert np.abs(np.array(apart) - alone(LSTM, text))[2:].min() > 1e-3
