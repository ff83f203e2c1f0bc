"""What is drawn follows the probabilities that were asked for, and nothing forbidden is ever drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from throughtime.data import NOTHING
from throughtime.decoding import Sampling, draw, sample
from throughtime.models import LanguageModel, LanguageModelConfig

UNK, EOS = 0, 1
PROBABILITIES = [0.05, 0.4, 0.3, 0.15, 0.1]


class Chain:
    """A model whose next token depends on the last one alone; it notes what it was asked."""

    def __init__(self, table: Sequence[Sequence[float]]) -> None:
        self.table = torch.tensor(table).log()
        self.asked: list[list[int]] = []
        self.states: list[Any] = []

    def next_log_probs(self, tokens: Tensor, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Any]:
        self.asked.append(tokens[0].tolist())
        self.states.append(state)
        return self.table[int(tokens[0, -1])].unsqueeze(0), {"step": torch.tensor(len(self.asked))}


def same(probabilities: Sequence[float]) -> Chain:
    return Chain([probabilities] * len(probabilities))


def agrees(counts: Mapping[Any, int], probabilities: Mapping[Any, float]) -> None:
    """Pearson's chi-square, far into its tail: with fixed seeds it either always passes or never."""
    total = sum(counts.values())
    assert set(counts) <= {key for key, p in probabilities.items() if p}
    expected = {key: total * p for key, p in probabilities.items() if p}
    statistic = sum((counts.get(key, 0) - e) ** 2 / e for key, e in expected.items())
    freedom = len(expected) - 1
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5 + 4


def drawn(settings: Sampling, probabilities: Sequence[float] = PROBABILITIES, number: int = 2500) -> Counter[int]:
    generator = torch.Generator().manual_seed(5)
    scores = torch.tensor(probabilities).log()
    return Counter(draw(scores, settings, generator) for _ in range(number))


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        (Sampling(), PROBABILITIES),
        (Sampling(temperature=0.5), [p**2 for p in PROBABILITIES]),
        (Sampling(temperature=2.0), [p**0.5 for p in PROBABILITIES]),
        (Sampling(top_k=1), [0, 1, 0, 0, 0]),
        (Sampling(top_k=3), [0, 0.4, 0.3, 0.15, 0]),
        (Sampling(top_k=50), PROBABILITIES),
        # The fewest tokens that hold the share: 0.4 + 0.3 holds 0.65 and 0.69, the next is needed for 0.71.
        (Sampling(top_p=0.2), [0, 1, 0, 0, 0]),
        (Sampling(top_p=0.39), [0, 1, 0, 0, 0]),
        (Sampling(top_p=0.41), [0, 0.4, 0.3, 0, 0]),
        (Sampling(top_p=0.69), [0, 0.4, 0.3, 0, 0]),
        (Sampling(top_p=0.71), [0, 0.4, 0.3, 0.15, 0]),
        # Temperature first: 0.16, 0.09 of 0.285 hold 0.877 of the sharpened distribution.
        (Sampling(temperature=0.5, top_p=0.87), [0, 0.16, 0.09, 0, 0]),
        # Then the k likeliest, whose shares count anew: 0.4 of 0.7 is 0.571.
        (Sampling(top_k=2, top_p=0.56), [0, 1, 0, 0, 0]),
        (Sampling(top_k=2, top_p=0.58), [0, 0.4, 0.3, 0, 0]),
    ],
    ids=str,
)
def test_draws_follow_the_settings(settings: Sampling, weights: Sequence[float]) -> None:
    agrees(drawn(settings), {token: weight / sum(weights) for token, weight in enumerate(weights)})


def test_scores_need_not_sum_to_one() -> None:
    scores = [40 * p for p in PROBABILITIES]
    agrees(drawn(Sampling(), scores), dict(enumerate(PROBABILITIES)))


def test_of_equals_the_first_ids_stay() -> None:
    assert set(drawn(Sampling(top_k=2), [0.25] * 4, 200)) == {0, 1}
    assert set(drawn(Sampling(top_p=0.7), [0.25] * 4, 200)) == {0, 1, 2}
    assert set(drawn(Sampling(temperature=0.0), [0.1, 0.45, 0.45], 20)) == {1}


def test_temperature_zero_takes_the_likeliest_whatever_the_seed() -> None:
    table = [[0.1, 0.1, 0.5, 0.3], [0.25] * 4, [0.0, 0.1, 0.2, 0.7], [0.3, 0.1, 0.6, 0.0]]
    for seed in (None, 1, 2):
        settings = Sampling(temperature=0.0, length=5, seed=seed)
        assert list(sample(Chain(table), [0], settings, eos=EOS)) == [2, 3, 2, 3, 2]


def test_a_long_draw_visits_pairs_as_often_as_the_model_says() -> None:
    table = [[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.2, 0.2, 0.6]]
    tokens = list(sample(Chain(table), [], Sampling(length=4000, seed=3), eos=None))
    assert len(tokens) == 4000
    for before in range(3):
        after = Counter(b for a, b in pairwise(tokens) if a == before)
        agrees(after, dict(enumerate(table[before])))


def test_a_language_model_is_drawn_from_as_it_scores() -> None:
    torch.manual_seed(1)
    model = LanguageModel(LanguageModelConfig(vocabulary=4, cell="rnn", hidden=4, embedding=4)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.8)
    expected: dict[tuple[int, ...], float] = {}
    first, state = model.next_log_probs(torch.tensor([[NOTHING]]))
    for token, p in enumerate(first[0].exp().tolist()):
        if token == EOS:
            expected[()] = p
            continue
        second, _ = model.next_log_probs(torch.tensor([[token]]), state)
        for other, q in enumerate(second[0].exp().tolist()):
            expected[(token,) if other == EOS else (token, other)] = p * q
    found = Counter(tuple(sample(model, [], Sampling(length=2, seed=seed), eos=EOS)) for seed in range(1000))
    agrees(found, expected)


