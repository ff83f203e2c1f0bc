"""Numbers of whole sequences: ragged batches equal single sequences, values and gradients."""

from __future__ import annotations

import torch

from throughtime.layers import Recurrent
from throughtime.models import NumberBatch, Regressor


def test_a_batch_equals_its_sequences_with_gradients() -> None:
    torch.manual_seed(0)
    model = Regressor(Recurrent("gru", 2, 5), 3).double()
    features, lengths = torch.randn(3, 6, 2, dtype=torch.double), torch.tensor([6, 2, 4])
    targets = torch.randn(3, 3, dtype=torch.double)
    batch = NumberBatch(features, lengths, targets)
    loss, carried = model.loss(batch, None)
    assert carried is None
    assert batch.tokens == 12
    loss.backward()
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    total = torch.zeros((), dtype=torch.double)
    for row, length in enumerate(lengths.tolist()):
        outputs, _ = model.stack(features[row : row + 1, :length])
        said = outputs[0, -1] @ model.linear.weight.T + model.linear.bias
        total = total + ((said - targets[row]) ** 2).sum() / 3
        torch.testing.assert_close(model.losses(batch)[row, 0], ((said - targets[row]) ** 2).mean())
    torch.testing.assert_close(loss, total / 3)
    (total / 3).backward()
    for one, other in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad)
    empty = NumberBatch(features[:0], lengths[:0], targets[:0])
    assert model.loss(empty, None)[0].item() == 0.0
