"""Depth, both directions, the residual rule and the order of states, against loops over single steps."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime import Recurrent
from throughtime.cells import Matrix
from throughtime.layers import Directed

TIGHT = {"rtol": 1e-10, "atol": 1e-11}


def by_hand(directed: Directed, x: Tensor, state: dict[str, Tensor], length: int) -> tuple[Tensor, dict[str, Tensor]]:
    """One row ``[T, k]`` through one cell, step by step."""
    cell = directed.cell
    matrices = {n for n, p in cell.parameters().items() if p.role in ("input", "recurrent")}
    p = SimpleNamespace(**{n: Matrix(v) if n in matrices else v for n, v in directed.values().items()})
    outputs = x.new_zeros(len(x), cell.output_size)
    steps = range(length)
    for t in reversed(steps) if directed.reverse else steps:
        new = cell.step(x[t : t + 1], SimpleNamespace(**state), p)
        state = {name: new[name] for name in state}
        outputs[t] = state[cell.state[0]][0]
    return outputs, state


def composed(layer: Recurrent, x: Tensor, state: dict[str, Tensor], lengths: list[int]) -> list[Tensor]:
    """Outputs ``[B, T, width]``, then the final state by name in the order of :attr:`Recurrent.directed`."""
    directions = 2 if layer.bidirectional else 1
    rows, finals = [], []
    for b, length in enumerate(lengths):
        below, ends = x[b], []
        for depth in range(layer.num_layers):
            both = layer.directed[depth * directions : (depth + 1) * directions]
            sides = []
            for directed in both:
                initial = {n: v[len(ends), b : b + 1] for n, v in state.items()}
                outputs, end = by_hand(directed, below, initial, length)
                sides.append(outputs)
                ends.append(end)
            above = torch.cat(sides, dim=1)
            if layer.residual and above.shape[1] == below.shape[1]:
                above[:length] = above[:length] + below[:length]
            below = above
        rows.append(below)
        finals.append(ends)
    runs = range(len(layer.directed))
    ordered = [torch.stack([torch.cat([row[run][n] for row in finals]) for run in runs]) for n in layer.cell.state]
    return [torch.stack(rows), *ordered]


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("name", FAMILIAR)
def test_a_deep_layer_equals_its_cells_step_by_step(name: str, bidirectional: bool, residual: bool) -> None:
    torch.manual_seed(2)
    layer = Recurrent(name, 3, 4, 3, bidirectional=bidirectional, residual=residual).double()
    runs = len(layer.directed)
    x = torch.randn(3, 5, 3, dtype=torch.float64)
    state = {n: torch.randn(runs, 3, w, dtype=torch.float64) for n, w in layer.cell.widths().items()}
    outputs, final = layer(x, state, torch.tensor([5, 0, 2]))
    expected, *ends = composed(layer, x, state, [5, 0, 2])
    torch.testing.assert_close(outputs, expected, **TIGHT)
    for key, end in zip(layer.cell.state, ends, strict=True):
        torch.testing.assert_close(final[key], end, **TIGHT)


def test_a_state_left_out_is_zero() -> None:
    layer = Recurrent("lstm", 3, 4, 2, bidirectional=True)
    x = torch.randn(2, 5, 3)
    zeros = {"h": torch.zeros(4, 2, 4), "c": torch.zeros(4, 2, 4)}
    for got, expected in zip(layer(x), layer(x, zeros), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=0)


def test_the_residual_is_added_wherever_widths_agree() -> None:
    torch.manual_seed(0)
    # A cell that gives zeros: what comes out is what the residuals let through.
    x = torch.randn(2, 3, 4)

    def silent(input_size: int, bidirectional: bool) -> Recurrent:
        layer = Recurrent("rnn-relu", input_size, 4, 3, bidirectional=bidirectional, residual=True)
        for parameter in layer.parameters():
            torch.nn.init.zeros_(parameter)
        return layer

    assert torch.equal(silent(4, False)(x)[0], x)
    assert torch.equal(silent(3, False)(x[..., :3])[0], torch.zeros(2, 3, 4))
    assert torch.equal(silent(4, True)(x)[0], torch.zeros(2, 3, 8))
    wide = torch.randn(2, 3, 8)
    assert torch.equal(silent(8, True)(wide)[0], wide)


def test_the_residual_adds_real_steps_only() -> None:
    layer = Recurrent("rnn-relu", 4, 4, 2, residual=True)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(2, 3, 4)
    spoilt = x.clone()
    spoilt[0, 1:] = torch.nan
    spoilt.requires_grad_()
    outputs, _ = layer(spoilt, lengths=torch.tensor([1, 3]))
    expected = x.clone()
    expected[0, 1:] = 0.0
    assert torch.equal(outputs, expected)
    outputs.sum().backward()
    assert spoilt.grad is not None
    assert spoilt.grad[0].tolist() == [[1.0] * 4, [0.0] * 4, [0.0] * 4]


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm-projected"])
def test_a_backward_direction_reads_from_the_last_real_step(name: str) -> None:
    torch.manual_seed(1)
    layer = Recurrent(name, 3, 4, bidirectional=True)
    m = layer.cell.output_size
    x = torch.randn(1, 6, 3)
    padded, final = layer(x, lengths=torch.tensor([4]))
    # The first step sees the whole of the row, the last real step only itself.
    assert torch.equal(final[layer.cell.state[0]][1], padded[:, 0, m:])
    assert torch.equal(final[layer.cell.state[0]][0], padded[:, 3, :m])
    alone, _ = layer(x[:, 3:4])
    torch.testing.assert_close(padded[:, 3, m:], alone[:, 0, m:])
    whole, _ = layer(x)
    assert not torch.allclose(padded[:, 0, m:], whole[:, 0, m:])


def test_layers_and_directions_have_their_own_weights() -> None:
    layer = Recurrent("gru", 4, 4, 2, bidirectional=True)
    weights = [directed.values()["W_h"] for directed in layer.directed]
    assert [directed.reverse for directed in layer.directed] == [False, True, False, True]
    assert [directed.cell.input_size for directed in layer.directed] == [4, 4, 8, 8]
    assert len({weight.data_ptr() for weight in weights}) == 4
    assert not any(torch.equal(a, b) for j, a in enumerate(weights) for b in weights[:j])
