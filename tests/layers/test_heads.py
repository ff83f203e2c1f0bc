"""Layers of cells with heads under resets and masks, their states shown: as with whole matrices."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from engine.compiled.test_heads import on_blocks, whole
from throughtime.layers import Recurrent

B, T, K, N, HEADS = 3, 6, 4, 6, 3
TIGHT = {"rtol": 1e-9, "atol": 1e-11}
MARKS: dict[str, Tensor] = {
    "resets": torch.tensor([[0, 0, 1, 0, 0, 1], [1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0]]).bool(),
    "mask": torch.tensor([[1, 0, 1, 1, 1, 0], [1, 1, 1, 1, 0, 1], [0, 1, 1, 0, 1, 1]]).bool(),
    "lengths": torch.tensor([6, 0, 5]),
}
NAMES = ["rnn", "gru-full", "lstm-projected", "lstm-layernorm"]


def found(layer: Recurrent, **options: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs, final and shown states of a layer, and the gradients of parameters and inputs."""
    torch.manual_seed(2)
    x = torch.randn(B, T, K, dtype=torch.float64, requires_grad=True)
    state = {n: torch.randn(len(layer.directed), B, w, dtype=torch.float64) for n, w in layer.cell.widths().items()}
    outputs, final, *shown = layer(x, state, **options)
    results = [outputs, *final.values(), *(value for each in shown for steps in each for value in steps.values())]
    loss = torch.stack([(value * torch.randn_like(value)).sum() for value in results]).sum()
    return results, list(torch.autograd.grad(loss, [x, *layer.parameters()]))


@pytest.mark.parametrize("marks", [("resets",), ("resets", "mask", "lengths")], ids="-".join)
@pytest.mark.parametrize("name", NAMES)
def test_heads_know_resets_and_masks_and_show_their_states(name: str, marks: tuple[str, ...]) -> None:
    torch.manual_seed(1)
    layer, plain = (
        Recurrent(name, K, N, 2, bidirectional=True, heads=heads, engine=engine, dtype=torch.float64)
        for heads, engine in ((HEADS, "auto"), (1, "reference"))
    )
    declared = [parameter for directed in layer.directed for parameter in directed.declared.values()]
    with torch.no_grad():
        for value, given, parameter in zip(plain.parameters(), layer.parameters(), declared, strict=True):
            value.copy_(whole(given, parameter) if parameter.heads > 1 else given)
    options = {n: MARKS[n] for n in marks} | {"resets_to": "zero", "return_states": True}
    (results, (into, *gradients)), (right, (expected, *others)) = found(layer, **options), found(plain, **options)
    torch.testing.assert_close([*results, into], [*right, expected], **TIGHT)
    for got, gradient, parameter in zip(gradients, others, declared, strict=True):
        expected = on_blocks(gradient, parameter) if parameter.heads > 1 else gradient
        torch.testing.assert_close(got, expected, **TIGHT)


def test_the_names_of_their_states_and_gates_are_the_cell_s() -> None:
    layer = Recurrent("lstm", K, N, heads=HEADS)
    outputs, final, (shown,) = layer(torch.randn(B, T, K), lengths=MARKS["lengths"], return_states=True)
    assert list(shown) == ["h", "c", "i", "f", "g", "o"]
    assert torch.equal(shown["h"], outputs)
    assert torch.equal(shown["c"][0, -1], final["c"][0, 0])
    assert not shown["o"][1].any()
