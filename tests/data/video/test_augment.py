"""Changes of clips: what they keep, and that they come from PyTorch's generator."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.ragged import RaggedBatch
from throughtime.data.video.augment import FrameChanges, PointChanges, stretched


def clips(rows: int = 64, side: int = 20) -> RaggedBatch:
    """A lit square of 4 in the middle of every frame, of sequences of different lengths."""
    frame = np.zeros((1, 1, side, side), np.uint8)
    frame[..., 8:12, 8:12] = 100
    return RaggedBatch.of([np.repeat(frame, 1 + row % 5, 0) for row in range(rows)])


def test_a_batch_is_padded_with_zeros() -> None:
    batch = RaggedBatch.of([np.ones((2, 3)), np.ones((1, 3))])
    assert batch.values.tolist() == [[[1, 1, 1], [1, 1, 1]], [[1, 1, 1], [0, 0, 0]]]
    assert (batch.lengths.tolist(), batch.tokens) == ([2, 1], 3)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.floats(0.05, 0.9), st.integers(0, 1000))
def test_a_stretched_sequence_runs_through_all_of_itself(lengths: list[int], share: float, seed: int) -> None:
    batch = RaggedBatch.of([1 + np.arange(length) for length in lengths])
    torch.manual_seed(seed)
    found = stretched(batch, share)
    for before, after, row in zip(lengths, found.lengths.tolist(), found.values.tolist(), strict=True):
        assert max(1, round(before * (1 - share))) <= after <= round(before * (1 + share)) + 1
        # Step k of the new one shows what was at the same share of the old one.
        assert row[:after] == [1 + int((k + 0.5) * before / after) for k in range(after)]
        assert not any(row[after:])


def test_frames_are_moved_as_wholes_and_lose_nothing_in_the_middle() -> None:
    batch = clips()
    torch.manual_seed(0)
    moved = FrameChanges(shift=0.2)(batch)
    places = set()
    for row, length in zip(moved.values, batch.lengths.tolist(), strict=True):
        where = [torch.nonzero(frame[0]) for frame in row[:length]]
        assert all((at == where[0]).all() for at in where)  # all frames of a clip alike
        assert len(where[0]) == 16
        assert (row[:length].amax((1, 2, 3)) == 100).all()
        assert not row[length:].any()
        places.add(tuple((where[0][0] - 8).tolist()))
    assert {down for down, _ in places} == {right for _, right in places} == set(range(-4, 5))


def test_light_changes_by_at_most_its_share() -> None:
    batch = clips()
    torch.manual_seed(0)
    lit = FrameChanges(brightness=0.2)(batch).values[:, 0, 0, 9, 9].tolist()
    assert 100 * 0.8 - 51 <= min(lit) < 70
    assert 130 < max(lit) <= 100 * 1.2 + 51


def test_half_of_the_clips_are_mirrored() -> None:
    batch = RaggedBatch.of([np.array([[[[1, 2], [3, 4]]]], np.uint8)] * 400)
    torch.manual_seed(0)
    rows = FrameChanges(flip=True)(batch).values.flatten(1).tolist()
    assert {tuple(row) for row in rows} == {(1, 2, 3, 4), (2, 1, 4, 3)}
    assert 160 < rows.count([2, 1, 4, 3]) < 240


def test_points_are_mirrored_about_where_they_begin() -> None:
    batch = RaggedBatch.of([np.array([[1.0, 5.0, 3.0, 7.0], [4.0, 6.0, 3.0, 7.0]])] * 50)
    torch.manual_seed(0)
    rows = PointChanges(axes=2, scale=1.0, flip=True)(batch).values.tolist()
    assert [[3.0, 5.0, 1.0, 7.0], [0.0, 6.0, 1.0, 7.0]] in rows  # x about 2, y as it was
    assert [[1.0, 5.0, 3.0, 7.0], [4.0, 6.0, 3.0, 7.0]] in rows


def test_noise_is_as_strong_as_it_says() -> None:
    batch = RaggedBatch.of([np.zeros((400, 50), np.float32)])
    torch.manual_seed(0)
    noise = PointChanges(axes=2, scale=3.0, noise=0.1)(batch).values
    assert 0.29 < float(noise.std()) < 0.31
    frames = RaggedBatch.of([np.full((20, 1, 32, 32), 128, np.uint8)])
    assert 4.9 < float(FrameChanges(noise=0.02)(frames).values.double().std()) < 5.4


def test_nothing_asked_changes_nothing_and_a_seed_decides() -> None:
    batch = clips()
    assert (FrameChanges()(batch).values == batch.values).all()
    change = FrameChanges(0.3, 0.2, True, 0.2, 0.05)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    one = change(batch)
    torch.set_rng_state(state)
    other = change(batch)
    assert (one.values == other.values).all()
    assert not torch.equal(change(batch).lengths, one.lengths)
    assert (batch.values == clips().values).all()
