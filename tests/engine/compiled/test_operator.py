"""The loop as an operator of PyTorch's, a node of a graph: the engine's bits, whatever is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from throughtime.cells import CELLS, Cell
from throughtime.engine import Noise, unroll
from throughtime.engine.compiled import CompiledEngine, operator
from throughtime.engine.compiled.loop import Job

BATCH, TIME = 3, 5


def noise(cell: Cell, drawn: bool) -> Noise:
    draw = torch.Generator().manual_seed(3)
    keep = {n: (torch.rand(BATCH, TIME, w, generator=draw) < 0.3).double() for n, w in cell.widths().items()}
    declared = cell.parameters().items()
    products = {n: torch.rand(BATCH, p.features, generator=draw).double() for n, p in declared if p.role == "recurrent"}
    return Noise(products, keep) if drawn else Noise(keep=dict.fromkeys(cell.state, 0.3))


MARKS = {
    "lengths": torch.tensor([4, 0, 5]),
    "resets": torch.tensor([[0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 1]]).bool(),
    "mask": torch.tensor([[1, 0, 1, 1, 1], [1, 1, 1, 1, 0], [0, 1, 1, 0, 1]]).bool(),
}
CALLS: dict[str, Callable[[Cell], dict[str, Any]]] = {
    "whole": lambda _: {},
    "turned": lambda _: {"reverse": True, "recompute": True},
    "ragged": lambda cell: {"lengths": MARKS["lengths"], "reverse": True, "noise": noise(cell, drawn=True)},
    "cut": lambda cell: {**MARKS, "resets_to": "zero", "noise": noise(cell, drawn=False)},
    "empty": lambda _: {"lengths": torch.zeros(BATCH, dtype=torch.int64)},
    "unmarked": lambda _: {
        "lengths": torch.full((BATCH,), TIME), "resets": MARKS["resets"] & False, "mask": MARKS["mask"] | True,
        "resets_to": "initial",
    },
}  # fmt: skip


@pytest.fixture
def as_node(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the compiled engine run calls by the operator from then on."""
    return lambda: monkeypatch.setattr(CompiledEngine, "run", lambda _, call: operator.run(call))


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("name", ["lstm-projected", "gru-full", "lstm-layernorm"])
def test_a_node_gives_the_engine_s_bits(name: str, kind: str, as_node: Any, draw: Any, run: Any, same: Any) -> None:
    cell = CELLS[name](2, 3)
    values, options = draw(cell, BATCH, TIME), CALLS[kind](cell)
    expected = run(cell, values, "compiled", **options)
    as_node()
    same(run(cell, values, "compiled", **options), expected)


def arguments(name: str, draw: Any) -> tuple[Any, ...]:
    """What a node of a ragged call is given, in the order of its schema."""
    cell = CELLS[name](2, 3)
    values = {n: value.requires_grad_() for n, value in draw(cell, BATCH, TIME).items()}
    names = ["inputs", *(f"initial {n}" for n in cell.state), *cell.parameters()]
    form = tuple(cell.parameters()), (), (), ()
    said = operator._write(*operator._told(cell), form, torch.float64, True, False, False, False)
    return [values[n] for n in names], MARKS["lengths"], MARKS["resets"], None, said


def test_its_sizes_and_strides_are_promised_right(draw: Any) -> None:
    tensors, lengths, resets, mask, said = arguments("lstm", draw)
    for given in ((tensors, lengths, resets, mask, said), (tensors, None, None, None, said)):
        torch.library.opcheck(torch.ops.throughtime.loop, given, test_utils=("test_schema", "test_faketensor"))
        *results, token = torch.ops.throughtime.loop(*given)
        incoming = [torch.ones_like(results[0]), None, *results[2:]]
        needed = [place != 2 for place in range(len(tensors))]
        back = (*given[:-1], token, [value if value is None else value.detach() for value in incoming], needed, said)
        torch.library.opcheck(torch.ops.throughtime.loop_backward, back, test_utils=("test_schema", "test_faketensor"))


@pytest.fixture
def forward_runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows with every run of a forward loop."""
    runs: list[Any] = []
    forward = Job.forward
    monkeypatch.setattr(Job, "forward", lambda self, *given: runs.append(self) or forward(self, *given))
    return runs


def test_what_is_kept_of_a_run_is_used_once_and_then_made_again(forward_runs: list[Any], draw: Any) -> None:
    given = arguments("gru-full", draw)
    tensors = given[0]
    outputs = torch.ops.throughtime.loop(*given)[0]
    found = [torch.autograd.grad(outputs.square().sum(), tensors, retain_graph=True) for _ in range(3)]
    assert len(forward_runs) == 1 + 2
    for others in found[1:]:
        assert all(map(torch.equal, found[0], others))


def test_a_token_that_comes_back_as_a_copy_costs_time_alone(forward_runs: list[Any], draw: Any) -> None:
    given = arguments("lstm", draw)
    tensors = given[0]
    found = []
    for pack in (lambda value: value, lambda value: value.clone()):
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            outputs = torch.ops.throughtime.loop(*given)[0]
        found.append(torch.autograd.grad(outputs.square().sum(), tensors))
    assert len(forward_runs) == 3
    assert all(map(torch.equal, *found))


def test_nothing_is_kept_where_nobody_differentiates(draw: Any, as_node: Any, monkeypatch: Any) -> None:
    held: list[Any] = []
    monkeypatch.setattr(operator, "_hold", lambda *kept: held.append(kept))
    cell = CELLS["lstm"](2, 3)
    values = draw(cell, BATCH, TIME)
    as_node()
    for grad, expected in ((False, 0), (True, 1)):
        unroll(cell, {n: values[n].requires_grad_(grad) for n in cell.parameters()}, values["inputs"])
        assert len(held) == expected


def test_its_gradients_are_differentiated_and_batched_as_the_engine_s_are(draw: Any, as_node: Any) -> None:
    cell = CELLS["gru"](2, 3)
    values = draw(cell, 2, 3)
    parameters = {n: values[n] for n in cell.parameters()}
    as_node()

    def run(x: Tensor) -> Tensor:
        return unroll(cell, parameters, x, lengths=torch.tensor([3, 2]))[0]

    x = values["inputs"].requires_grad_()
    assert torch.autograd.gradcheck(run, (x,), check_batched_grad=True)
    assert torch.autograd.gradgradcheck(run, (x,))


def test_lengths_out_of_range_are_refused_when_it_runs(draw: Any) -> None:
    tensors, _, _, _, said = arguments("gru", draw)
    with pytest.raises(ValueError, match="expected lengths from 0 to 5, got 1 to 6"):
        torch.ops.throughtime.loop(tensors, torch.tensor([1, 6, 2]), None, None, said)


def test_cells_of_one_name_are_told_apart(make: Any, draw: Any, run: Any, same: Any, as_node: Any) -> None:
    cells = [make({}, lambda x, s, p, factor=factor: {"h": factor * s.h + x}, {"h": 2}) for factor in (0.5, 2.0)]
    expected = [run(cell, draw(cell, 2, 3), "compiled") for cell in cells]
    as_node()
    for cell, right in zip(cells, expected, strict=True):
        same(run(cell, draw(cell, 2, 3), "compiled"), right)
