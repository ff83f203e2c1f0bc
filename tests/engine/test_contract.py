"""What unroll refuses, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from throughtime.cells import CELLS, Cell, LSTMCell, RNNCell, bias, input_matrix
from throughtime.engine import ENGINES, EngineError, Noise, check_engine, unroll, zero_state
from throughtime.engine.call import Call
from throughtime.errors import UserError


def parameters(cell: Cell) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {name: torch.randn(p.shape, generator=draw) for name, p in cell.parameters().items()}


def refusal(engine: str, name: str, **arguments: Any) -> str:
    cell = CELLS[name](2, 3)
    with pytest.raises(EngineError) as caught:
        unroll(cell, parameters(cell), torch.randn(4, 5, 2), engine=engine, **arguments)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(5, 2), (4, 5, 3), (4, 5, 2, 1), ()])
def test_inputs_must_be_batch_time_features(shape: tuple[int, ...]) -> None:
    cell = RNNCell(2, 3)
    with pytest.raises(ValueError, match=r"expected inputs of shape \[batch, time, 2\], got") as caught:
        unroll(cell, parameters(cell), torch.zeros(shape))
    assert str(list(shape)) in str(caught.value)


@pytest.mark.parametrize(
    "state",
    [
        {"h": torch.zeros(4, 3)},
        {"h": torch.zeros(4, 3), "c": torch.zeros(4, 2)},
        {"h": torch.zeros(1, 4, 3), "c": torch.zeros(1, 4, 3)},
        {"h": torch.zeros(5, 3), "c": torch.zeros(5, 3)},
        {"h": torch.zeros(4, 3), "c": torch.zeros(4, 3), "m": torch.zeros(4, 3)},
        {},
    ],
    ids=["missing", "width", "layered", "batch", "extra", "empty"],
)
def test_a_state_must_have_the_cells_names_and_shapes(state: dict[str, Tensor]) -> None:
    cell = LSTMCell(2, 3)
    with pytest.raises(ValueError, match=r"expected an initial state of \{'h': \[4, 3\], 'c': \[4, 3\]\}, got"):
        unroll(cell, parameters(cell), torch.zeros(4, 5, 2), state=state)


def test_the_order_of_state_names_does_not_matter() -> None:
    cell = LSTMCell(2, 3)
    h, c, x = torch.randn(4, 3), torch.randn(4, 3), torch.randn(4, 5, 2)
    for engine in ("torch", "reference"):
        first, _ = unroll(cell, parameters(cell), x, state={"h": h, "c": c}, engine=engine)
        second, final = unroll(cell, parameters(cell), x, state={"c": c, "h": h}, engine=engine)
        assert torch.equal(first, second)
        assert torch.equal(final["h"], second[:, -1])


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        (torch.tensor([1, 2, 3]), r"expected lengths of shape \[4\] with integers, got \[3\] of torch.int64"),
        (torch.tensor([[1], [2], [3], [4]]), r"expected lengths of shape \[4\] with integers, got \[4, 1\]"),
        (torch.tensor([1.0, 2.0, 3.0, 4.0]), r"with integers, got \[4\] of torch.float32"),
        (torch.tensor([True, True, False, True]), r"with integers, got \[4\] of torch.bool"),
        (torch.tensor([1, 2, 3, 6]), r"expected lengths from 0 to 5, got 1 to 6"),
        (torch.tensor([1, -2, 3, 5]), r"expected lengths from 0 to 5, got -2 to 5"),
    ],
)
def test_lengths_must_be_integers_a_row_within_time(lengths: Tensor, words: str) -> None:
    cell = RNNCell(2, 3)
    with pytest.raises(ValueError, match=words):
        unroll(cell, parameters(cell), torch.zeros(4, 5, 2), lengths=lengths)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.uint8])
def test_lengths_of_any_integers_serve(dtype: torch.dtype) -> None:
    cell = RNNCell(2, 3)
    x, lengths = torch.randn(4, 5, 2), torch.tensor([5, 0, 2, 3])
    expected, _ = unroll(cell, parameters(cell), x, lengths=lengths)
    assert torch.equal(unroll(cell, parameters(cell), x, lengths=lengths.to(dtype))[0], expected)


def test_an_unknown_engine_gets_the_nearest() -> None:
    assert "unknown engine 'referense' (did you mean 'reference'?); engines: auto, " in refusal("referense", "lstm")
    with pytest.raises(EngineError, match=r"unknown engine 'tortch' \(did you mean 'torch'\?\)"):
        check_engine("tortch")
    for name in ("auto", *(engine.name for engine in ENGINES)):
        check_engine(name)


def test_a_named_engine_refuses_a_cell_it_has_no_kernel_for() -> None:
    message = refusal("torch", "lstm-peephole")
    assert message == (
        "engine 'torch' cannot serve this call: PyTorch's kernels serve RNNCell, GRUCell and LSTMCell, "
        'not PeepholeLSTMCell; pass engine="auto"'
    )


@pytest.mark.parametrize(
    "noise", [Noise(keep={"h": 0.1}), Noise(products={"W_h": torch.ones(4, 3)})], ids=["zoneout", "dropout"]
)
def test_a_named_engine_refuses_noise_it_cannot_make(noise: Noise) -> None:
    message = refusal("torch", "lstm", noise=noise)
    assert message.startswith("engine 'torch' cannot serve this call: ")
    assert "no recurrent dropout and no zoneout" in message
    assert message.endswith('pass engine="auto"')


def test_an_engine_error_is_the_users_to_mend() -> None:
    assert issubclass(EngineError, UserError)
    assert issubclass(EngineError, ValueError)


def test_empty_noise_is_no_noise() -> None:
    assert not Noise()
    cell = LSTMCell(2, 3)
    x = torch.randn(4, 5, 2)
    served, _ = unroll(cell, parameters(cell), x, noise=Noise(), engine="torch")
    assert torch.equal(served, unroll(cell, parameters(cell), x, engine="torch")[0])


def test_the_last_engine_serves_every_call() -> None:
    noise = Noise(keep={"h": 0.1}, products={"W_h": torch.ones(2, 3)})
    for factory in CELLS.values():
        cell = factory(2, 3)
        call = Call(cell, parameters(cell), torch.zeros(2, 2, 2), zero_state(cell, torch.zeros(2, 2, 2)), noise=noise)
        assert ENGINES[-1].refuses(call) is None


class Returns(Cell):
    """Returns whatever it is told to."""

    state = ("h", "m")
    value: Any = None

    def parameters(self) -> Mapping[str, Any]:
        return {"W_x": input_matrix(self.hidden_size, self.input_size), "b": bias(self.hidden_size)}

    def step(self, x: Tensor, s: Any, p: Any) -> Any:
        return type(self).value(x, s, p)


def mistake(monkeypatch: pytest.MonkeyPatch, kind: type[Exception], value: Any) -> str:
    cell = Returns(2, 3)
    monkeypatch.setattr(Returns, "value", staticmethod(value))
    with pytest.raises(kind) as caught:
        unroll(cell, parameters(cell), torch.zeros(4, 5, 2))
    return str(caught.value)


def test_a_step_that_forgets_a_state_is_told_how_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    message = mistake(monkeypatch, TypeError, lambda x, s, p: {"h": s.h, "gate": s.h})
    assert message == (
        "Returns.step: expected a dict with the new state h, m, got names ['gate', 'h']; "
        "end the step with: return {'h': h, 'm': m}"
    )


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "NoneType"), (torch.zeros(4, 3), "Tensor"), ((torch.zeros(4, 3),), "tuple")]
)
def test_a_step_that_returns_no_dict_is_told_so(monkeypatch: pytest.MonkeyPatch, value: Any, kind: str) -> None:
    message = mistake(monkeypatch, TypeError, lambda x, s, p: value)
    assert f"got {kind};" in message
    assert "return {'h': h, 'm': m}" in message


def test_a_step_with_a_wrong_shape_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    message = mistake(monkeypatch, ValueError, lambda x, s, p: {"h": p.W_x @ x, "m": x})
    assert message.startswith("Returns.step: expected state 'm' of shape [4, 3], got [4, 2]; check")


def test_a_state_that_would_broadcast_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    message = mistake(monkeypatch, ValueError, lambda x, s, p: {"h": s.h[:1], "m": s.m})
    assert "expected state 'h' of shape [4, 3], got [1, 3]" in message
