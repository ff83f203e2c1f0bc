"""The next-frame model against its definition: enumeration, torch.nn, and single tunes."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from throughtime import LSTM
from throughtime.models import KeyModel, RollBatch, StackConfig


def made(keys: int, cell: str = "lstm", layers: int = 1, seed: int = 0) -> KeyModel:
    torch.manual_seed(seed)
    model = KeyModel(StackConfig(cell=cell, hidden=6, layers=layers).build(keys)).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.8)
    return model.eval()


def rolls(lengths: list[int], keys: int, seed: int = 1) -> RollBatch:
    generator = torch.Generator().manual_seed(seed)
    frames = (torch.rand(len(lengths), max(lengths), keys, generator=generator) < 0.4).double()
    for row, length in enumerate(lengths):
        frames[row, length:] = 0
    return RollBatch(frames, torch.tensor(lengths))


def test_the_nats_of_keys_by_hand() -> None:
    """A network that has learnt nothing but its biases: p = 0.8, 0.5, 0.1."""
    model = made(3)
    with torch.no_grad():
        model.keys.weight.zero_()
        model.keys.bias.copy_(torch.tensor([0.8, 0.5, 0.1]).logit())
    batch = RollBatch(torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 0]]]).double(), torch.tensor([2, 1]))
    by_hand = [[-math.log(0.8 * 0.5 * 0.9), -math.log(0.2 * 0.5 * 0.1)], [-math.log(0.8 * 0.5 * 0.9), 0.0]]
    assert torch.allclose(model.nats(batch), torch.tensor(by_hand).double(), atol=1e-6)
    assert model.loss(batch, None)[0].item() == pytest.approx(sum(map(sum, by_hand)) / 3, abs=1e-6)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_all_tunes_together_have_probability_one(cell: str) -> None:
    frames = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6))).double().view(64, 3, 2)
    nats = made(2, cell).nats(RollBatch(frames, torch.full((64,), 3)))
    assert (-nats.sum(1)).exp().sum().item() == pytest.approx(1.0, abs=1e-9)


def test_nats_and_gradients_are_those_of_torch() -> None:
    torch.manual_seed(0)
    layer, out = nn.LSTM(5, 6, batch_first=True).double(), nn.Linear(6, 5).double()
    model, batch = KeyModel(LSTM.from_torch(layer)).double().eval(), rolls([4, 4, 4], 5)
    model.keys.load_state_dict(out.state_dict())
    before = torch.cat([torch.zeros(3, 1, 5).double(), batch.frames[:, :-1]], 1)
    expected = nn.BCEWithLogitsLoss(reduction="none")(out(layer(before)[0]), batch.frames).sum(2).mean()
    found, _ = model.loss(batch, None)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(model.keys.weight.grad, out.weight.grad)


def _plain(model: KeyModel, frames: Tensor) -> Tensor:
    """Frame after frame through the layer's own step."""
    state, before, found = None, torch.zeros(1, frames.shape[1]).double(), []
    for frame in frames:
        output, state = model.stack.step(before, state)
        p = torch.sigmoid(output @ model.keys.weight.T + model.keys.bias)[0]
        found.append(-torch.where(frame > 0, p, 1 - p).log().sum())
        before = frame.unsqueeze(0)
    return torch.stack(found)


@pytest.mark.parametrize("layers", [1, 2])
def test_ragged_tunes_are_as_alone_and_step_by_step(layers: int) -> None:
    model, batch = made(5, layers=layers), rolls([7, 2, 5], 5)
    together = model.nats(batch)
    for row, length in enumerate(batch.lengths.tolist()):
        frames = batch.frames[row, :length]
        assert torch.allclose(together[row, :length], _plain(model, frames), atol=1e-9)
        assert not together[row, length:].any()
        alone = model.nats(RollBatch(frames.unsqueeze(0), torch.tensor([length])))
        assert torch.allclose(together[row, :length], alone[0], atol=1e-9)


def test_gradients_are_those_of_differences() -> None:
    model, batch = made(3), rolls([4, 2], 3)
    model.loss(batch, None)[0].backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        flat = parameter.data.view(-1)
        at = int(parameter.grad.abs().argmax())
        kept, found = float(flat[at]), []
        for by in (1e-6, -1e-6):
            flat[at] = kept + by
            found.append(model.loss(batch, None)[0].item())
        flat[at] = kept
        assert float(parameter.grad.view(-1)[at]) == pytest.approx((found[0] - found[1]) / 2e-6, rel=1e-5)


def test_frames_to_come_change_nothing() -> None:
    model, batch = made(4), rolls([6], 4)
    other = batch.frames.clone()
    other[:, 4:] = 1 - other[:, 4:]
    logits, changed = model.next_logits(batch), model.next_logits(RollBatch(other, batch.lengths))
    assert torch.equal(logits[:, :5], changed[:, :5])
    assert not torch.allclose(logits[:, 5:], changed[:, 5:])


def test_it_reads_in_one_direction() -> None:
    with pytest.raises(ValueError, match="reads in one direction"):
        KeyModel(StackConfig(hidden=4, bidirectional=True).build(3))
