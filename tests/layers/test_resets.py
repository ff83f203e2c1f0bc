"""Resets and masks through layers: deep, in both directions, as streams, in either order of dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

import throughtime
from throughtime.engine.compiled import layout
from throughtime.layers import GRU, LSTM, RNN, Recurrent

B, T, K, N = 3, 8, 4, 4
TIGHT = {"rtol": 1e-9, "atol": 1e-11}
RESETS = torch.tensor([[0, 0, 0, 1, 0, 0, 1, 0], [1, 0, 0, 0, 0, 1, 0, 0], [0] * 8]).bool()
MASK = torch.tensor([[0, 1, 1, 0, 1, 1, 0, 1], [1, 1, 0, 0, 1, 1, 1, 0], [1, 1, 1, 0, 1, 1, 1, 1]]).bool()


def inputs() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(B, T, K, dtype=torch.float64)


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_deep_layer_gives_each_piece_what_torch_nn_gives_it_alone(kind: Any, bidirectional: bool) -> None:
    theirs = kind.torch_class(K, N, num_layers=2, bidirectional=bidirectional, batch_first=True).double()
    x = inputs().requires_grad_()
    rows = []
    for b in range(B):
        starts = sorted({0, *RESETS[b].nonzero().flatten().tolist()})
        rows.append(torch.cat([theirs(x[b, s:e])[0] for s, e in zip(starts, [*starts[1:], T], strict=True)]))
    expected = torch.stack(rows)
    outputs, _ = kind.from_torch(theirs)(x, resets=RESETS)
    torch.testing.assert_close(outputs, expected, **TIGHT)
    weigh = torch.randn_like(expected)
    got, right = (torch.autograd.grad((value * weigh).sum(), x)[0] for value in (outputs, expected))
    torch.testing.assert_close(got, right, **TIGHT)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_a_masked_step_is_as_if_it_were_not_there(bidirectional: bool, residual: bool) -> None:
    layer = Recurrent("gru", K, N, num_layers=2, bidirectional=bidirectional, residual=residual, dtype=torch.float64)
    x, lengths = inputs(), [8, 5, 7]
    real = MASK & (torch.arange(T) < torch.tensor(lengths).unsqueeze(1))
    x[~real] = float("nan")
    outputs, final = layer(x, lengths=lengths, mask=MASK)
    for b, length in enumerate(lengths):
        alone, end = layer(x[b : b + 1, real[b]])
        torch.testing.assert_close(outputs[b, real[b]], alone[0], **TIGHT)
        torch.testing.assert_close(final["h"][:, b : b + 1], end["h"], **TIGHT)
        for t in range(length):
            before, after = (real[b, :t].sum() - 1, real[b, : t + 1].sum()) if not real[b, t] else (0, 0)
            if not real[b, t]:
                ahead = alone[0, before, :N] if before >= 0 else torch.zeros(N, dtype=x.dtype)
                torch.testing.assert_close(outputs[b, t, :N], ahead, **TIGHT)
            if not real[b, t] and bidirectional:
                back = alone[0, after, N:] if after < len(alone[0]) else torch.zeros(N, dtype=x.dtype)
                torch.testing.assert_close(outputs[b, t, N:], back, **TIGHT)
        assert not outputs[b, length:].any()


def test_a_mask_of_the_first_steps_is_lengths_that_repeat() -> None:
    layer = LSTM(K, N, batch_first=True, dtype=torch.float64)
    x, lengths = inputs(), torch.tensor([8, 3, 5])
    mask = torch.arange(T) < lengths.unsqueeze(1)
    masked, (h, c) = layer(x, mask=mask)
    ragged, (right, memory) = layer(x, lengths=lengths)
    assert torch.equal(h, right)
    assert torch.equal(c, memory)
    assert torch.equal(masked[mask], ragged[mask])
    assert torch.equal(masked[1, 3:], ragged[1, 2].expand(5, -1))


def test_streams_and_pieces_of_calls_go_on_as_the_whole() -> None:
    layer = LSTM(K, N, num_layers=2, batch_first=True, dtype=torch.float64)
    x = inputs()
    whole, end = layer(x, resets=RESETS)
    stream, state, steps, by_step = layer.stream(B), None, [], []
    for t in range(T):
        steps.append(stream.step(x[:, t], resets=RESETS[:, t]))
        output, state = layer.step(x[:, t], state, resets=RESETS[:, t])
        by_step.append(output)
    torch.testing.assert_close(torch.stack(steps, 1), whole, **TIGHT)
    torch.testing.assert_close(torch.stack(by_step, 1), whole, **TIGHT)
    first, state = layer(x[:, :5], resets=RESETS[:, :5])
    second, state = layer(x[:, 5:], state, resets=RESETS[:, 5:], resets_to="zero")
    torch.testing.assert_close(torch.cat([first, second], 1), whole, **TIGHT)
    torch.testing.assert_close(state, end, **TIGHT)


def test_a_reset_goes_back_to_the_state_that_was_passed() -> None:
    layer = GRU(K, N, batch_first=True, dtype=torch.float64)
    x = inputs()
    h = torch.randn(1, B, N, dtype=torch.float64, requires_grad=True)
    outputs, _ = layer(x, h, resets=RESETS, resets_to="initial")
    alone, _ = layer(x[:1, 6:], h[:, :1])
    torch.testing.assert_close(outputs[:1, 6:], alone, **TIGHT)
    got, right = (torch.autograd.grad(value.sum(), h)[0] for value in (outputs[:1, 6:], alone))
    torch.testing.assert_close(got, right, **TIGHT)


def test_flags_lie_as_the_input_does() -> None:
    layer = LSTM(K, N, dtype=torch.float64)
    x = inputs()
    expected, _ = layer(x.transpose(0, 1), resets=RESETS.t(), mask=MASK.t())
    one, _ = layer(x[0], resets=RESETS[0], mask=MASK[0])
    torch.testing.assert_close(one, expected[:, 0], **TIGHT)
    with pytest.raises(ValueError, match=r"expected resets of shape \[8, 3\], as the input has it, got \[3, 8\]"):
        layer(x.transpose(0, 1), resets=RESETS)
    with pytest.raises(ValueError, match="no mask beside a PackedSequence"):
        layer(pack_sequence([x[0]]), mask=MASK)
    with pytest.raises(TypeError, match=r"pass torch\.as_tensor"):
        layer(x, mask=MASK.tolist())


def test_a_stream_refuses_other_resets() -> None:
    stream = throughtime.LSTM(K, N).stream(2)
    with pytest.raises(ValueError, match=r"expected resets of shape \[2\] with truth values"):
        stream.step(torch.zeros(2, K), resets=torch.zeros(2))


@pytest.mark.parametrize("name", ["lstm-layernorm", "gru-full"])
def test_any_cell_has_them(name: str) -> None:
    layer = throughtime.Recurrent(name, K, N, dtype=torch.float64)
    x = inputs()
    outputs, _ = layer(x, resets=RESETS, mask=MASK)
    alone, _ = layer(x[:1, [4, 5]])
    torch.testing.assert_close(outputs[:1, [4, 5]], alone, **TIGHT)
    assert not outputs[0, 3].any()  # nothing came before since the reset


@pytest.mark.parametrize("merge", ["concat", "mean"])
def test_more_batch_dimensions_and_every_layer_know_them(merge: str) -> None:
    layer = Recurrent("gru", K, N, num_layers=2, bidirectional=True, merge=merge, dtype=torch.float64)
    x = torch.stack([inputs(), inputs().flip(0)])
    resets, mask = torch.stack([RESETS, RESETS.flip(0)]), torch.stack([MASK, MASK.flip(0)])
    layers, _ = layer(x, resets=resets, mask=mask, return_layers=True)
    for part in range(2):
        one, _ = layer(x[part], resets=resets[part], mask=mask[part], return_layers=True)
        for depth in range(2):
            torch.testing.assert_close(layers[depth][part], one[depth], **TIGHT)
    with pytest.raises(ValueError, match=r"expected mask of shape \[2, 3, 8\]"):
        layer(x, mask=MASK)


def test_states_of_every_step_know_resets_and_masks() -> None:
    layer = Recurrent("lstm", K, N, bidirectional=True, dtype=torch.float64)
    plain = Recurrent("lstm", K, N, bidirectional=True, dtype=torch.float64, engine="reference")
    plain.load_state_dict(layer.state_dict())
    for marks in ({"resets": RESETS}, {"resets": RESETS, "mask": MASK}):
        *_, shown = layer(inputs(), **marks, return_states=True)
        *_, expected = plain(inputs(), **marks, return_states=True)
        for got, right in zip(shown, expected, strict=True):
            assert got.keys() == right.keys()
            for name, value in right.items():
                torch.testing.assert_close(got[name], value, **TIGHT)


@pytest.mark.parametrize("marks", [{"resets": RESETS}, {"resets": RESETS, "mask": MASK}, {"lengths": [8, 2, 5]}])
def test_places_are_found_once_for_all_layers_of_a_direction(marks: Any) -> None:
    layer = Recurrent("gru", K, N, num_layers=3, bidirectional=True, dtype=torch.float64, engine="compiled")
    layout._known.cache_clear()
    first, _ = layer(inputs(), **marks)
    known = layout._known.cache_info()
    assert (known.misses, known.hits) == (2, 4)
    layout._known.cache_clear()
    assert torch.equal(layer(inputs(), **marks)[0], first)


def test_resets_that_are_written_over_between_calls_are_read_anew() -> None:
    layer = LSTM(K, N, batch_first=True, dtype=torch.float64)
    buffer = np.zeros((B, T), bool)
    resets = torch.from_numpy(buffer)  # PyTorch does not notice what NumPy writes
    for step in (2, 5):
        buffer[:] = False
        buffer[:, step] = True
        outputs, _ = layer(inputs(), resets=resets)
        alone, _ = layer(inputs()[:, step:])
        torch.testing.assert_close(outputs[:, step:], alone, **TIGHT)
