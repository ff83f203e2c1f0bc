"""A convolutional LSTM is an LSTM at every place where its kernel sees one place, and sees its neighbours otherwise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from throughtime.cells import ConvLSTMCell
from throughtime.layers import ConvLSTM, Recurrent


def drawn(layer: ConvLSTM) -> ConvLSTM:
    """No parameter is zero."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.4 * torch.randn_like(parameter))
    return layer.double()


def test_a_kernel_of_one_place_is_a_peephole_lstm_at_every_place() -> None:
    layer = drawn(ConvLSTM(3, 2, (2, 3), kernel=1))
    ours = dict(layer.stack.directed[0].named_parameters())
    frames = torch.randn(2, 5, 3, 2, 3, dtype=torch.float64)
    outputs, state = layer(frames, lengths=[5, 3])
    for line in range(2):
        for place in range(3):
            lstm = Recurrent("lstm-peephole", 3, 2).double()
            peepholes = {n: ours[n].view(2, 2, 3)[:, line, place] for n in ("p_i", "p_f", "p_o")}
            matrices = {n: ours[n][:, :, 0, 0] for n in ("W_x", "W_h")}
            lstm.directed[0].load_state_dict({**matrices, **peepholes, "b": ours["b"]})
            expected, final = lstm(frames[..., line, place], lengths=[5, 3])
            torch.testing.assert_close(outputs[..., line, place], expected)
            torch.testing.assert_close(state["c"][..., line, place], final["c"])


def test_a_kernel_sees_its_neighbours_and_zeros_outside_of_the_frame() -> None:
    """The candidate alone, tanh of a sum over 3 × 3 places of ones: four at a corner, six at an edge, nine inside."""
    layer = ConvLSTM(1, 1, (3, 3)).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        dict(layer.stack.directed[0].named_parameters())["W_x"][2] = 0.1
    _, state = layer(torch.ones(1, 1, 1, 3, 3, dtype=torch.float64))
    counts = torch.tensor([[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(state["c"][0, 0, 0], 0.5 * torch.tanh(0.1 * counts))


def test_gradients_against_differences_and_state_carried_over() -> None:
    layer = drawn(ConvLSTM(1, 2, (2, 2), num_layers=2))
    frames = torch.randn(2, 3, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: layer(v, lengths=[3, 1])[0], (frames,))
    whole, final = layer(frames)
    first, carried = layer(frames[:, :1])
    rest, last = layer(frames[:, 1:], carried)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)
    torch.testing.assert_close(last, final)


def test_both_directions_and_rows_of_their_own_length() -> None:
    layer = drawn(ConvLSTM(2, 3, (2, 2), bidirectional=True))
    frames = torch.randn(3, 4, 2, 2, 2, dtype=torch.float64)
    outputs, state = layer(frames, lengths=torch.tensor([2, 4, 0]))
    assert outputs.shape == (3, 4, 6, 2, 2)
    assert state["h"].shape == (2, 3, 3, 2, 2)
    torch.testing.assert_close(outputs[:1, :2], layer(frames[:1, :2])[0])
    assert outputs[0, 2:].eq(0).all()
    assert outputs[2].eq(0).all()


def test_what_does_not_fit_is_refused_in_a_line() -> None:
    with pytest.raises(ValueError, match=r"expected frames of shape \[B, T, 1, 2, 2\], got \[3, 1, 2, 2\]"):
        ConvLSTM(1, 2, (2, 2))(torch.zeros(3, 1, 2, 2))
    with pytest.raises(ValueError, match="ConvLSTMCell: expected kernel to be odd, got 2"):
        ConvLSTM(1, 2, (2, 2), kernel=2)
    with pytest.raises(ValueError, match="ConvLSTMCell: expected height to be a positive integer, got 0"):
        ConvLSTMCell(4, 4, height=0)
    with pytest.raises(ValueError, match="ConvLSTMCell: expected input_size to be a multiple of 4 places, got 3"):
        ConvLSTMCell(3, 4, height=2, width=2)


def test_start_values() -> None:
    torch.manual_seed(0)
    values: dict[str, Tensor] = dict(ConvLSTM(4, 4, (2, 2)).stack.directed[0].named_parameters())
    assert values["b"].tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
    assert all(values[name].eq(0).all() for name in ("p_i", "p_f", "p_o"))
    for gate in values["W_h"].detach().chunk(4):
        torch.testing.assert_close(gate.flatten(1) @ gate.flatten(1).T, torch.eye(4), rtol=0, atol=1e-5)
    assert float(values["W_x"].detach().abs().max()) <= (6 / (8 * 9)) ** 0.5
