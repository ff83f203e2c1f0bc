"""What stands over a stack in a stream: what its model says of the steps so far, whatever rows are beside it."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch

from throughtime import Recurrent
from throughtime.layers import Pooling, PoolingName
from throughtime.models.streams import HeadedStream, SideBySide, pooled_head, score_head, softmax_head


def made(
    pooling: Any, engine: str = "auto", scale: float = 1.0
) -> tuple[Recurrent, Pooling, torch.nn.Linear, SideBySide]:
    torch.manual_seed(0)
    stack = Recurrent("gru", 3, 6, num_layers=2, engine=engine).eval()
    pool, linear = Pooling(pooling, 6), torch.nn.Linear(6, 4)
    if pooling == "attention":
        with torch.no_grad():
            pool.score.weight.mul_(scale)
    return stack, pool, linear, SideBySide(HeadedStream(stack, pooled_head(pool, linear)), room=1)


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("pooling", get_args(PoolingName))
@torch.no_grad()
def test_after_every_step_it_is_what_pooling_gives_of_the_steps_so_far(pooling: Any, engine: str) -> None:
    for scale in (1.0, 1000.0):  # of scores whose exponentials are none: they are of differences
        stack, pool, linear, rows = made(pooling, engine, scale)
        row, x = rows.open(), torch.randn(1, 9, 3)
        for length in range(1, 10):
            outputs, lengths = stack(x[:, :length], lengths=[length])[0], torch.tensor([length])
            expected = torch.log_softmax(linear(pool(outputs, lengths)), 1)
            found = rows.step([row], [x[0, length - 1].numpy()])
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pooling", get_args(PoolingName))
@torch.no_grad()
def test_a_row_has_the_same_bits_alone_and_among_others_that_come_and_go(pooling: Any) -> None:
    *_, alone = made(pooling)
    *_, among = made(pooling)
    x = torch.randn(7, 9, 3).numpy()
    single = alone.open()
    expected = [alone.step([single], [value])[0].clone() for value in x[0]]
    row = among.open()
    others: list[int] = []
    for step in range(9):
        others = [*others, among.open()] if step % 3 != 2 else others[1:]
        together = [*others[: step % 4], row, *others[step % 4 :]]
        found = among.step(together, [x[0, step] if one == row else x[1 + n, step] for n, one in enumerate(together)])
        assert found[together.index(row)].equal(expected[step])
        if step == 4:
            row = among.open(among.close(row))  # as one that was put away


@torch.no_grad()
def test_scores_and_log_probabilities_of_a_step() -> None:
    stack, _, linear, _ = made("last")
    x = torch.randn(1, 5, 3)
    hidden = stack(x)[0]
    for head, expected in ((score_head, linear(hidden)), (softmax_head, torch.log_softmax(linear(hidden), 2))):
        stream = HeadedStream(stack, head(linear))
        found = torch.stack([stream.advance([value]).clone() for value in x[0].numpy()], 1)
        torch.testing.assert_close(found, expected)
