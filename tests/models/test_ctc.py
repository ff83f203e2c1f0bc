"""Connectionist temporal classification against the sum over all paths."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from throughtime.models import CTCConfig, CTCModel, FrameBatch
from throughtime.models.ctc import join_frames


def model(seed: int = 0, **how: object) -> CTCModel:
    torch.manual_seed(seed)
    sizes = {"features": 3, "symbols": 3, "hidden": 5, "bidirectional": True} | how
    return CTCModel(CTCConfig(**sizes)).double()  # type: ignore[arg-type]


def labelling(path: tuple[int, ...]) -> list[int]:
    merged = [symbol for symbol, _ in itertools.groupby(path)]
    return [symbol for symbol in merged if symbol]


def enumerated(log_probs: Tensor, transcript: list[int]) -> Tensor:
    """The log-probability of a transcript over all paths, one by one: ``log_probs [S, V]``."""
    steps, symbols = log_probs.shape
    paths = [p for p in itertools.product(range(symbols), repeat=steps) if labelling(p) == transcript]
    scores = [sum(log_probs[t, s] for t, s in enumerate(path)) for path in paths]
    return torch.stack([torch.as_tensor(score) for score in scores]).logsumexp(0)


def make(lengths: list[int], transcripts: list[list[int]], seed: int = 1) -> FrameBatch:
    torch.manual_seed(seed)
    return FrameBatch.of([torch.randn(length, 3, dtype=torch.float64) for length in lengths], transcripts)


@pytest.mark.parametrize("frames", [1, 2])
def test_the_loss_is_that_of_all_paths(frames: int) -> None:
    net = model(frames=frames)
    transcripts: list[list[int]] = [[1, 2], [2, 2], [1], []]
    batch = make([6, 6, 3, 4], transcripts)
    log_probs = net.log_probs(batch.features, batch.lengths)
    steps = net.steps(batch.lengths).tolist()
    assert steps == [-(-length // frames) for length in (6, 6, 3, 4)]
    expected = [enumerated(row[:n], t) for row, n, t in zip(log_probs, steps, transcripts, strict=True)]
    torch.testing.assert_close(net.losses_of(batch, log_probs), -torch.stack(expected))
    loss, carried = net.loss(batch, None)
    assert carried is None
    torch.testing.assert_close(loss, -torch.stack(expected).sum() / 5)  # nats a symbol


def test_the_gradient_is_that_of_all_paths() -> None:
    net = model()
    batch = make([4, 3], [[1, 2], [2]])
    log_probs = net.log_probs(batch.features, batch.lengths)
    told = torch.autograd.grad(
        net.losses_of(batch, log_probs).sum(), [net.softmax.weight, net.softmax.bias], retain_graph=True
    )
    plain = -enumerated(log_probs[0, :4], [1, 2]) - enumerated(log_probs[1, :3], [2])
    for one, other in zip(told, torch.autograd.grad(plain, [net.softmax.weight, net.softmax.bias]), strict=True):
        torch.testing.assert_close(one, other)


def test_a_transcript_that_does_not_fit_adds_nothing() -> None:
    net = model(frames=2)
    long, short = make([4], [[1, 1]]), make([5], [[1, 1]])  # a blank must stand between: three steps
    assert net.losses(long).tolist() == [[0]]
    assert net.losses(short).item() > 0
    loss, _ = net.loss(long, None)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or not p.grad.any() for p in net.parameters())


@settings(derandomize=True, deadline=None, max_examples=15)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), frames=st.integers(1, 4))
def test_ragged_batches_are_single_sequences(lengths: list[int], frames: int) -> None:
    net = model(frames=frames, layers=2).eval()
    batch = make(lengths, [[1]] * len(lengths))
    together = net.log_probs(batch.features, batch.lengths)
    for row, length, features in zip(together, lengths, batch.features, strict=True):
        alone = net.log_probs(features[None, :length], torch.tensor([length]))[0]
        torch.testing.assert_close(row[: len(alone)], alone)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(
    cuts=st.lists(st.integers(0, 23), max_size=5),
    frames=st.integers(1, 4),
    cell=st.sampled_from(["lstm", "gru", "lstm-peephole"]),
)
def test_frames_as_they_come_are_the_whole(cuts: list[int], frames: int, cell: str) -> None:
    net = model(frames=frames, bidirectional=False, layers=2, cell=cell).float().eval()
    features = torch.randn(23, 3)
    whole = net.log_probs(features[None], torch.tensor([23]))[0]

    def streamed(places: list[int]) -> Tensor:
        stream = net.stream()
        pieces = [stream.push(piece) for piece in torch.tensor_split(features, sorted(places))]
        return torch.cat([*pieces, stream.finish()])

    torch.testing.assert_close(streamed(cuts), whole, atol=1e-5, rtol=0)
    assert torch.equal(streamed(cuts), streamed([]))  # to the bit, however they are cut


def test_both_directions_do_not_stream() -> None:
    with pytest.raises(ValueError, match="bidirectional=False"):
        model().stream()


def test_joined_frames_keep_their_order() -> None:
    joined = join_frames(torch.arange(10.0).view(1, 5, 2), 2)
    assert joined.tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 0]]]


def test_masks_hide_frames_while_training_alone() -> None:
    net = model(time_masks=3, time_width=4, band_masks=1, band_width=2)
    batch = make([30], [[1, 2]])
    one, other = (net.log_probs(batch.features, batch.lengths) for _ in range(2))
    assert not torch.equal(one, other)
    net.eval()
    one, other = (net.log_probs(batch.features, batch.lengths) for _ in range(2))
    assert torch.equal(one, other)
