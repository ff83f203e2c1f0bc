"""Ways to merge directions, outputs of every layer and more batch dimensions, against layers put together by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from throughtime import GRU, LSTM, RNN, Recurrent

TIGHT = {"rtol": 1e-9, "atol": 1e-11}
MERGED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "concat": lambda a, b: torch.cat([a, b], 2),
    "sum": lambda a, b: a + b,
    "mean": lambda a, b: 0.5 * a + 0.5 * b,
    "product": lambda a, b: a * b,
}
LENGTHS = torch.tensor([5, 0, 2])


def by_hand(
    layer: Recurrent, x: Tensor, merge: str = "concat", lengths: Tensor | None = None
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """The outputs of every layer ``[B, T, width]``, and the final states."""
    layers, finals = [], []
    step = 2 if layer.bidirectional else 1
    for depth in range(layer.num_layers):
        sides = [directed(x, None, lengths, "reference") for directed in layer.directed[step * depth :][:step]]
        above = MERGED[merge](*(outputs for outputs, _ in sides)) if step == 2 else sides[0][0]
        if layer.residual and above.shape == x.shape:
            real = torch.ones(len(x), x.shape[1], dtype=torch.bool)
            real = real if lengths is None else torch.arange(x.shape[1]) < lengths[:, None]
            above = above + x * real[:, :, None]
        x = above
        layers.append(x)
        finals += [final for _, final in sides]
    return layers, {n: torch.stack([final[n] for final in finals]) for n in layer.cell.state}


def gradients(values: list[Tensor], leaves: list[Tensor]) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(7)
    loss = sum((v * torch.randn(v.shape, generator=draw, dtype=v.dtype)).sum() for v in values)
    return torch.autograd.grad(loss, leaves)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["reference", "auto"])
@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
@pytest.mark.parametrize("merge", MERGED)
def test_directions_merge_and_every_layer_shows_its_outputs(merge: str, residual: bool, engine: str) -> None:
    torch.manual_seed(0)
    width = 8 if merge == "concat" else 4
    layer = Recurrent("lstm", 4, 4, 3, bidirectional=True, merge=merge, residual=residual, engine=engine).double()
    assert layer.output_size == width
    assert [directed.cell.input_size for directed in layer.directed[::2]] == [4, width, width]
    x = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    leaves = [x, *layer.parameters()]
    layers, final = layer(x, lengths=LENGTHS, return_layers=True)
    expected, ends = by_hand(layer, x, merge, LENGTHS)
    torch.testing.assert_close([layers, final], [expected, ends], **TIGHT)
    assert [output.shape for output in layers] == [(3, 5, width)] * 3
    assert not layers[0][1].any()
    assert not layers[2][2, 2:].any()
    outputs, _ = layer(x, lengths=LENGTHS)
    assert torch.equal(outputs, layers[-1])
    torch.testing.assert_close(gradients(layers, leaves), gradients(expected, leaves), **TIGHT)


def test_a_merge_that_is_not_there_or_has_nothing_to_merge_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of concat, sum, mean, product, got 'summ' \(did you mean 'sum'\?\)"):
        Recurrent("gru", 3, 4, bidirectional=True, merge="summ")
    with pytest.raises(ValueError, match="merge='sum' merges two directions, and the layer has one; pass bidirect"):
        LSTM(3, 4, merge="sum")
    with pytest.raises(ValueError, match=r"torch\.nn has no merge='mean'; build the layer without"):
        GRU(3, 4, bidirectional=True, merge="mean").to_torch()


def test_a_merge_is_printed() -> None:
    assert "3 -> 4, bidirectional, merge='mean'" in repr(GRU(3, 4, bidirectional=True, merge="mean"))
    assert "merge" not in repr(GRU(3, 4, bidirectional=True))


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
def test_dropout_between_layers_comes_after_what_a_layer_shows(residual: bool) -> None:
    torch.manual_seed(0)
    layer, x = Recurrent("gru", 4, 4, 2, dropout=0.5, residual=residual), torch.randn(2, 5, 4)
    torch.manual_seed(1)
    (first, second), _ = layer(x, return_layers=True)
    torch.manual_seed(1)
    assert torch.equal(layer(x)[0], second), "showing it draws nothing"
    torch.manual_seed(1)
    alone, _ = layer.directed[0](x)
    dropped = F.dropout(alone, 0.5)
    below = x if residual else torch.zeros_like(x)
    torch.testing.assert_close(first, alone + below)
    handed_on = dropped + below
    torch.testing.assert_close(second, layer.directed[1](handed_on)[0] + (handed_on if residual else 0.0))


def test_layers_like_torchs_show_every_layer_in_their_own_order() -> None:
    torch.manual_seed(0)
    layer = LSTM(3, 4, 2, bidirectional=True, dropout=0.3).double().eval()
    x, lengths = torch.randn(5, 3, 3, dtype=torch.float64), torch.tensor([5, 1, 2])
    expected, _ = by_hand(layer, x.transpose(0, 1), lengths=lengths)
    layers, _ = layer(x, lengths=lengths, return_layers=True)
    torch.testing.assert_close([v.transpose(0, 1) for v in layers], expected, **TIGHT)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    for got, outputs in zip(layer(packed, return_layers=True)[0], layers, strict=True):
        assert torch.equal(got.data, pack_padded_sequence(outputs, lengths, enforce_sorted=False).data)
        assert torch.equal(got.unsorted_indices, packed.unsorted_indices)
    one, _ = layer(x[:, 0], return_layers=True)
    torch.testing.assert_close(one, [v[:, 0] for v in layers], **TIGHT)


@pytest.mark.parametrize("rows", [(2, 3), (2, 1, 3), (0, 3)], ids=str)
@pytest.mark.parametrize("kind", [lambda **more: Recurrent("lstm-peephole", 3, 4, 2, **more), LSTM, RNN])
def test_more_batch_dimensions_equal_rows_side_by_side(kind: Any, rows: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    own = {} if kind not in (LSTM, RNN) else {"input_size": 3, "hidden_size": 4, "num_layers": 2, "batch_first": True}
    layer = kind(bidirectional=True, **own).double()
    x = torch.randn(*rows, 5, 3, dtype=torch.float64)
    lengths = torch.randint(0, 6, rows)
    state = {n: torch.randn(4, *rows, 4, dtype=torch.float64) for n in layer.cell.state}
    flat = {n: v.reshape(4, -1, 4) for n, v in state.items()} if 0 not in rows else None
    if flat is None:
        outputs, _ = layer(x, state, lengths)
        assert outputs.shape == (*rows, 5, 8)
        return
    expected, ends = Recurrent.forward(layer, x.reshape(-1, 5, 3), flat, lengths.flatten(), return_layers=True)
    layers, final = Recurrent.forward(layer, x, state, lengths, return_layers=True)
    assert all(torch.equal(got.reshape(-1, 5, 8), value) for got, value in zip(layers, expected, strict=True))
    assert all(torch.equal(final[n].reshape(4, -1, 4), value) for n, value in ends.items())
    outputs, last = layer(x, state, lengths.tolist())
    assert torch.equal(outputs, layers[-1])
    assert torch.equal(
        last[0] if isinstance(last, tuple) else last["h"] if isinstance(last, dict) else last, final["h"]
    )
    assert outputs.shape == (*rows, 5, 8)


def test_a_step_takes_more_batch_dimensions() -> None:
    layer, x = LSTM(3, 4, batch_first=True), torch.randn(2, 3, 5, 3)
    expected, _ = layer(x)
    state = None
    for t in range(5):
        output, state = layer.step(x[:, :, t], state)
        torch.testing.assert_close(output, expected[:, :, t])


def test_more_batch_dimensions_that_do_not_fit_are_refused() -> None:
    layer, x = Recurrent("lstm", 3, 4), torch.randn(2, 3, 5, 3)
    with pytest.raises(ValueError, match=re.escape("expected lengths of shape [2, 3] with integers, got [6]")):
        layer(x, lengths=[1] * 6)
    words = "expected an initial state of {'h': [1, 2, 3, 4], 'c': [1, 2, 3, 4]}, got {'h': [1, 6, 4], 'c': [1, 6, 4]}"
    with pytest.raises(ValueError, match=re.escape(words)):
        layer(x, {"h": torch.zeros(1, 6, 4), "c": torch.zeros(1, 6, 4)})
    with pytest.raises(ValueError, match=re.escape("expected inputs of shape [time, batch, 3], got [2, 3, 5, 3]; ")):
        LSTM(3, 4)(x)
