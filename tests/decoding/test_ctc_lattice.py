"""The lattice gives what enumerating every path gives, and what torch's loss gives."""

from __future__ import annotations

import math
from itertools import groupby, product

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from throughtime.decoding.ctc import ctc_align, ctc_greedy, ctc_log_prob, frames_needed


def random_log_probs(frames: int, symbols: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(frames, symbols, generator=generator, dtype=torch.float64)).log_softmax(1)


def merged(path: tuple[int, ...], blank: int = 0) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in groupby(path) if symbol != blank)


def spans(path: tuple[int, ...], blank: int = 0) -> list[tuple[int, int]]:
    found, at = [], 0
    for symbol, run in groupby(path):
        length = len(list(run))
        if symbol != blank:
            found.append((at, at + length - 1))
        at += length
    return found


def paths(log_probs: Tensor) -> dict[tuple[int, ...], float]:
    """Every path with its log-probability."""
    frames, symbols = log_probs.shape
    return {
        path: sum(float(log_probs[t, symbol]) for t, symbol in enumerate(path))
        for path in product(range(symbols), repeat=frames)
    }


cases = st.tuples(st.integers(0, 5), st.integers(2, 3), st.integers(0, 1000))
labellings = st.lists(st.integers(1, 2), max_size=4)


@given(cases, labellings)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_the_probability_is_the_sum_over_paths(case: tuple[int, int, int], symbols: list[int]) -> None:
    log_probs = random_log_probs(*case)
    assume(max(symbols, default=0) < log_probs.shape[1])
    total = sum(math.exp(p) for path, p in paths(log_probs).items() if merged(path) == tuple(symbols))
    assert math.exp(ctc_log_prob(log_probs, symbols)) == pytest.approx(total, abs=1e-12)


@given(st.integers(1, 40), st.lists(st.integers(1, 5), max_size=12), st.integers(0, 1000))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_the_probability_is_that_of_torch(frames: int, symbols: list[int], seed: int) -> None:
    log_probs = random_log_probs(frames, 6, seed)
    loss = F.ctc_loss(
        log_probs.unsqueeze(1),
        torch.tensor([symbols], dtype=torch.int64).reshape(1, -1),
        torch.tensor([frames]),
        torch.tensor([len(symbols)]),
        reduction="sum",
    )
    assert ctc_log_prob(log_probs, symbols) == pytest.approx(-float(loss))
    assert (loss == math.inf) == (frames < frames_needed(symbols))


def test_another_symbol_can_be_blank() -> None:
    log_probs = random_log_probs(6, 4, 0)
    swapped = log_probs[:, [3, 1, 2, 0]]
    assert ctc_log_prob(swapped, [1, 0, 2], blank=3) == pytest.approx(ctc_log_prob(log_probs, [1, 3, 2]))
    assert ctc_align(swapped, [1, 0, 2], blank=3) == ctc_align(log_probs, [1, 3, 2])


@given(cases, labellings)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_the_alignment_is_that_of_the_best_path(case: tuple[int, int, int], symbols: list[int]) -> None:
    log_probs = random_log_probs(*case)
    assume(max(symbols, default=0) < log_probs.shape[1])
    fitting = {path: p for path, p in paths(log_probs).items() if merged(path) == tuple(symbols)}
    if fitting:
        assert ctc_align(log_probs, symbols) == spans(max(fitting, key=lambda path: fitting[path]))
    else:
        assert len(log_probs) < frames_needed(symbols)
        with pytest.raises(ValueError, match=f"at least {frames_needed(symbols)} frames"):
            ctc_align(log_probs, symbols)


def test_an_alignment_by_hand() -> None:
    """The same symbol twice needs the blank between, even where the blank is unlikely there."""
    chances = torch.tensor([[0.1, 0.9], [0.3, 0.7], [0.4, 0.6], [0.2, 0.8], [0.9, 0.1]])
    assert ctc_align(chances.log(), [1]) == [(0, 3)]
    assert ctc_align(chances.log(), [1, 1]) == [(0, 1), (3, 3)]
    assert ctc_align(chances.log(), []) == []


def test_greedy_merges_then_takes_blanks_out() -> None:
    path = torch.tensor([[0, 1, 1, 0, 1, 2, 2, 0], [2, 2, 0, 2, 1, 1, 1, 1]])
    log_probs = F.one_hot(path, 3).double().mul(5).log_softmax(2)
    assert ctc_greedy(log_probs, torch.tensor([8, 4])) == [[1, 1, 2], [2, 2]]
    assert ctc_greedy(log_probs, torch.tensor([0, 1])) == [[], [2]]
    assert ctc_greedy(log_probs, torch.tensor([8, 8]), blank=2) == [[0, 1, 0, 1, 0], [0, 1]]


def test_frames_past_the_end_are_not_read() -> None:
    ragged = [random_log_probs(frames, 5, frames) for frames in (9, 4, 1)]
    padded = torch.nn.utils.rnn.pad_sequence(ragged, batch_first=True, padding_value=1.0)
    together = ctc_greedy(padded, torch.tensor([9, 4, 1]))
    assert together == [ctc_greedy(each.unsqueeze(0), torch.tensor([len(each)]))[0] for each in ragged]


@pytest.mark.parametrize("symbols", [[0], [3], [-1]])
def test_what_is_no_symbol_is_refused(symbols: list[int]) -> None:
    with pytest.raises(ValueError, match="expected symbols of 0 to 2 that are not the blank 0"):
        ctc_log_prob(random_log_probs(4, 3, 0), symbols)


def test_a_batch_is_no_sequence() -> None:
    with pytest.raises(ValueError, match=r"\[frames, symbols\]"):
        ctc_align(torch.zeros(1, 4, 3), [1])