def test_unknown_is_never_drawn_and_the_rest_shares_its_probability() -> None:
    likely = [0.9, 0.0, 0.06, 0.04]
    tokens = list(sample(same(likely), [], Sampling(length=2000, seed=0), eos=EOS, never=[UNK]))
    agrees(Counter(tokens), {2: 0.6, 3: 0.4})
    for settings in (
        Sampling(temperature=0.0, length=20),
        Sampling(top_k=1, length=20),
        Sampling(top_p=0.01, length=20),
    ):
        assert list(sample(same(likely), [], settings, eos=EOS, never=[UNK])) == [2] * 20


def test_a_sequence_ends_before_its_end_token() -> None:
    table = [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
    model = Chain(table)
    assert list(sample(model, [0], Sampling(length=50), eos=EOS)) == [2, 3]
    # Without an end it goes on through it.
    assert list(sample(Chain(table), [0], Sampling(length=5), eos=None)) == [2, 3, 1, 2, 3]
    assert len(list(sample(same([0.5, 0.0, 0.5]), [], Sampling(length=7), eos=EOS))) == 7


def test_lengths_before_the_end_follow_its_probability() -> None:
    lengths = Counter(
        len(list(sample(same([0.0, 0.5, 0.5]), [], Sampling(length=4, seed=seed), eos=EOS))) for seed in range(800)
    )
    agrees(lengths, {0: 1 / 2, 1: 1 / 4, 2: 1 / 8, 3: 1 / 16, 4: 1 / 16})


def test_a_sequence_does_not_end_too_early() -> None:
    for seed in range(50):
        model = same([0.0, 0.9, 0.1])
        length = len(list(sample(model, [], Sampling(length=30, min_length=4, seed=seed), eos=EOS)))
        assert length >= 4
    greedy = Sampling(temperature=0.0, length=30, min_length=4)
    assert list(sample(same([0.0, 0.9, 0.1]), [], greedy, eos=EOS)) == [2] * 4


def test_the_same_seed_draws_the_same() -> None:
    def text(seed: int | None) -> list[int]:
        torch.rand(3)  # the global random state has no say
        return list(sample(same(PROBABILITIES), [2], Sampling(length=40, seed=seed), eos=None))

    assert text(7) == text(7)
    assert text(7) != text(8)
    assert text(None) != text(None)


def test_drawing_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    list(sample(same(PROBABILITIES), [2], Sampling(length=40), eos=None))
    assert torch.equal(torch.get_rng_state(), before)


def test_every_token_comes_before_the_next_is_computed() -> None:
    model = same([0.0, 0.0, 1.0])
    tokens = sample(model, [], Sampling(length=3), eos=EOS)
    assert model.asked == []
    for count in (1, 2, 3):
        assert next(tokens) == 2
        assert len(model.asked) == count
    assert next(tokens, None) is None
    assert len(model.asked) == 3


def test_the_prompt_is_read_once_from_nothing_and_the_state_goes_on() -> None:
    model = same([0.0, 0.0, 1.0])
    list(sample(model, [2, 0, 2], Sampling(length=3), eos=EOS))
    assert model.asked == [[NOTHING, 2, 0, 2], [2], [2]]
    assert [None if state is None else int(state["step"]) for state in model.states] == [None, 1, 2]
    empty = same([0.0, 0.0, 1.0])
    list(sample(empty, [], Sampling(length=1), eos=EOS))
    assert empty.asked == [[NOTHING]]


def test_the_scores_of_the_model_are_left_as_they_are() -> None:
    model = same([0.5, 0.2, 0.3])
    before = model.table.clone()
    list(sample(model, [], Sampling(length=5, min_length=5), eos=EOS, never=[UNK]))
    assert torch.equal(model.table, before)


def test_no_gradient_inside_and_the_caller_keeps_its_own() -> None:
    class Watched(Chain):
        def next_log_probs(self, tokens: Tensor, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Any]:
            assert not torch.is_grad_enabled()
            return super().next_log_probs(tokens, state)

    for _ in sample(Watched([PROBABILITIES] * 5), [], Sampling(length=3), eos=None):
        assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": -0.1}, "expected a temperature of at least 0 and finite, got -0.1"),
        ({"temperature": float("nan")}, "expected a temperature of at least 0 and finite, got nan"),
        ({"temperature": float("inf")}, "expected a temperature of at least 0 and finite, got inf"),
        ({"top_k": 0}, "expected top-k to be at least 1, got 0"),
        ({"top_p": 0.0}, "expected top-p above 0 and at most 1, got 0.0"),
        ({"top_p": 1.01}, "expected top-p above 0 and at most 1, got 1.01"),
        ({"length": 0}, "expected a length of at least 1, got 0"),
        ({"min_length": -1}, "expected a minimum length of at least 0, got -1"),
    ],
)
def test_settings_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**arguments)


@pytest.mark.parametrize("temperature", [1e-4, 1e-38, 1e-45, 1e-300])
def test_a_temperature_near_zero_is_the_likeliest_token(temperature: float) -> None:
    assert drawn(Sampling(temperature=temperature), number=20) == {1: 20}


def test_a_great_temperature_is_even() -> None:
    agrees(drawn(Sampling(temperature=1e30), [0.0, 0.9, 0.1], 2000), {0: 0, 1: 0.5, 2: 0.5})
