"""Running text as parallel streams: every token is predicted once, after the token that stood before it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from throughtime.data import NOTHING, Streams, TokenBatch

EOS = 1

quick = settings(deadline=None, derandomize=True, max_examples=80)

ids_of = st.lists(st.one_of(st.just(EOS), st.integers(2, 9)), min_size=1, max_size=60)
"""Ends anywhere: adjacent, first, last, or nowhere."""


def rows_of(batch: TokenBatch, stream: int) -> range:
    """The rows that a stream has in a batch, in order."""
    assert batch.last is not None
    return range(int(batch.last[stream - 1]) + 1 if stream else 0, int(batch.last[stream]) + 1)


def read(streams: Streams, rows: int) -> list[list[tuple[int, int]]]:
    """Each stream's (input, target) pairs in the order in which the batches give them."""
    pairs: list[list[tuple[int, int]]] = [[] for _ in range(rows)]
    for batch in streams.batches(0):
        for stream in range(rows):
            for row in rows_of(batch, stream):
                length = int(batch.lengths[row])
                inputs, targets = batch.inputs[row].tolist(), batch.targets[row].tolist()
                pairs[stream] += zip(inputs[:length], targets[:length], strict=True)
                assert inputs[length:] == targets[length:] == [0] * (len(inputs) - length)
    return pairs


@quick
@given(ids_of, st.integers(1, 7), st.integers(1, 9))
@example([EOS, EOS, EOS], 2, 2)
@example([2], 5, 3)
def test_every_token_is_predicted_once_from_the_one_before(ids: list[int], rows: int, steps: int) -> None:
    pairs = read(Streams(np.array(ids), rows, steps, EOS), rows)
    assert [target for stream in pairs for _, target in stream] == ids
    sizes = [len(stream) for stream in pairs]
    assert max(sizes) - min(sizes) <= 1
    for stream in pairs:
        # A stream begins as a text does, and a text begins after every end.
        previous = EOS
        for input_id, target in stream:
            assert input_id == (NOTHING if previous == EOS else previous)
            previous = target


@quick
@given(ids_of, st.integers(1, 7), st.integers(1, 9))
def test_the_state_comes_from_the_same_stream_or_from_nothing(ids: list[int], rows: int, steps: int) -> None:
    streams = Streams(np.array(ids), rows, steps, EOS)
    ended = [True] * rows  # whether each stream's next token begins a text
    for batch in streams.batches(0):
        assert batch.source is not None
        assert batch.last is not None
        assert len(batch.last) == rows
        for stream in range(rows):
            begun, *further = rows_of(batch, stream)
            if batch.lengths[begun]:
                assert int(batch.source[begun]) == (-1 if ended[stream] else stream)
            for row in further:
                assert int(batch.source[row]) == -1
            for row in rows_of(batch, stream):
                length = int(batch.lengths[row])
                targets = batch.targets[row, :length].tolist()
                assert EOS not in targets[:-1]
                if length:
                    ended[stream] = targets[-1] == EOS


@quick
@given(ids_of, st.integers(1, 5), st.integers(1, 9))
def test_cuts_are_full_but_for_the_last(ids: list[int], rows: int, steps: int) -> None:
    streams = Streams(np.array(ids), rows, steps, EOS)
    batches = list(streams.batches(0))
    assert len(batches) == len(streams)
    assert sum(batch.tokens for batch in batches) == len(ids)
    for batch in batches[:-2]:
        assert batch.tokens == rows * steps
    for batch in batches:
        assert max(int(batch.lengths[list(rows_of(batch, s))].sum()) for s in range(rows)) in range(1, steps + 1)


@quick
@given(ids_of, st.integers(1, 5), st.integers(1, 9), st.integers(0, 70), st.integers(0, 3))
def test_an_epoch_goes_on_from_any_batch(ids: list[int], rows: int, steps: int, start: int, epoch: int) -> None:
    streams = Streams(np.array(ids), rows, steps, EOS)
    whole, rest = list(streams.batches(0)), list(streams.batches(epoch, start))
    assert len(rest) == max(0, len(whole) - start)
    for batch, expected in zip(rest, whole[start:], strict=True):
        for name in ("inputs", "targets", "lengths", "source", "last"):
            assert torch.equal(getattr(batch, name), getattr(expected, name))


@pytest.mark.parametrize("kind", ["<u2", "<u4", "int64"])
def test_ids_of_any_width(kind: str) -> None:
    (batch,) = Streams(np.array([60_000, EOS, 3], dtype=kind), 1, 5, EOS).batches(0)
    assert batch.targets.tolist() == [[60_000, EOS], [3, 0]]
    assert batch.inputs.tolist() == [[NOTHING, 60_000], [NOTHING, 0]]
    assert batch.targets.dtype == batch.inputs.dtype == torch.int64


def test_rows_begin_with_the_state_of_their_stream_or_with_zeros() -> None:
    some = torch.zeros(3, 1, dtype=torch.int64)
    source, last = torch.tensor([1, -1, 0]), torch.tensor([1, 2])
    batch = TokenBatch(some, some, torch.ones(3, dtype=torch.int64), source, last)
    # A stream whose state has exploded spoils its own text, not the next one.
    inf = float("inf")
    begun = batch.begin({"h": torch.tensor([[[inf, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])})
    assert begun is not None
    assert begun["h"].tolist() == [[[3, 4], [0, 0], [inf, 2]], [[7, 8], [0, 0], [5, 6]]]
    final = {"h": torch.arange(6.0).view(1, 3, 2).requires_grad_()}
    handed_on = batch.carry(final)
    assert handed_on is not None
    assert handed_on["h"].tolist() == [[[2, 3], [4, 5]]]
    assert not handed_on["h"].requires_grad


def test_where_nothing_is_carried() -> None:
    state = {"h": torch.ones(1, 2, 3)}
    whole = TokenBatch.of([[5], [6]])
    assert whole.begin(None) is None
    assert whole.begin(state) is None
    assert whole.carry(state) is None
    assert next(Streams(np.array([5, 6]), 2, 1, EOS).batches(0)).begin(None) is None


def test_a_state_on_a_device_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda values: values)  # which stand-ins have none of
    # Stand-ins for tensors of a GPU: they hold no numbers, and refuse to be mixed with tensors of the CPU.
    batch = next(Streams(np.array([5, EOS, 6, 7]), 2, 1, EOS).batches(0, 1))
    with FakeTensorMode(allow_non_fake_inputs=True):
        state = {"h": torch.zeros(1, 2, 3, device="cuda")}
        for moved in (batch.begin(state), batch.carry(state)):
            assert moved is not None
            assert moved["h"].device.type == "cuda"
            assert moved["h"].shape == (1, 2, 3)
