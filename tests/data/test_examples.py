"""Examples in batches: each once an epoch, in an order that only the seed and the epoch decide."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.examples import POOL, Examples, in_batches

quick = settings(deadline=None, derandomize=True, max_examples=60)
lengths_of = st.lists(st.integers(0, 30), min_size=1, max_size=80)


@quick
@given(lengths_of, st.integers(1, 7), st.none() | st.integers(0, 3), st.integers(0, 3), st.none() | st.integers(1, 40))
def test_each_is_there_once_and_a_later_start_gives_the_rest(
    lengths: list[int], rows: int, seed: int | None, epoch: int, window: int | None
) -> None:
    sizes = np.array(lengths)
    batches = [batch.tolist() for batch in in_batches(sizes, rows, seed, epoch, window=window)]
    assert sorted(n for batch in batches for n in batch) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // rows)
    assert max(map(len, batches)) <= rows
    for start in range(len(batches) + 1):
        assert [batch.tolist() for batch in in_batches(sizes, rows, seed, epoch, start, window)] == batches[start:]


def test_what_is_shuffled_together_lies_together() -> None:
    lengths = np.random.default_rng(0).integers(1, 500, 1000)
    orders = []
    for seed, epoch in ((3, 0), (3, 1), (4, 0)):
        batches = list(in_batches(lengths, 7, seed, epoch, window=40))  # 42, which is whole batches
        windows = [set((batch // 42).tolist()) for batch in batches]
        assert all(len(window) == 1 for window in windows)
        visited = [window.pop() for window in windows]
        turns = [one for at, one in enumerate(visited) if at == 0 or visited[at - 1] != one]
        assert sorted(turns) == list(range(24))
        assert turns != sorted(turns)
        orders.append([batch.tolist() for batch in batches])
    assert orders[0] != orders[1] != orders[2]


def test_batches_hold_similar_lengths_and_epochs_differ() -> None:
    lengths = np.random.default_rng(0).integers(1, 500, 4 * POOL * 2)
    first, second = ([b.tolist() for b in in_batches(lengths, 4, 7, epoch)] for epoch in (0, 1))
    assert first != second
    spread = [np.ptp(lengths[batch]) for batch in first]
    assert np.mean(spread) < 15  # at random it would be 300
    assert [np.mean(lengths[batch]) for batch in first] != sorted(np.mean(lengths[batch]) for batch in first)


def test_batches_are_made_of_the_examples_chosen() -> None:
    words = ["a", "bbb", "cc", "dddd", "e"]
    examples = Examples(words, "+".join, len, rows=2)
    assert list(examples.batches(0)) == ["a+e", "cc+bbb", "dddd"]
    assert list(examples.chosen()) == [[0, 4], [2, 1], [3]]
    assert len(examples) == 3
