"""A stream gives what the layer gives on the whole sequence, step by step, for every cell."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import throughtime
from familiar import FAMILIAR
from throughtime.cells import input_matrix
from throughtime.engine import Numbers
from throughtime.engine.compiled.stream import CompiledStream
from throughtime.layers import Recurrent

TOLERANCE = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-9, "atol": 1e-11}}


@pytest.mark.parametrize("batch", [1, 2, 17])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
@pytest.mark.parametrize("cell", FAMILIAR)
def test_steps_equal_the_whole_sequence(cell: str, dtype: torch.dtype, batch: int) -> None:
    torch.manual_seed(0)
    layer = Recurrent(cell, 5, 19, num_layers=2, zoneout=0.2, dropout=0.5, recurrent_dropout=0.4).to(dtype).eval()
    x = torch.randn(batch, 7, 5, dtype=dtype)
    stream = layer.stream(batch)
    outputs = torch.stack([stream.step(x[:, t]) for t in range(7)], 1)
    expected, state = layer(x)
    torch.testing.assert_close(outputs, expected.detach(), **TOLERANCE[dtype])
    for name, value in stream.state.items():
        torch.testing.assert_close(value, state[name].detach(), **TOLERANCE[dtype])
    assert not outputs.requires_grad


@pytest.mark.parametrize(
    ("cell", "kind", "residual"),
    [
        *((cell, "float32", False) for cell in (*FAMILIAR, "indrnn", "Adding")),
        *((cell, kind, False) for cell in ("gru-full", "gru-layernorm") for kind in ("float64", "bfloat16", "int8")),
        *(("lstm", kind, True) for kind in ("float32", "int8")),
    ],
)
def test_steps_by_number_have_the_bits_of_steps_by_input(cell: str, kind: str, residual: bool) -> None:
    torch.manual_seed(0)
    dtype, weights = (torch.float64, "float32") if kind == "float64" else (torch.float32, kind)
    layer = Recurrent(Adding if cell == "Adding" else cell, 19, 19, num_layers=2, residual=residual).to(dtype)
    inputs = torch.randn(6, 19, dtype=dtype)  # the last is what numbers below zero stand for
    numbers = Numbers(lambda those: inputs[those.clamp(min=-1)], 5)
    stream, plain = layer.stream(weights=weights, numbers=numbers), layer.stream(weights=weights)
    assert (stream.numbered is not None) == (cell != "Adding" and not residual)
    # One row and several, of numbers that come anew, again, or both
    for asked in ([3], [-1], [3], [0], [2, 3, 0], [2, 2, 1], [1, 4, -1], [0, 3, 4], [4], [1]):
        if stream.shape[0] != len(asked):
            rows = torch.arange(len(asked)) % stream.shape[0]
            stream.reorder(rows)
            plain.reorder(rows)
        assert torch.equal(stream.step_of(asked), plain.step(inputs[asked]))
        assert all(torch.equal(value, plain.state[name]) for name, value in stream.state.items())
    with pytest.raises(IndexError):
        stream.step_of([6])


class Adding(throughtime.Cell):
    """A cell that no program can be made of."""

    def parameters(self) -> Any:
        return {"W": input_matrix(self.hidden_size, self.input_size)}

    def step(self, x: Any, s: Any, p: Any) -> Any:
        return {"h": torch.tanh(s.h + (p.W @ x).cumsum(-1))}


@pytest.mark.parametrize("cell", ["lstm", "gru-full", "gru-layernorm", "lstm-layernorm", Adding])
def test_state_can_be_set_and_reset(cell: Any) -> None:
    layer = Recurrent(cell, 3, 4, num_layers=2, residual=True)
    stream, other = layer.stream(2), layer.stream(2)
    x = torch.randn(5, 2, 3)
    for t in range(3):
        stream.step(x[t])
    other.step(x[4])
    other.state = stream.state
    expected = [stream.step(x[t]) for t in (3, 4)]
    assert torch.equal(other.step(x[3]), expected[0])
    assert torch.equal(other.step(x[4]), expected[1])
    stream.reset()
    fresh = layer.stream(2)
    assert all(value.eq(0).all() for value in stream.state.values())
    assert torch.equal(stream.step(x[0]), fresh.step(x[0]))


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_weights_are_those_of_the_moment_it_was_opened(engine: str) -> None:
    layer = throughtime.LSTM(3, 4, engine=engine)
    x = torch.randn(1, 3)
    stream, expected = layer.stream(), layer.stream().step(x)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(1.0)
    assert torch.equal(stream.step(x), expected)
    assert not torch.allclose(layer.stream().step(x), expected)


def test_results_stay_when_the_stream_goes_on() -> None:
    stream = throughtime.GRU(3, 4).stream()
    first = stream.step(torch.ones(1, 3))
    kept = first.clone()
    for _ in range(3):
        stream.step(torch.randn(1, 3))
    assert torch.equal(first, kept)


def test_views_and_gradients_of_inputs_do_not_matter() -> None:
    layer = throughtime.GRU(3, 4)
    x = torch.randn(3, 6, requires_grad=True)
    got, expected = layer.stream(2).step(x.t()[:2]), layer.stream(2).step(x.t()[:2].detach().clone())
    assert torch.equal(got, expected)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.randn(2, 3), r"expected inputs of shape \[1, 3\] of torch.float32 on cpu, got \[2, 3\]"),
        (torch.randn(1, 4), r"got \[1, 4\] of torch.float32"),
        (torch.randn(1, 3, dtype=torch.float64), r"got \[1, 3\] of torch.float64"),
    ],
)
def test_inputs_that_do_not_fit(x: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        throughtime.LSTM(3, 4).stream().step(x)


def test_what_cannot_be_a_stream() -> None:
    with pytest.raises(ValueError, match="bidirectional"):
        throughtime.LSTM(3, 4, bidirectional=True).stream()
    with pytest.raises(ValueError, match="batch size of at least 1, got 0"):
        throughtime.LSTM(3, 4).stream(0)
    with pytest.raises(throughtime.EngineError, match="cumsum"):
        Recurrent(Adding, 3, 4, engine="compiled").stream()
    stream = throughtime.LSTM(3, 4).stream()
    with pytest.raises(ValueError, match="expected a state of"):
        stream.state = {"h": torch.zeros(1, 1, 4)}


@pytest.mark.parametrize("cell", [*FAMILIAR, Adding], ids=str)
def test_rows_change_places_and_number_and_go_on_as_alone(cell: Any) -> None:
    torch.manual_seed(3)
    layer = Recurrent(cell, 5, 19, num_layers=2, residual=True, zoneout=0.2)
    compiled = isinstance(layer.stream().cells[0], CompiledStream)
    x = torch.randn(6, 40, 5)
    stream, past = layer.stream(2), [[0], [1]]
    # what each row has read: the same row twice, fewer rows, more than the stream was opened for, as many again
    for t, rows in enumerate(([1, 0, 1, 1, 0], [4, 2, 0], [1], [0] * 40, list(range(39, -1, -1)))):
        stream.step(x[t, [row[-1] for row in past]])
        stream.reorder(torch.tensor(rows))
        past = [[*past[row], place] for place, row in enumerate(rows)]
    found = stream.step(x[5, [row[-1] for row in past]])
    assert found.shape[0] == 40
    for row in (0, 7, 39):
        alone = layer.stream()
        steps = [alone.step(x[t, [place]]) for t, place in enumerate(past[row])]
        if compiled:
            assert torch.equal(found[row], steps[-1][0])
        torch.testing.assert_close(found[row], steps[-1][0])


@pytest.mark.parametrize("cell", ["lstm", Adding])
def test_a_state_of_other_rows_goes_on_with_as_many(cell: Any) -> None:
    layer = Recurrent(cell, 3, 4, num_layers=2)
    stream, x = layer.stream(2), torch.randn(7, 6, 3)
    for t, rows in enumerate((5, 1, 3, 5)):
        _, state = layer(x[:rows, :t])
        stream.state = state
        torch.testing.assert_close(stream.step(x[:rows, t]), layer(x[:rows, : t + 1])[0][:, t].detach())
        assert stream.shape == (rows, 3)
    with pytest.raises(ValueError, match=r"expected a state of .*, of any number of rows, got .*\[2, 3, 5\]"):
        stream.state = {name: torch.zeros(2, 3, 5) for name in stream.state}
    with pytest.raises(ValueError, match="of any number of rows"):
        stream.state = {name: torch.zeros(2, 3 + i, 4) for i, name in enumerate(["h", "c", "more"])}


@pytest.mark.parametrize("rows", [torch.zeros(0).long(), torch.tensor(1), torch.tensor([0.0]), torch.tensor([True])])
def test_what_names_no_rows_is_refused(rows: torch.Tensor) -> None:
    stream = throughtime.GRU(3, 4).stream(2)
    with pytest.raises(ValueError, match=r"expected rows of shape \[N\], N ≥ 1, with integers, got"):
        stream.reorder(rows)
    with pytest.raises(IndexError):
        stream.reorder(torch.tensor([2]))
