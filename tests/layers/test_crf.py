"""A conditional random field is what the enumeration of all labellings says."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from throughtime.layers.crf import CRF


def build(labels: int, allowed: Tensor | None = None, seed: int = 0) -> CRF:
    torch.manual_seed(seed)
    crf = CRF(labels, allowed).double()
    torch.nn.init.normal_(crf.transitions, std=1.5)
    return crf


def labellings(crf: CRF, length: int) -> list[tuple[int, ...]]:
    """Every labelling that is allowed."""
    found = itertools.product(range(crf.labels), repeat=length)
    if crf.allowed is None:
        return list(found)
    around = crf.labels
    return [
        path for path in found if all(crf.allowed[a, b] for a, b in itertools.pairwise([around, *path, around]) if path)
    ]


def score(crf: CRF, scores: Tensor, path: tuple[int, ...]) -> Tensor:
    """The definition, a term at a time."""
    total = scores.new_zeros(())
    for t, label in enumerate(path):
        total = total + scores[t, label] + crf.transitions[path[t - 1] if t else crf.labels, label]
    return total + crf.transitions[path[-1], crf.labels] if path else total


def log_probs(crf: CRF, scores: Tensor, length: int) -> dict[tuple[int, ...], Tensor]:
    paths = labellings(crf, length)
    totals = torch.stack([score(crf, scores, path) for path in paths])
    return dict(zip(paths, totals - torch.logsumexp(totals, 0), strict=True))


ALLOWED = torch.tensor(
    [[True, True, False, True], [True, True, True, False], [False, True, True, True], [True, True, False, False]]
)
"""Labels 0, 1, 2 and the outside: 2 comes after 1 or itself alone, a sequence does not end in 1."""

cases = st.tuples(
    st.integers(1, 3), st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans(), st.integers(0, 10**6)
)
quick = settings(deadline=None, derandomize=True, max_examples=40)


def draw(case: tuple[int, list[int], bool, int]) -> tuple[CRF, Tensor, Tensor]:
    labels, lengths, masked, seed = case
    crf = build(3, ALLOWED, seed) if masked else build(labels, seed=seed)
    scores = 2 * torch.randn(len(lengths), max(lengths) + seed % 2, crf.labels, dtype=torch.float64)
    return crf, scores, torch.tensor(lengths)


@quick
@given(cases)
def test_likelihoods_and_their_gradients_are_those_of_the_enumeration(case: Any) -> None:
    crf, scores, lengths = draw(case)
    scores.requires_grad_()
    tags = torch.zeros(scores.shape[:2], dtype=torch.long)
    expected = []
    for row, length in enumerate(lengths.tolist()):
        found = log_probs(crf, scores[row], length)
        path = list(found)[(row + length) % len(found)]
        tags[row, :length] = torch.tensor(path, dtype=torch.long)
        expected.append(found[path])
    tags[torch.arange(scores.shape[1]) >= lengths.unsqueeze(1)] = crf.labels - 1  # what stands there does not matter
    got = crf.log_likelihood(scores, tags, lengths)
    torch.testing.assert_close(got, torch.stack(expected), rtol=1e-9, atol=1e-9)
    weights = torch.randn(len(lengths), dtype=torch.float64)
    inputs = [scores, crf.transitions]
    mine = torch.autograd.grad((weights * got).sum() + 0 * crf.transitions.sum() + 0 * scores.sum(), inputs)
    truth = torch.autograd.grad(
        (weights * torch.stack(expected)).sum() + 0 * crf.transitions.sum() + 0 * scores.sum(), inputs
    )
    for a, b in zip(mine, truth, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@quick
@given(cases, st.integers(1, 30))
def test_the_best_labellings_are_those_of_the_enumeration(case: Any, n: int) -> None:
    crf, scores, lengths = draw(case)
    for row, found in enumerate(crf.nbest(scores, lengths, n)):
        with torch.no_grad():
            every = log_probs(crf, scores[row], int(lengths[row]))
        best = sorted(every.items(), key=lambda item: -float(item[1]))[:n]
        assert [tuple(labelling.labels) for labelling in found] == [path for path, _ in best]
        assert [x.log_prob for x in found] == pytest.approx([float(value) for _, value in best], abs=1e-9)
    assert crf.viterbi(scores, lengths) == [best[0].labels for best in crf.nbest(scores, lengths, n)]


@quick
@given(cases)
def test_marginals_are_sums_over_the_enumeration(case: Any) -> None:
    crf, scores, lengths = draw(case)
    with torch.no_grad():
        got = crf.marginals(scores, lengths)
        expected = torch.zeros_like(scores)
        for row, length in enumerate(lengths.tolist()):
            for path, value in log_probs(crf, scores[row], length).items():
                for t, label in enumerate(path):
                    expected[row, t, label] += value.exp()
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@quick
@given(cases)
def test_a_ragged_batch_is_its_sequences_one_by_one(case: Any) -> None:
    crf, scores, lengths = draw(case)
    tags = torch.randint(0, crf.labels, scores.shape[:2])
    together = crf.log_likelihood(scores, tags, lengths)
    best, sure = crf.nbest(scores, lengths, 3), crf.marginals(scores, lengths)
    for row, length in enumerate(lengths.tolist()):
        own = scores[row : row + 1, :length], tags[row : row + 1, :length], lengths[row : row + 1]
        torch.testing.assert_close(crf.log_likelihood(*own), together[row : row + 1])
        torch.testing.assert_close(crf.marginals(own[0], own[2])[0], sure[row, :length])
        (alone,) = crf.nbest(own[0], own[2], 3)
        assert [x.labels for x in alone] == [x.labels for x in best[row]]
        assert [x.log_prob for x in alone] == pytest.approx([x.log_prob for x in best[row]])


def test_an_empty_sequence_has_one_labelling() -> None:
    crf = build(3, ALLOWED)
    for steps in (0, 2):
        scores = torch.randn(1, steps, 3, dtype=torch.float64, requires_grad=True)
        none = torch.tensor([0])
        got = crf.log_likelihood(scores, torch.zeros(1, steps, dtype=torch.long), none)
        assert got.tolist() == [0.0]
        assert crf.nbest(scores, none, 4) == [[([], 0.0)]]
        assert crf.viterbi(scores, none) == [[]]
        assert crf.marginals(scores, none).abs().sum() == 0


def test_what_is_forbidden_is_never_said_however_much_speaks_for_it() -> None:
    crf = CRF(3, ALLOWED)
    scores = torch.tensor([[[0.0, 0.0, 500.0], [0.0, 500.0, 0.0]]])  # 2 cannot begin, 1 cannot end
    lengths = torch.tensor([2])
    found = crf.nbest(scores, lengths, 9)[0]
    assert {tuple(x.labels) for x in found} == {(0, 0), (1, 0), (1, 2)}
    assert sum(math.exp(x.log_prob) for x in found) == pytest.approx(1.0, abs=1e-5)
    assert crf.marginals(scores, lengths)[0, 0, 2] == 0.0


def test_without_transitions_each_step_is_a_softmax() -> None:
    crf = CRF(4, trained=False)
    assert list(crf.parameters()) == []
    assert crf.state_dict() == {}
    scores, tags = torch.randn(2, 5, 4), torch.randint(0, 4, (2, 5))
    lengths = torch.tensor([5, 3])
    expected = -torch.nn.functional.cross_entropy(scores.transpose(1, 2), tags, reduction="none")
    got = crf.log_likelihood(scores, tags, lengths)
    torch.testing.assert_close(got, torch.stack([expected[0].sum(), expected[1, :3].sum()]))
    torch.testing.assert_close(crf.marginals(scores, lengths)[0], scores[0].softmax(-1))
    assert crf.viterbi(scores, lengths) == [scores[0].argmax(-1).tolist(), scores[1, :3].argmax(-1).tolist()]


def test_it_learns_which_labels_follow_each_other() -> None:
    """Scores that say nothing: what is learnt stands in the transitions."""
    torch.manual_seed(0)
    crf = CRF(2)
    scores, tags, lengths = torch.zeros(1, 6, 2), torch.tensor([[0, 1, 0, 1, 0, 1]]), torch.tensor([6])
    optimiser = torch.optim.Adam(crf.parameters(), lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        (-crf.log_likelihood(scores, tags, lengths).sum()).backward()
        optimiser.step()
    assert crf.viterbi(torch.zeros(1, 8, 2), torch.tensor([8])) == [[0, 1] * 4]
    assert crf.log_likelihood(scores, tags, lengths).item() > -0.1


def test_a_long_sequence_keeps_its_digits() -> None:
    """Sums over more labellings than a double counts."""
    crf = CRF(3, trained=False)
    scores, lengths = torch.full((1, 5000, 3), 7.0), torch.tensor([5000])
    assert crf.log_partition(scores, lengths).item() == pytest.approx(5000 * (7 + math.log(3)), rel=1e-4)
    assert crf.nbest(scores, lengths, 1)[0][0].log_prob == pytest.approx(-5000 * math.log(3), rel=1e-3)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"allowed transitions of shape \[4, 4\], got \[3, 3\]"):
        CRF(3, torch.ones(3, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="n of at least 1, got 0"):
        CRF(2).nbest(torch.zeros(1, 1, 2), torch.tensor([1]), 0)
