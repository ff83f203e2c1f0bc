"""Attention is what its papers' equations say, over real steps alone."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from throughtime.layers.attention import Attention, AttentionName, coverage_loss

Q, M, U = 3, 3, 4
KINDS: list[tuple[AttentionName, bool]] = [("additive", False), ("additive", True), ("general", False), ("dot", False)]


def build(name: AttentionName, coverage: bool) -> Attention:
    torch.manual_seed(1)
    attention = Attention(name, Q, M, units=U, coverage=coverage).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    return attention


def by_hand(attention: Attention, queries: Tensor, values: Tensor, covered: Tensor) -> tuple[Tensor, Tensor]:
    """One row without padding, a number at a time: queries [S, Q], values [T, M]."""
    contexts, weights = [], []
    for query in queries:
        scores = []
        for step, value in enumerate(values):
            if attention.name == "dot":
                scores.append(query @ value)
                continue
            key = attention.of_memory.weight @ value
            if attention.name == "general":
                scores.append(query @ key)
                continue
            inside = attention.of_query.weight @ query + attention.of_query.bias + key
            if attention.coverage:
                inside = inside + attention.of_coverage.weight[:, 0] * covered[step]
            scores.append(attention.score.weight[0] @ torch.tanh(inside))
        exponentials = [torch.exp(score) for score in scores]
        shares = torch.stack([e / sum(exponentials) for e in exponentials]) if scores else values.new_zeros(0)
        contexts.append(sum((share * value for share, value in zip(shares, values, strict=True)), values.new_zeros(M)))
        weights.append(shares)
        covered = covered + shares
    return torch.stack(contexts), torch.stack(weights)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    st.sampled_from(KINDS), st.integers(1, 4), st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(0, 99)
)
def test_every_row_is_the_equation_written_out(
    kind: tuple[AttentionName, bool], steps: int, lengths: list[int], seed: int
) -> None:
    attention = build(*kind)
    generator = torch.Generator().manual_seed(seed)
    longest = max([1, *lengths]) + 1  # what stands past a length is noise
    values = torch.randn(len(lengths), longest, M, generator=generator, dtype=torch.float64)
    queries = torch.randn(len(lengths), steps, Q, generator=generator, dtype=torch.float64)
    covered = torch.rand(len(lengths), longest, generator=generator, dtype=torch.float64)
    memory = attention.memory(values, torch.tensor(lengths))
    contexts, weights = attention(queries, memory, covered if attention.coverage else None)
    for row, length in enumerate(lengths):
        expected, shares = by_hand(attention, queries[row], values[row, :length], covered[row, :length])
        torch.testing.assert_close(contexts[row], expected)
        torch.testing.assert_close(weights[row, :, :length], shares)
        assert not weights[row, :, length:].any()


@pytest.mark.parametrize(("name", "coverage"), KINDS)
def test_gradients(name: AttentionName, coverage: bool) -> None:
    attention = build(name, coverage)
    values = torch.randn(2, 4, M, dtype=torch.float64, requires_grad=True)
    queries = torch.randn(2, 3, Q, dtype=torch.float64, requires_grad=True)

    def run(queries: Tensor, values: Tensor) -> Any:
        return attention(queries, attention.memory(values, torch.tensor([4, 2])))

    assert torch.autograd.gradcheck(run, (queries, values))
    contexts, _ = run(queries, values)
    contexts.square().sum().backward()
    assert values.grad is not None
    assert not values.grad[1, 2:].any()
    assert all(parameter.grad.any() for parameter in attention.parameters() if parameter is not None)


@pytest.mark.parametrize(("name", "coverage"), KINDS)
def test_an_empty_memory_gives_zeros_and_finite_gradients(name: AttentionName, coverage: bool) -> None:
    attention = build(name, coverage)
    queries = torch.randn(1, 2, Q, dtype=torch.float64, requires_grad=True)
    memory = attention.memory(torch.randn(1, 3, M, dtype=torch.float64), torch.tensor([0]))
    contexts, weights = attention(queries, memory)
    contexts.sum().backward()
    assert not contexts.any()
    assert not weights.any()
    assert queries.grad is not None
    assert queries.grad.isfinite().all()


def test_rows_of_a_memory_are_taken_whole() -> None:
    attention = build("additive", False)
    memory = attention.memory(torch.randn(3, 4, M, dtype=torch.float64), torch.tensor([4, 1, 3]))
    queries = torch.randn(3, 2, Q, dtype=torch.float64)
    rows = torch.tensor([2, 0, 2])
    torch.testing.assert_close(attention(queries[rows], memory.take(rows))[0], attention(queries, memory)[0][rows])


def test_coverage_loss_is_the_sum_of_the_smaller() -> None:
    weights = torch.rand(2, 4, 3, dtype=torch.float64)
    found = coverage_loss(weights)
    for row, step in product(range(2), range(4)):
        before = [sum(float(weights[row, s, t]) for s in range(step)) for t in range(3)]
        expected = sum(min(float(weights[row, step, t]), before[t]) for t in range(3))
        assert float(found[row, step]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("additiv", 3, 3),
            r"unknown attention 'additiv' \(did you mean 'additive'\?\); expected additive, general, dot",
        ),
        (("dot", 3, 4), "dot attention needs queries as wide as the memory, got 3 and 4"),
    ],
)
def test_what_cannot_be(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Attention(*arguments)


def test_coverage_needs_the_additive_score() -> None:
    with pytest.raises(ValueError, match="coverage is a part of the additive score; got attention 'general'"):
        Attention("general", 3, 3, coverage=True)
