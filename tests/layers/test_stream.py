"""A state carried over a cut, and a stream taken step by step, equal the whole run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime import GRU, LSTM, RNN, Recurrent

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def build(name: str, **arguments: object) -> tuple[Recurrent, Tensor]:
    torch.manual_seed(6)
    layer = Recurrent(name, 4, 4, 2, **arguments).double()  # type: ignore[arg-type]
    return layer, torch.randn(3, 7, 4, dtype=torch.float64)


@pytest.mark.parametrize("cut", [0, 1, 4, 7])
@pytest.mark.parametrize("name", FAMILIAR)
def test_a_carried_state_goes_on_where_it_ended(name: str, cut: int) -> None:
    layer, x = build(name, residual=True)
    weigh = torch.randn(3, 7, layer.output_size, dtype=torch.float64)

    def gradients(outputs: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad((outputs * weigh).sum(), list(layer.parameters())))

    whole, final = layer(x)
    first, carried = layer(x[:, :cut])
    second, last = layer(x[:, cut:], carried)
    parts = torch.cat([first, second], dim=1)
    torch.testing.assert_close(parts, whole, **TIGHT)
    torch.testing.assert_close(last, final, **TIGHT)
    # The gradient goes through the carried state too.
    for got, expected in zip(gradients(parts), gradients(whole), strict=True):
        torch.testing.assert_close(got, expected, **TIGHT)


@pytest.mark.parametrize("name", FAMILIAR)
def test_a_detached_state_stops_the_gradient_and_nothing_else(name: str) -> None:
    layer, x = build(name)
    leaf = x.clone().requires_grad_()
    _, carried = layer(leaf[:, :4])
    outputs, _ = layer(leaf[:, 4:], {n: value.detach() for n, value in carried.items()})
    torch.testing.assert_close(outputs, layer(x)[0][:, 4:], **TIGHT)
    (gradient,) = torch.autograd.grad(outputs.sum(), leaf)
    assert gradient[:, :4].eq(0).all()
    assert gradient[:, 4:].ne(0).any(-1).any(0).all()


@pytest.mark.parametrize("name", FAMILIAR)
def test_a_stream_equals_the_whole(name: str) -> None:
    layer, x = build(name, residual=True)
    whole, final = layer(x)
    state, outputs = None, []
    for t in range(x.shape[1]):
        output, state = layer.step(x[:, t], state)
        outputs.append(output)
    torch.testing.assert_close(torch.stack(outputs, dim=1), whole, **TIGHT)
    torch.testing.assert_close(state, final, **TIGHT)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_a_stream_of_torch_like_layers(kind: type[RNN | GRU | LSTM], batch_first: bool) -> None:
    torch.manual_seed(6)
    layer, x = kind(4, 5, 2, batch_first=batch_first).double(), torch.randn(3, 7, 4, dtype=torch.float64)
    outputs, final = layer(x if batch_first else x.transpose(0, 1))
    state = None
    for t in range(7):
        output, state = layer.step(x[:, t], state)
        torch.testing.assert_close(output, outputs[:, t] if batch_first else outputs[t], **TIGHT)
    torch.testing.assert_close(state, final, **TIGHT)


def test_a_stream_of_one_row_keeps_its_row() -> None:
    for batch_first in (True, False):
        output, h = GRU(4, 5, batch_first=batch_first).step(torch.randn(1, 4))
        assert torch.equal(output, h[0])


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_a_bidirectional_layer_has_no_stream(kind: type[RNN | GRU | LSTM]) -> None:
    words = "a bidirectional layer cannot run step by step; build it with bidirectional=False"
    with pytest.raises(ValueError, match=words):
        kind(4, 5, bidirectional=True).step(torch.zeros(3, 4))
    with pytest.raises(ValueError, match=words):
        Recurrent("lstm-peephole", 4, 5, bidirectional=True).step(torch.zeros(3, 4))


@pytest.mark.parametrize("name", FAMILIAR)
def test_rows_that_ended_keep_their_state_for_the_next_call(name: str) -> None:
    layer, x = build(name)
    _, carried = layer(x, lengths=torch.tensor([7, 3, 0]))
    outputs, _ = layer(x[:, :2], carried)
    for b, length in enumerate((7, 3, 0)):
        joined = torch.cat([x[b : b + 1, :length], x[b : b + 1, :2]], dim=1)
        torch.testing.assert_close(outputs[b : b + 1], layer(joined)[0][:, length:], **TIGHT)
