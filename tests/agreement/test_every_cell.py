"""What suites hold of the familiar cells, in many cases, holds of every other one: a hard case for each mechanism."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime.cells import CELLS, Cell, HeadedCell
from throughtime.engine import Noise, unroll
from throughtime.layers import Recurrent

OTHERS = [name for name in CELLS if name not in FAMILIAR]
LENGTHS = torch.tensor([3, 0, 5, 4])
BATCH, TIME = 4, 5


def noise(cell: Cell) -> Noise:
    source = torch.Generator().manual_seed(5)

    def drawn(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=source, dtype=torch.float64) < 0.6).double()

    recurrent = {n: p.features for n, p in cell.parameters().items() if p.role == "recurrent"}
    first, *others = cell.widths().items()
    return Noise(
        {n: drawn(BATCH, features) * 2 for n, features in recurrent.items()},
        {first[0]: drawn(BATCH, TIME, first[1]), **{name: 0.3 for name, _ in others}},
    )


@pytest.mark.parametrize("name", OTHERS)
def test_its_program_agrees_on_ragged_rows_turned_round_under_noise(
    name: str, draw: Any, run: Any, interpreted: Any, same: Any
) -> None:
    cell = CELLS[name](2, 3)
    values = draw(cell, BATCH, TIME)
    options = {"lengths": LENGTHS, "reverse": True}
    noisy = {**options, "noise": noise(cell)}
    same(interpreted(cell, values, **noisy), run(cell, values, "reference", **noisy), rtol=1e-11, atol=1e-11)
    same(run(cell, values, "compiled", **options), run(cell, values, "reference", **options), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", OTHERS)
def test_an_input_as_wide_as_the_cell_and_rows_alone(name: str, draw: Any, run: Any, same: Any) -> None:
    cell = CELLS[name](19, 19)
    values = draw(cell, BATCH, TIME)
    got, expected = (run(cell, values, e, lengths=LENGTHS) for e in ("compiled", "reference"))
    same(got, expected, rtol=1e-8, atol=1e-10)
    alone = {n: v[2:3] if n == "inputs" or n.startswith("initial") else v for n, v in values.items()}
    assert torch.equal(run(cell, alone, "compiled")["outputs"][0], got["outputs"][2])
    single = run(cell, {n: v.float() for n, v in values.items()}, "reference", lengths=LENGTHS)
    same({n: v.double() for n, v in single.items()}, expected, rtol=1e-2, atol=1e-3)


def initial(cell: Cell, values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: values[f"initial {n}"] for n in cell.state}


@pytest.mark.parametrize("name", OTHERS)
def test_gradients_of_gradients(name: str, draw: Any) -> None:
    cell = CELLS[name](2, 2)
    found = []
    for engine in ("auto", "reference"):
        leaves = {n: v.requires_grad_() for n, v in draw(cell, 2, 2).items()}
        outputs, final = unroll(
            cell,
            {n: leaves[n] for n in cell.parameters()},
            leaves["inputs"],
            state=initial(cell, leaves),
            lengths=torch.tensor([2, 1]),
            engine=engine,
        )
        loss = outputs.pow(3).sum() + sum(value.square().sum() for value in final.values())
        options = {"allow_unused": True, "materialize_grads": True}
        first = torch.autograd.grad(loss, list(leaves.values()), create_graph=True, **options)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), list(leaves.values()), **options)
        found.append([*first, *second])
    for got, right in zip(*found, strict=True):
        torch.testing.assert_close(got, right, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", OTHERS)
def test_a_stack_streams_is_copied_and_trains_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    layer, x = Recurrent(name, 3, 4, 2, engine="reference").double(), torch.randn(2, 6, 3).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    whole, final = layer(x)
    whole.square().sum().backward()  # type: ignore[no-untyped-call]
    assert {n for n, p in layer.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0} == set()
    first, carried = layer(x[:, :2])
    torch.testing.assert_close(torch.cat([first, layer(x[:, 2:], carried)[0]], 1), whole)
    copied = pickle.loads(pickle.dumps(layer)).eval()
    copied.engine = "auto"
    stream = copied.stream(2)
    torch.testing.assert_close(torch.stack([stream.step(x[:, t]) for t in range(6)], 1), whole.detach())
    for state, value in stream.state.items():
        torch.testing.assert_close(value, final[state].detach())


@pytest.mark.parametrize("name", OTHERS)
def test_a_fresh_stack_neither_dies_nor_explodes(name: str) -> None:
    """Over 200 steps of white input, two layers deep, outputs stay of a size and change with the input."""
    torch.manual_seed(0)
    layer = Recurrent(name, 8, 16, 2, engine="reference")
    with torch.no_grad():
        outputs, _ = layer(torch.randn(4, 200, 8))
    assert 1e-3 < float(outputs[:, -20:].std()) < 10


HEADED = [name for name in OTHERS if isinstance(CELLS[name](2, 2), HeadedCell)]


@pytest.mark.parametrize("name", HEADED)
def test_heads_are_blocks_on_the_diagonal(name: str, draw: Any, run: Any, interpreted: Any, same: Any) -> None:
    cell = CELLS[name](2, 4, heads=2)
    headed = {n: p for n, p in cell.parameters().items() if p.heads > 1}
    assert set(headed) == {n for n, p in cell.parameters().items() if p.role == "recurrent"}
    values = draw(cell, 3, 4)
    whole = {
        n: torch.cat([torch.block_diag(*gate.chunk(2)) for gate in values[n].chunk(p.gates)]) for n, p in headed.items()
    }
    plain = dataclasses.replace(cell, heads=1)  # type: ignore[call-arg]
    expected, got = run(plain, values | whole, "reference"), run(cell, values, "reference")
    shared = [n for n in expected if n.removeprefix("gradient of ") not in headed]
    same({n: got[n] for n in shared}, {n: expected[n] for n in shared}, rtol=1e-9, atol=1e-11)
    same(interpreted(cell, values), got, rtol=1e-9, atol=1e-11)
