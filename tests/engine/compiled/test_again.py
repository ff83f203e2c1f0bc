"""Gradients of gradients, and many gradients at once: the reference's, whatever engine ran the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import throughtime
from familiar import FAMILIAR
from throughtime.cells import CELLS
from throughtime.engine import unroll
from throughtime.layers import Recurrent

LENGTHS = torch.tensor([4, 0, 2])
LIMITS = {"rtol": 1e-8, "atol": 1e-9}


def results(name: str, draw: Any, engine: str, ask: Callable[[Any, list[Tensor]], list[Tensor]]) -> list[Tensor]:
    """What ``ask`` finds of a ragged run turned round, and its leaves."""
    cell = CELLS[name](2, 3)
    leaves = {n: v.requires_grad_() for n, v in draw(cell, 3, 4).items()}
    names = list(leaves)

    def run(*values: Tensor) -> list[Tensor]:
        given = dict(zip(names, values, strict=True))
        state = {s: given.pop(f"initial {s}") for s in cell.state}
        x = given.pop("inputs")
        outputs, final = unroll(cell, given, x, state=state, lengths=LENGTHS, reverse=True, engine=engine)
        return [outputs, *final.values()]

    return ask(run, list(leaves.values()))


def second_and_third(run: Any, leaves: list[Tensor]) -> list[Tensor]:
    loss = sum(end.pow(3).sum() for end in run(*leaves))
    first = torch.autograd.grad(loss, leaves, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves, create_graph=True)
    third = torch.autograd.grad(sum(g.square().sum() for g in second), leaves)
    return [*first, *second, *third]


def many_at_once(run: Any, leaves: list[Tensor]) -> list[Tensor]:
    ends = run(*leaves)
    torch.manual_seed(5)
    many = [torch.randn(2, *end.shape, dtype=end.dtype) for end in ends]
    batched = torch.autograd.grad(ends, leaves, many, is_grads_batched=True, retain_graph=True)
    mapped = torch.func.vmap(lambda g: torch.autograd.grad(ends[0], leaves[0], g, retain_graph=True)[0])(many[0])
    return [*batched, mapped]


def of_functions(run: Any, leaves: list[Tensor]) -> list[Tensor]:
    def end(x: Tensor) -> Tensor:
        return run(x, *leaves[1:])[0].pow(2).sum((1, 2))

    f = torch.autograd.functional
    return [
        f.jacobian(end, leaves[0], vectorize=True),
        f.hessian(lambda x: end(x).sum(), leaves[0], vectorize=True),
        f.hvp(lambda x: end(x).sum(), leaves[0], torch.ones_like(leaves[0]))[1],
        f.jvp(end, leaves[0], torch.ones_like(leaves[0]))[1],
    ]


@pytest.mark.parametrize("ask", [second_and_third, many_at_once, of_functions])
@pytest.mark.parametrize("name", FAMILIAR)
def test_every_cell_s_are_the_reference_s(name: str, ask: Any, draw: Any) -> None:
    expected = results(name, draw, "reference", ask)
    for got, right in zip(results(name, draw, "auto", ask), expected, strict=True):
        torch.testing.assert_close(got, right, **LIMITS)


def test_they_are_the_derivatives_that_differences_show(draw: Any) -> None:
    layer = Recurrent("gru-full", 2, 3, bidirectional=True).double()
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda v: layer(v, lengths=torch.tensor([3, 2]))[0], (x,))
    assert torch.autograd.gradcheck(lambda v: layer(v)[0], (x,), check_batched_grad=True)


def test_first_gradients_keep_their_bits(draw: Any) -> None:
    cell = CELLS["lstm"](3, 5)
    leaves = {n: v.requires_grad_() for n, v in draw(cell, 3, 3).items()}
    state = {s: leaves[f"initial {s}"] for s in cell.state}
    parameters = {n: leaves[n] for n in cell.parameters()}
    outputs, _ = unroll(cell, parameters, leaves["inputs"], state=state, engine="compiled")
    plain = torch.autograd.grad(outputs.sum(), list(leaves.values()), retain_graph=True)
    further = torch.autograd.grad(outputs.sum(), list(leaves.values()), create_graph=True)
    assert all(map(torch.equal, plain, further))


def test_zoneout_and_recurrent_dropout_keep_what_they_drew() -> None:
    for options in ({"zoneout": 0.4}, {"recurrent_dropout": 0.4}, {"weight_drop": 0.4}):
        found = []
        for engine in ("reference", "compiled"):
            torch.manual_seed(2)
            layer = Recurrent("lstm", 2, 3, engine=engine, **options).double()
            x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
            (first,) = torch.autograd.grad(layer(x)[0].pow(2).sum(), x, create_graph=True)
            first.pow(2).sum().backward()
            found.append([first, x.grad, *(p.grad for p in layer.parameters())])
        for got, right in zip(found[1], found[0], strict=True):
            torch.testing.assert_close(got, right, **LIMITS)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_an_accelerated_model_loses_none(kind: str) -> None:
    module = getattr(torch.nn, kind)(2, 3, num_layers=2, batch_first=True).double()
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)

    def run(_: Any, leaves: list[Tensor]) -> list[Tensor]:
        found = of_functions(lambda v, *rest: [module(v)[0]], leaves)
        (first,) = torch.autograd.grad(module(x)[0].pow(2).sum(), x, create_graph=True)
        return [*found, *torch.autograd.grad(first.pow(2).sum(), [x, *module.parameters()])]

    expected = run(None, [x])
    throughtime.accelerate(module)
    for got, right in zip(run(None, [x]), expected, strict=True):
        torch.testing.assert_close(got, right, **LIMITS)
