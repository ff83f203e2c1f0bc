"""Streams with matrices in fewer bits give what the layer gives with its matrices rounded to them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

import throughtime
from throughtime.cells import Cell, input_matrix, recurrent_matrix
from throughtime.engine.compiled.stream import CompiledStream
from throughtime.engine.weights import shrink, widened
from throughtime.layers import Recurrent

SMALL = ["bfloat16", "int8"]


class Tied(Cell):
    """Multiplies by a matrix and by its transpose, by parts of a product and of values side by side."""

    def parameters(self) -> Any:
        n, k = self.hidden_size, self.input_size
        return {"V": input_matrix(n, k), "W": recurrent_matrix(n, n), "U": recurrent_matrix(2 * n, k + n)}

    def step(self, x: Any, s: Any, p: Any) -> Any:
        gate, new = (p.U @ torch.cat([x, s.h], -1)).chunk(2, -1)
        inner = torch.tanh(p.W.T @ s.h + p.V @ x + new)
        return {"h": torch.sigmoid(gate) * torch.tanh(p.W @ inner)}


class Summing(Cell):
    """A cell that no program can be made of."""

    def parameters(self) -> Any:
        return {"W": input_matrix(self.hidden_size, self.input_size)}

    def step(self, x: Any, s: Any, p: Any) -> Any:
        return {"h": torch.tanh(s.h + (p.W @ x).cumsum(-1))}


class Leaking(Cell):
    """A cell without a recurrent matrix."""

    def parameters(self) -> Any:
        return {"W": input_matrix(self.hidden_size, self.input_size)}

    def step(self, x: Any, s: Any, p: Any) -> Any:
        return {"h": 0.5 * s.h + p.W @ x}


def rounded(layer: Recurrent, weights: str) -> Recurrent:
    """The layer with its matrices as they are in fewer bits, on the reference engine."""
    layer = copy.deepcopy(layer)
    layer.engine = "reference"
    with torch.no_grad():
        for directed in layer.directed:
            for name, value in widened(directed.cell, directed.values(), weights).items():
                getattr(directed, name).copy_(value)
    return layer


def run(stream: Any, x: Tensor) -> Tensor:
    return torch.stack([stream.step(step) for step in x])


@pytest.mark.parametrize("weights", SMALL)
@pytest.mark.parametrize("cell", ["lstm", "gru-full", "gru-layernorm", Tied, Leaking, Summing], ids=str)
def test_a_stream_is_the_reference_with_rounded_matrices(cell: Any, weights: str) -> None:
    torch.manual_seed(0)
    layer = Recurrent(cell, 5, 19, num_layers=2, residual=True, zoneout=0.2).eval()
    x = torch.randn(6, 17, 5)
    stream = layer.stream(17, weights=weights)
    assert isinstance(stream.cells[0], CompiledStream) == (cell is not Summing)
    found, expected = run(stream, x), rounded(layer, weights)
    torch.testing.assert_close(found, run(expected.stream(17), x), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, run(layer.stream(17), x), rtol=1e-5, atol=1e-6)
    for row in (0, 16):
        alone = run(layer.stream(weights=weights), x[:, row : row + 1])
        torch.testing.assert_close(alone[:, 0], found[:, row], rtol=0, atol=0 if cell is not Summing else 1e-6)
    reference = copy.deepcopy(layer)
    reference.engine = "reference"
    torch.testing.assert_close(run(reference.stream(17, weights=weights), x), found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weights", SMALL)
def test_rows_change_places_and_begin_anew(weights: str) -> None:
    torch.manual_seed(1)
    layer = throughtime.GRU(3, 21)
    x = torch.randn(4, 5, 3)
    stream, alone = layer.stream(2, weights=weights), layer.stream(weights=weights)
    stream.step(x[0, :2])
    stream.reorder(torch.tensor([1, 0, 1, 1, 0]))
    first = stream.step(x[1])
    second = stream.step(x[2], resets=torch.tensor([False, True, False, False, False]))
    alone.step(x[0, 1:2])
    assert torch.equal(alone.step(x[1, 3:4])[0], first[3])
    assert torch.equal(alone.step(x[2, 3:4])[0], second[3])
    state = {name: value[:, 3:4] for name, value in stream.state.items()}
    again = layer.stream(weights=weights)
    again.state = state
    assert torch.equal(again.step(x[3, 3:4]), alone.step(x[3, 3:4]))
    assert torch.equal(layer.stream(weights=weights).step(x[2, 1:2])[0], second[1])


def test_each_number_is_the_nearest_that_there_is() -> None:
    torch.manual_seed(2)
    matrix = torch.randn(7, 9) * torch.logspace(-4, 4, 7).unsqueeze(1)
    matrix[3] = 0.0
    matrix[4] = 1e-44  # a scale that float32 has no room for
    small = shrink("W", matrix, "int8")
    assert small.scale is not None
    assert small.numbers.abs().amax(1).tolist() == [127, 127, 127, 0, 0, 127, 127]
    assert torch.equal(small.scale, matrix.abs().amax(1) / 127)
    assert (small.widened - matrix).abs().div(small.scale.clamp(min=1e-38).unsqueeze(1)).max() <= 0.5001
    assert torch.equal(shrink("W", matrix, "bfloat16").widened, matrix.bfloat16().float())


def test_what_is_not_finite_passes_in_16_bits_and_is_refused_in_8() -> None:
    layer = throughtime.RNN(2, 3)
    with torch.no_grad():
        layer.directed[0].W_h[0, 1] = float("nan")
        layer.directed[0].W_h[1, 1] = float("inf")
    with pytest.raises(ValueError, match=r"weights='int8': expected finite weights, got 2 in W_h that are not; take"):
        layer.stream(weights="int8")
    x = torch.randn(1, 1, 2)
    found, expected = run(layer.stream(weights="bfloat16"), x), run(rounded(layer, "bfloat16").stream(), x)
    assert found.isnan().tolist() == expected.isnan().tolist() == [[[True, True, False]]]


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_what_weights_cannot_be_kept_in(engine: str) -> None:
    layer = throughtime.LSTM(3, 4, engine=engine)
    with pytest.raises(
        ValueError, match=r"expected weights in float32, bfloat16, int8, got 'int9' \(did you mean 'int8'"
    ):
        layer.stream(weights="int9")
    with pytest.raises(
        ValueError, match=r"weights='int8': expected a layer of torch.float32, got one of torch.float64"
    ):
        layer.double().stream(weights="int8")
    assert layer.double().stream(weights="float32").dtype == torch.float64
    with pytest.raises(ValueError, match="bidirectional"):
        throughtime.LSTM(3, 4, bidirectional=True).stream(weights="int8")
