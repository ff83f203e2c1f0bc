"""Tapes that are used again: what a call has handed out stays as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from throughtime import Recurrent
from throughtime.cells import Cell, recurrent_matrix
from throughtime.engine.compiled import spare


class Plain(Cell):
    """The gradient of the input is what lies on the tape."""

    state = ("h",)

    def parameters(self) -> Any:
        return {"W": recurrent_matrix(self.hidden_size, self.hidden_size)}

    def step(self, x: Tensor, s: Any, p: Any) -> Any:
        return {"h": torch.tanh(x + p.W @ s.h)}


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[torch.UntypedStorage]:
    """Every tape is kept, however small."""
    monkeypatch.setattr(spare, "LEAST", 1)
    monkeypatch.setattr(spare, "_KEPT", [])
    return spare._KEPT


def begin(layer: Recurrent, x: Tensor) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Results of the forward loop, a loss of all of them, and what has gradients."""
    x = x.clone().requires_grad_()
    outputs, state, (steps,) = layer(x, return_states=True)
    found = [outputs, *state.values(), *steps.values()]
    return found, torch.stack([value.sin().sum() for value in found]).sum(), [x, *layer.parameters()]


def finish(found: list[Tensor], loss: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    return [*found, *torch.autograd.grad(loss, leaves)]


@pytest.mark.parametrize("cell", [Plain, "lstm", "gru-layernorm"])
def test_results_outlive_the_tape(cell: Any, kept: list[torch.UntypedStorage]) -> None:
    torch.manual_seed(0)
    layer = Recurrent(cell, 4, 4, engine="compiled").double()
    given = [torch.randn(5, 3, 4, dtype=torch.float64) for _ in range(3)]
    waiting = [begin(layer, x) for x in given]  # three tapes at a time
    found = [finish(*each) for each in waiting]
    assert kept
    found += [finish(*begin(layer, x)) for x in given]
    layer.engine = "reference"
    for values, x in zip(found, [*given, *given], strict=True):
        for got, expected in zip(values, finish(*begin(layer, x)), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


def test_room_is_taken_again_and_never_twice(kept: list[torch.UntypedStorage]) -> None:
    like = torch.empty(0)
    first, second = spare.take(like, 10, 64), spare.take(like, 10, 64)
    assert first.data_ptr() != second.data_ptr()
    place = first.data_ptr()
    spare.give(first)
    again, other = spare.take(like, 9, 60), spare.take(like, 9, 60)
    assert again.data_ptr() == place
    assert again.shape == (9, 60)
    assert len({again.data_ptr(), other.data_ptr(), second.data_ptr()}) == 3
    spare.give(again)
    assert spare.take(like, 2, 64).data_ptr() != place  # far too large for so little
    assert spare.take(like.double(), 10, 30).data_ptr() == place


def test_large_room_begins_at_a_line_of_the_cache(kept: list[torch.UntypedStorage]) -> None:
    value = torch.arange(30.0).view(2, 3, 5)
    flat = spare.flat(value.transpose(0, 1))
    assert torch.equal(flat, value.transpose(0, 1).reshape(6, 5))
    assert torch.equal(spare.multiplied(flat, flat.t()), flat @ flat.t())
    rooms = [flat, spare.apart(flat, 3, 5), spare.take(flat, 3, 5), spare.take(flat.double(), 3, 5)]
    spare.give(rooms.pop(2))
    assert all(room.data_ptr() % 64 == 0 for room in [*rooms, spare.take(flat, 3, 5)])


def test_rows_that_stand_in_time_are_not_copied(kept: list[torch.UntypedStorage]) -> None:
    value = torch.randn(4, 3, 5)
    for rows in (value, value[:1], value[:, :1], torch.randn(4, 3, 8)[..., :5]):
        assert spare.flat(rows).data_ptr() == rows.data_ptr()


def test_no_more_is_kept_than_a_bound(kept: list[torch.UntypedStorage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare, "MOST", 10_000)
    for _ in range(5):
        spare.give(torch.empty(1000))
    assert sum(storage.nbytes() for storage in kept) == 8000
