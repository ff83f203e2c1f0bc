"""What a stack reads of clips: frames by convolution, key points made relative."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from throughtime.data.ragged import RaggedBatch
from throughtime.models import ClassBatch, Classifier, FrameInput, PointInput, StackConfig

RANDOM = np.random.default_rng(0)
CLIPS = [RANDOM.integers(0, 256, (steps, 1, 16, 16), dtype=np.uint8) for steps in (3, 1, 5, 4)]
POINTS = [RANDOM.normal(size=(steps, 4)) for steps in (3, 1, 5, 4)]


def frames(channels: int = 1) -> FrameInput:
    torch.manual_seed(1)
    return FrameInput(channels, 16, 6).double()


def points() -> PointInput:
    return PointInput(2, 4, (0.5, 2.0)).double()


def test_a_frame_is_what_the_layers_make_of_it_and_of_what_moved() -> None:
    model, clip = frames(), torch.from_numpy(CLIPS[2]).double() / 255
    light = (clip - clip.mean()) / (clip.std(correction=0) + 0.01)
    moved = torch.cat([torch.zeros_like(light[:1]), light[1:] - light[:-1]])
    expected = F.relu(model.project(model.convolutions(torch.cat([light, moved], 1)).flatten(1)))
    torch.testing.assert_close(model(RaggedBatch.of([CLIPS[2]]))[0], expected)


@pytest.mark.parametrize("kind", ["frames", "points"])
def test_a_clip_reads_the_same_whatever_stands_beside_it(kind: str) -> None:
    model, clips = (frames(), CLIPS) if kind == "frames" else (points(), POINTS)
    together = model(RaggedBatch.of(clips))
    for row, clip in zip(together, clips, strict=True):
        torch.testing.assert_close(row[: len(clip)], model(RaggedBatch.of([clip]))[0])
        assert not row[len(clip) :].any()


def test_what_stands_past_a_clip_is_never_read() -> None:
    model = frames()
    batch = RaggedBatch.of(CLIPS)
    other = batch.values.clone()
    other[1, 1:] = 255
    torch.testing.assert_close(model(RaggedBatch(other, batch.lengths)), model(batch))


def test_light_and_contrast_do_not_count() -> None:
    model = frames()
    clip = CLIPS[0] // 2
    brighter = (clip.astype(np.float64) + 60).astype(np.uint8)
    torch.testing.assert_close(model(RaggedBatch.of([brighter])), model(RaggedBatch.of([clip])))
    black = np.zeros((2, 1, 16, 16), np.uint8)
    assert torch.isfinite(model(RaggedBatch.of([black]))).all()


def test_points_by_hand() -> None:
    # Two points; their middle is at (2, 3) at first.
    sequence = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 5.0, 8.0]])
    found = points()(RaggedBatch.of([sequence]))
    places, moves = [[-2, -2, 2, 2], [-2, -2, 6, 10]], [[0, 0, 0, 0], [0, 0, 1, 2]]
    torch.testing.assert_close(found[0], torch.tensor([[*a, *b] for a, b in zip(places, moves, strict=True)]).double())
    elsewhere = points()(RaggedBatch.of([sequence + np.array([7.0, -3.0, 7.0, -3.0])]))
    torch.testing.assert_close(elsewhere, found)


@pytest.mark.parametrize("cell", ["lstm", "gru-full"])
@pytest.mark.parametrize("kind", ["frames", "points"])
def test_a_batch_of_clips_equals_its_clips_with_loss_and_gradients(kind: str, cell: str) -> None:
    inputs, clips = (frames(), CLIPS) if kind == "frames" else (points(), POINTS)
    stack = StackConfig(cell=cell, hidden=5, layers=2, bidirectional=True).build(inputs.output_size)
    model = Classifier(inputs, stack, 3, pooling="attention").double()
    classes = torch.tensor([2, 0, 1, 2])
    loss, _ = model.loss(ClassBatch(RaggedBatch.of(clips), classes), None)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    alone = [model.log_probs(RaggedBatch.of([clip]))[0, n] for clip, n in zip(clips, classes.tolist(), strict=True)]
    single = -torch.stack(alone).mean()
    torch.testing.assert_close(loss, single)
    for one, other in zip(gradients, torch.autograd.grad(single, list(model.parameters())), strict=True):
        torch.testing.assert_close(one, other)


def test_attention_is_told_with_the_classes_that_rest_on_it() -> None:
    inputs = points()
    model = Classifier(inputs, StackConfig(hidden=4).build(inputs.output_size), 3, pooling="attention").double()
    batch = RaggedBatch.of(POINTS)
    log_probs, weights = model.attend(batch)
    torch.testing.assert_close(log_probs, model.log_probs(batch))
    outputs, _ = model.stack(inputs(batch), lengths=batch.lengths)
    pooled = torch.einsum("bt,btf->bf", weights, outputs)
    torch.testing.assert_close(F.log_softmax(model.softmax(pooled), 1), log_probs)
    torch.testing.assert_close(weights.sum(1), torch.ones(4, dtype=torch.float64))
    assert not weights[1, 1:].any()
