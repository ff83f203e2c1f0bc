"""Whole texts in ragged batches: each once an epoch, in an order that only the seed and the epoch decide."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data import NOTHING, TokenBatch, WholeTexts
from throughtime.data.batches import _ends
from throughtime.data.examples import POOL

EOS = 1

quick = settings(deadline=None, derandomize=True, max_examples=80)

texts_of = st.lists(st.lists(st.integers(2, 9), max_size=6), min_size=1, max_size=30)


def read(batches: list[TokenBatch]) -> list[list[list[int]]]:
    """The texts of every batch; checks that each begins from nothing and is predicted from its own tokens."""
    found: list[list[list[int]]] = []
    for batch in batches:
        assert batch.source is None
        assert batch.last is None
        found.append([])
        for row, length in enumerate(batch.lengths.tolist()):
            inputs, targets = batch.inputs[row].tolist(), batch.targets[row].tolist()
            assert inputs[:length] == [NOTHING, *targets][:length]
            assert inputs[length:] == targets[length:] == [0] * (len(inputs) - length)
            found[-1].append(targets[:length])
    return found


@quick
@given(texts_of, st.integers(1, 5), st.one_of(st.none(), st.integers(0, 3)), st.integers(0, 3), st.booleans())
def test_every_text_once(texts: list[list[int]], rows: int, seed: int | None, epoch: int, closed: bool) -> None:
    stored = [[*text, EOS] for text in texts]
    if not closed:
        stored[-1] = [*texts[-1], 2]  # the last text may lack its end: a file that was divided there
    source = WholeTexts(np.array([i for text in stored for i in text]), rows, EOS, seed)
    batches = list(source.batches(epoch))
    assert source.texts == len(stored)
    assert len(batches) == len(source) == -(-len(stored) // rows)
    found = read(batches)
    assert sorted(text for batch in found for text in batch) == sorted(stored)
    sizes = sorted((len(batch) for batch in found), reverse=True)
    assert set(sizes[:-1]) <= {rows}


def of_lengths(seed: int | None, rows: int = 4) -> WholeTexts:
    lengths = np.random.default_rng(7).integers(1, 30, 4 * POOL * 3)
    ids = np.concatenate([[*np.full(length, 2 + number % 7), EOS] for number, length in enumerate(lengths)])
    return WholeTexts(ids, rows, EOS, seed)


def test_the_order_depends_on_the_seed_and_the_epoch_alone() -> None:
    source = of_lengths(seed=3)
    first = read(list(source.batches(0)))
    assert read(list(source.batches(0))) == first
    assert read(list(of_lengths(seed=3).batches(0))) == first
    torch.manual_seed(99)
    np.random.seed(99)
    assert read(list(source.batches(0))) == first
    orders = [first, read(list(source.batches(1))), read(list(of_lengths(seed=4).batches(0)))]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    # Other batches, not only the same ones in another order.
    assert sorted(map(sorted, first)) != sorted(map(sorted, orders[1]))


def test_without_a_seed_texts_are_sorted_by_length() -> None:
    source = of_lengths(seed=None, rows=10_000)
    (batch,) = source.batches(0)
    assert batch.lengths.tolist() == sorted(batch.lengths.tolist())
    assert read(list(source.batches(0))) == read(list(source.batches(5)))


def test_a_batch_holds_texts_of_similar_length() -> None:
    shuffled = [batch.lengths for batch in of_lengths(seed=0).batches(0)]
    padded = sum(int(lengths.max()) * len(lengths) for lengths in shuffled) / sum(int(n.sum()) for n in shuffled)
    assert padded < 1.1
    # Yet the batches do not come from short to long.
    longest = [int(lengths.max()) for lengths in shuffled]
    assert longest != sorted(longest)
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3


@quick
@given(texts_of, st.integers(1, 5), st.one_of(st.none(), st.integers(0, 3)), st.integers(0, 3), st.integers(0, 35))
def test_an_epoch_goes_on_from_any_batch(
    texts: list[list[int]], rows: int, seed: int | None, epoch: int, start: int
) -> None:
    source = WholeTexts(np.array([i for text in texts for i in [*text, EOS]]), rows, EOS, seed)
    assert read(list(source.batches(epoch, start))) == read(list(source.batches(epoch)))[start:]


@quick
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 7))
def test_ends_are_found_across_blocks(ids: list[int], block: int) -> None:
    assert _ends(np.array(ids, dtype=np.uint16), EOS, block).tolist() == [n for n, i in enumerate(ids, 1) if i == EOS]


@quick
@given(st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=6))
def test_a_batch_of_texts(texts: list[list[int]]) -> None:
    batch = TokenBatch.of(texts)
    assert read([batch]) == [texts]
    assert batch.tokens == sum(map(len, texts))
    assert batch.inputs.shape == batch.targets.shape == (len(texts), max(map(len, texts)))
