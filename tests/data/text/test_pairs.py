"""Batches of pairs: what is read, what has to be said, and how much of it there is."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data import NOTHING
from throughtime.data.text.pairs import PairBatch

EOS = 1
ids = st.lists(st.integers(2, 9), max_size=5)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=4))
def test_rows_are_the_pairs(pairs: list[tuple[list[int], list[int]]]) -> None:
    batch = PairBatch.of([source for source, _ in pairs], [target for _, target in pairs], EOS)
    assert batch.tokens == sum(len(target) + 1 for _, target in pairs)
    assert int(batch.real.sum()) == batch.tokens
    for row, (source, target) in enumerate(pairs):
        length, end = int(batch.source_lengths[row]), int(batch.target_lengths[row])
        assert batch.source[row, :length].tolist() == source
        assert not batch.source[row, length:].any()
        assert batch.inputs[row, :end].tolist() == [NOTHING, *target]
        assert batch.targets[row, :end].tolist() == [*target, EOS]
        assert torch.equal(batch.real[row], torch.arange(batch.targets.shape[1]) < end)
