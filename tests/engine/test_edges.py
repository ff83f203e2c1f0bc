"""Nothing to do, odd memory layouts, some gradients only, and what a ragged batch costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime.cells import CELLS, Cell, RNNCell
from throughtime.engine import ENGINES, Noise, unroll, zero_state
from throughtime.engine.call import Call


def parameters(cell: Cell, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(5)
    return {n: torch.randn(p.shape, generator=draw, dtype=dtype) for n, p in cell.parameters().items()}


def random_state(cell: Cell, batch: int) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(6)
    return {n: torch.randn(batch, w, generator=draw, dtype=torch.float64) for n, w in cell.widths().items()}


def serving(name: str) -> list[str]:
    """The engines that serve a cell."""
    cell = CELLS[name](2, 3)
    x = torch.zeros(1, 1, 2)
    call = Call(cell, parameters(cell), x, zero_state(cell, x))
    return [engine.name for engine in ENGINES if engine.refuses(call) is None]


CASES = [(name, engine) for name in FAMILIAR for engine in serving(name)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "engine"), CASES)
@pytest.mark.parametrize(
    ("batch", "time", "lengths"),
    [(0, 4, None), (3, 0, None), (0, 0, None), (0, 4, []), (3, 0, [0, 0, 0]), (3, 4, [0, 0, 0])],
)
def test_nothing_to_do(name: str, engine: str, batch: int, time: int, lengths: list[int] | None, reverse: bool) -> None:
    cell = CELLS[name](2, 3)
    state = random_state(cell, batch)
    given = None if lengths is None else torch.tensor(lengths, dtype=torch.int64)
    x = torch.full((batch, time, 2), torch.nan, dtype=torch.float64)
    outputs, final = unroll(cell, parameters(cell), x, state=state, lengths=given, reverse=reverse, engine=engine)
    assert torch.equal(outputs, torch.zeros(batch, time, cell.output_size, dtype=torch.float64))
    assert final.keys() == state.keys()
    assert all(torch.equal(final[key], state[key]) for key in state)


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_inputs_of_any_memory_layout(name: str, engine: str) -> None:
    cell = CELLS[name](2, 3)
    weights, lengths = parameters(cell), torch.tensor([3, 5, 1])
    state = random_state(cell, 3)
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(3, 5, 2, generator=draw, dtype=torch.float64)
    time_first = x.transpose(0, 1).contiguous().transpose(0, 1)
    strided = torch.stack([x, -x], dim=-1)[..., 0]
    turned = {n: v.T.contiguous().T for n, v in {**weights, **state}.items() if v.dim() == 2}
    assert not time_first.is_contiguous()
    assert not strided.is_contiguous()
    expected = unroll(cell, weights, x, state=state, lengths=lengths, engine=engine)
    for other in (time_first, strided):
        got = unroll(
            cell,
            {n: turned.get(n, v) for n, v in weights.items()},
            other,
            state={n: turned[n] for n in state},
            lengths=lengths,
            engine=engine,
        )
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_one_row_given_to_all_by_expand(name: str, engine: str) -> None:
    cell = CELLS[name](2, 3)
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(1, 5, 2, generator=draw, dtype=torch.float64)
    one, _ = unroll(cell, parameters(cell), x, engine=engine)
    many, _ = unroll(cell, parameters(cell), x.expand(4, 5, 2), engine=engine)
    torch.testing.assert_close(many, one.expand(4, 5, -1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_a_gradient_is_the_same_whoever_else_wants_one(name: str, engine: str) -> None:
    cell = CELLS[name](2, 3)
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(3, 4, 2, generator=draw, dtype=torch.float64)
    values = {"inputs": inputs, **random_state(cell, 3), **parameters(cell)}
    weigh = torch.randn(3, 4, cell.output_size, generator=draw, dtype=torch.float64)

    def gradients(wanted: list[str]) -> dict[str, Tensor]:
        leaves = {n: v.clone().requires_grad_(n in wanted) for n, v in values.items()}
        outputs, _ = unroll(
            cell,
            {n: leaves[n] for n in cell.parameters()},
            leaves["inputs"],
            state={n: leaves[n] for n in cell.state},
            lengths=torch.tensor([4, 2, 0]),
            engine=engine,
        )
        (outputs * weigh).sum().backward()
        assert all(leaf.grad is None for n, leaf in leaves.items() if n not in wanted)
        return {n: grad for n in wanted if (grad := leaves[n].grad) is not None}

    expected = gradients(list(values))
    for wanted in (["inputs"], ["W_x"], ["W_h", "b"], [cell.state[-1]]):
        got = gradients(wanted)
        assert got.keys() == set(wanted)
        for key, value in got.items():
            torch.testing.assert_close(value, expected[key], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_no_gradient_is_recorded_where_none_is_wanted(name: str, engine: str) -> None:
    cell = CELLS[name](2, 3)
    weights = {n: v.requires_grad_() for n, v in parameters(cell).items()}
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    recorded, _ = unroll(cell, weights, x, engine=engine)
    with torch.no_grad():
        outputs, final = unroll(cell, weights, x, engine=engine)
    assert not outputs.requires_grad
    assert not any(value.requires_grad for value in final.values())
    torch.testing.assert_close(outputs, recorded.detach(), rtol=1e-12, atol=1e-12)


class Counting(RNNCell):
    """Counts the rows that it computes."""

    rows: int = 0

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        type(self).rows += len(x)
        return super().step(x, s, p)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [[1, 7, 0, 3], [7, 7, 7, 7], [0, 0, 2, 0]])
def test_a_ragged_batch_costs_its_real_steps(
    monkeypatch: pytest.MonkeyPatch, lengths: list[int], reverse: bool
) -> None:
    monkeypatch.setattr(Counting, "rows", 0)
    cell = Counting(2, 3)
    x = torch.zeros(4, 7, 2, dtype=torch.float64)
    unroll(cell, parameters(cell), x, lengths=torch.tensor(lengths), reverse=reverse, engine="reference")
    assert Counting.rows == sum(lengths)


def test_noise_follows_its_rows_and_steps() -> None:
    # Rows are sorted and time is turned inside: the masks of row b, step t must still meet row b, step t.
    cell = RNNCell(1, 1)
    weights = {"W_x": torch.ones(1, 1), "W_h": torch.ones(1, 1), "b": torch.zeros(1)}
    x = torch.tensor([[1.0, 2.0, torch.nan], [3.0, 4.0, 5.0]]).unsqueeze(-1)
    keep = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).unsqueeze(-1)
    factor = torch.tensor([[2.0], [3.0]])
    lengths = torch.tensor([2, 3])
    outputs, final = unroll(
        cell, weights, x, lengths=lengths, reverse=True, noise=Noise(products={"W_h": factor}, keep={"h": keep})
    )
    first = torch.tanh(torch.tensor(2.0))  # row 0, step 1; step 0 keeps it
    last = torch.tanh(torch.tensor(5.0))  # row 1, step 2; step 1 keeps it
    end = torch.tanh(3.0 + 3.0 * last)
    expected = torch.tensor([[first, first, 0.0], [end, last, last]])
    torch.testing.assert_close(outputs.squeeze(-1), expected)
    torch.testing.assert_close(final["h"].squeeze(-1), torch.stack([first, end]))
