"""Every search finds what enumeration finds, for many sequences at once as for each alone."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from throughtime.decoding import (
    Beam,
    Hypothesis,
    Sampling,
    TextDecoder,
    beam_search,
    forced_log_probs,
    greedy,
    sample,
    sample_many,
)
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.runtime.search import Penalty

EOS = 1
PENALTIES: tuple[Penalty, ...] = ("none", "average", "gnmt")


class Table:
    """Probabilities drawn at random for every beginning of every sequence; the state is the beginning itself."""

    def __init__(
        self, sources: list[int], vocabulary: int = 4, *, eos: int = EOS, ends: float = 0.0, spread: float = 2.0
    ) -> None:
        self.sources, self.vocabulary, self.eos, self.ends, self.spread = sources, vocabulary, eos, ends, spread

    def of(self, source: int, read: tuple[int, ...]) -> Tensor:
        seed = source
        for token in read:
            seed = seed * 7 + token + 1
        generator = torch.Generator().manual_seed(seed % 2**31)
        logits = self.spread * torch.randn(self.vocabulary, generator=generator)
        logits[self.eos] += self.ends
        return logits.log_softmax(0)

    def begin(self) -> tuple[Tensor, Any]:
        state = [(source, ()) for source in self.sources]
        return self._log_probs(state), state

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        assert len(tokens) == len(state)
        state = [(source, (*read, int(token))) for (source, read), token in zip(state, tokens, strict=True)]
        return self._log_probs(state), state

    def reorder(self, state: Any, rows: Tensor) -> Any:
        return [state[row] for row in rows.tolist()]

    def _log_probs(self, state: Any) -> Tensor:
        return torch.stack([self.of(*row) for row in state])


def log_prob(table: Table, source: int, tokens: tuple[int, ...]) -> float:
    return sum(float(table.of(source, tokens[:at])[token]) for at, token in enumerate(tokens))


def everything(
    table: Table, source: int, length: int, beam: Beam, never: tuple[int, ...] = ()
) -> list[tuple[tuple[int, ...], float]]:
    """All sequences up to a length and their scores, the best first."""
    eos = table.eos
    others = [token for token in range(table.vocabulary) if token != eos and token not in never]
    ended = [(*read, eos) for size in range(length) for read in product(others, repeat=size)]
    cut = list(product(others, repeat=length))
    scored = [
        (tuple(t for t in tokens if t != eos), beam.score(log_prob(table, source, tokens), len(tokens)))
        for tokens in [*ended, *cut]
    ]
    return sorted(scored, key=lambda pair: -pair[1])


def same(found: list[Hypothesis], expected: list[tuple[tuple[int, ...], float]]) -> None:
    assert [h.tokens for h in found] == [tokens for tokens, _ in expected]
    assert [h.score for h in found] == pytest.approx([score for _, score in expected], abs=1e-5)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=3),
    st.integers(2, 4),
    st.integers(1, 3),
    st.sampled_from(PENALTIES),
    st.sampled_from([0, 1]),
)
def test_a_beam_wide_enough_is_brute_force(
    sources: list[int], vocabulary: int, length: int, penalty: Penalty, eos: int
) -> None:
    table = Table(sources, vocabulary, eos=eos)
    beam = Beam(sum((vocabulary - 1) ** n for n in range(length + 1)), penalty)
    for source, found in zip(sources, beam_search(table, beam, eos=eos, length=length), strict=True):
        same(found, everything(table, source, length, beam))


def test_what_is_never_said_is_in_no_hypothesis() -> None:
    table, beam = Table([3, 4]), Beam(20)
    for source, found in zip([3, 4], beam_search(table, beam, eos=EOS, never=[2], length=3), strict=True):
        same(found, everything(table, source, 3, beam, never=(2,)))
    assert all(2 not in h.tokens for h in greedy(table, eos=EOS, never=[2], length=9))


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=5), st.integers(1, 8), st.sampled_from(PENALTIES))
def test_a_beam_of_one_is_greedy(sources: list[int], length: int, penalty: Penalty) -> None:
    table = Table(sources)
    likeliest = greedy(table, eos=EOS, length=length)
    for (best,), one, source in zip(
        beam_search(table, Beam(1, penalty), eos=EOS, length=length), likeliest, sources, strict=True
    ):
        assert (best.tokens, best.ended) == (one.tokens, one.ended)
        assert best.log_prob == pytest.approx(one.log_prob, abs=1e-5)
        read: tuple[int, ...] = ()
        while len(read) < length and (token := int(table.of(source, read).argmax())) != EOS:
            read = (*read, token)
        assert (one.tokens, one.ended) == (read, len(read) < length)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 7)), min_size=1, max_size=5),
    st.integers(1, 5),
    st.sampled_from(PENALTIES),
)
def test_many_at_once_are_each_alone(pairs: list[tuple[int, int]], width: int, penalty: Penalty) -> None:
    sources, lengths = [list(column) for column in zip(*pairs, strict=True)]
    beam = Beam(width, penalty)
    together = beam_search(Table(sources), beam, eos=EOS, length=lengths)
    for (source, length), found in zip(pairs, together, strict=True):
        assert [found] == beam_search(Table([source]), beam, eos=EOS, length=length)
        assert len({h.tokens for h in found}) == len(found) <= width
        assert all(len(h.tokens) + h.ended <= length for h in found)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    assert greedy(Table(sources), eos=EOS, length=lengths) == [
        greedy(Table([source]), eos=EOS, length=length)[0] for source, length in pairs
    ]


def textbook(table: Table, source: int, beam: Beam, length: int) -> list[Hypothesis]:
    """The search for one sequence, written with lists."""
    alive: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    found: list[Hypothesis] = []
    for step in range(1, length + 1):
        best = sorted(
            ((p + float(q), (*read, token)) for p, read in alive for token, q in enumerate(table.of(source, read))),
            reverse=True,
        )
        for p, read in best[: beam.width]:
            if read[-1] == EOS:
                found.append(Hypothesis(read[:-1], p, beam.score(p, step), ended=True))
        alive = [(p, read) for p, read in best if read[-1] != EOS][: beam.width]
        if step == length:
            found += [Hypothesis(read, p, beam.score(p, step), ended=False) for p, read in alive]
        if len(found) >= beam.width:
            break
    return sorted(found, key=lambda h: -h.score)[: beam.width]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(1, 4),
    st.integers(1, 6),
    st.sampled_from(PENALTIES),
    st.sampled_from([(0.0, 2.0), (2.0, 2.0), (0.3, 0.3)]),
)
@example(40, 2, 6, "none", (0.0, 2.0))  # two ends right behind the best: the fourth continuation goes on
@example(52, 4, 6, "none", (0.0, 2.0))
def test_a_narrow_beam_is_the_textbook_search(
    source: int, width: int, length: int, penalty: Penalty, shape: tuple[float, float]
) -> None:
    """Also where ends are likely and take places that others then fill."""
    beam, table = Beam(width, penalty), Table([source], ends=shape[0], spread=shape[1])
    (found,) = beam_search(table, beam, eos=EOS, length=length)
    expected = textbook(table, source, beam, length)
    assert [h.tokens for h in found] == [h.tokens for h in expected]
    assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-5)


@settings(deadline=None, derandomize=True, max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 99), st.lists(st.integers(0, 3), max_size=5)), min_size=1, max_size=4))
def test_a_forced_sequence_scores_the_sum_of_its_steps(pairs: list[tuple[int, list[int]]]) -> None:
    table = Table([source for source, _ in pairs])
    scores = forced_log_probs(table, [tokens for _, tokens in pairs])
    for (source, tokens), steps in zip(pairs, scores, strict=True):
        assert len(steps) == len(tokens)
        assert sum(steps) == pytest.approx(log_prob(table, source, tuple(tokens)), abs=1e-5)


def test_a_hypothesis_scores_what_it_is_forced_to() -> None:
    sources = [5, 6, 7]
    found = [h for (h, *_) in beam_search(Table(sources), Beam(3, "none"), eos=EOS, length=6)]
    forced = forced_log_probs(Table(sources), [[*h.tokens, *([EOS] * h.ended)] for h in found])
    assert [h.log_prob for h in found] == pytest.approx([sum(steps) for steps in forced], abs=1e-5)


def test_sequences_that_are_forced_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="expected 2 sequences, one for each that is decoded, got 1"):
        forced_log_probs(Table([1, 2]), [[1]])


def test_what_is_drawn_side_by_side_follows_the_probabilities() -> None:
    table, draws = Table([8], 3), 1500
    found = sample_many(Table([8] * draws, 3), Sampling(seed=1), eos=EOS, length=2)
    counts = Counter(h.tokens for h in found)
    chances = {tokens: math.exp(score) for tokens, score in everything(table, 8, 2, Beam(penalty="none"))}
    assert sum(chances.values()) == pytest.approx(1.0)
    statistic = sum((counts[tokens] - draws * p) ** 2 / (draws * p) for tokens, p in chances.items())
    freedom = len(chances) - 1
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5 + 4
    for h in found[:50]:
        assert h.log_prob == pytest.approx(log_prob(table, 8, (*h.tokens, *([EOS] * h.ended))), abs=1e-5)


def test_no_end_before_the_least_length() -> None:
    found = sample_many(Table(list(range(50))), Sampling(seed=2, min_length=3), eos=EOS, length=9)
    assert min(len(h.tokens) for h in found) >= 3


def test_a_language_model_is_searched_as_it_scores() -> None:
    torch.manual_seed(3)
    model = LanguageModel(LanguageModelConfig(vocabulary=4, cell="gru", hidden=4, embedding=4, layers=2)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.8)
    prompt = [2, 3]
    decoder = TextDecoder(model, prompt, rows=2)
    beam = Beam(40, "none")
    found, again = beam_search(decoder, beam, eos=EOS, length=3)
    assert found == again
    others = [0, 2, 3]
    expected = {}
    for size in range(3):
        for tokens in product(others, repeat=size):
            (steps, _) = forced_log_probs(decoder, [[*tokens, EOS], []])
            expected[tokens] = sum(steps)
    ended = {h.tokens: h.log_prob for h in found if h.ended}
    assert ended.keys() == expected.keys()
    assert [ended[t] for t in expected] == pytest.approx(list(expected.values()), abs=1e-5)
    (best,) = greedy(TextDecoder(model, prompt), eos=EOS, length=6)
    drawn = sample(model, prompt, Sampling(temperature=0.0, length=6), eos=EOS)
    assert list(best.tokens) == list(drawn)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "expected a beam of at least 1, got 0"),
        ({"alpha": 1e300}, r"expected an alpha from 0 to 10, got 1e\+300"),
        ({"alpha": -1.0}, "expected an alpha from 0 to 10, got -1"),
        ({"penalty": "gmnt"}, r"unknown penalty 'gmnt' \(did you mean 'gnmt'\?\); expected none, average, gnmt"),
    ],
)
def test_settings_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Beam(**arguments)


@pytest.mark.parametrize("length", [0, [3], [2, 0]])
def test_limits_that_cannot_be(length: int | list[int]) -> None:
    with pytest.raises(ValueError, match="expected a limit of at least 1 for each of 2 sequences"):
        beam_search(Table([1, 2]), Beam(2), eos=EOS, length=length)
