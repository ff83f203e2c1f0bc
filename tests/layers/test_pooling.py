"""One vector of a sequence, against the plain definition on each row alone."""

from __future__ import annotations

import pytest
import torch

from throughtime.layers import Pooling

LENGTHS = torch.tensor([5, 1, 3, 0])


def outputs() -> torch.Tensor:
    torch.manual_seed(0)
    made = torch.randn(4, 5, 6, dtype=torch.float64)
    return made * (torch.arange(5) < LENGTHS.unsqueeze(1)).unsqueeze(2)  # as a layer gives them


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", ["last", "mean", "max", "attention"])
def test_a_ragged_batch_equals_the_definition_row_by_row(name: str, bidirectional: bool) -> None:
    pool = Pooling(name, 6, bidirectional=bidirectional).double()  # type: ignore[arg-type]
    batch = outputs().requires_grad_()
    result = pool(batch, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        real = batch[row, :length]
        if not length:
            expected = torch.zeros(6, dtype=torch.float64)
        elif name == "last":
            expected = torch.cat([real[-1, :3], real[0, 3:]]) if bidirectional else real[-1]
        elif name == "mean":
            expected = sum(real) / length  # type: ignore[assignment]
        elif name == "max":
            expected = torch.stack([max(real[:, f]) for f in range(6)])
        else:
            scores = pool.score(torch.tanh(pool.project(real))).exp()
            expected = sum(w * a for w, a in zip(scores / scores.sum(), real, strict=True))  # type: ignore[assignment]
        torch.testing.assert_close(result[row], expected)
    result.square().sum().backward()
    assert batch.grad is not None
    assert batch.grad.isfinite().all()
    assert not batch.grad[LENGTHS == 0].any()


def test_attention_sums_to_one_over_the_real_steps() -> None:
    pool = Pooling("attention", 6).double()
    weights = pool.weights(outputs(), LENGTHS)
    torch.testing.assert_close(weights.sum(1), torch.tensor([1.0, 1, 1, 0], dtype=torch.float64))
    assert weights[1, 1:].eq(0).all()


def test_an_unknown_pooling_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown pooling 'men' \(did you mean 'mean'\?\)"):
        Pooling("men", 2)  # type: ignore[arg-type]
