"""Where there is nothing to do, every engine gives what the reference does, to the last flag: outputs that depend on
nothing, and a final state that is the initial one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import throughtime
from familiar import FAMILIAR
from throughtime.cells import CELLS, Cell
from throughtime.engine import ENGINES, Noise, open_stream, unroll, zero_state
from throughtime.engine.call import Call

NOTHING: list[tuple[int, int, list[int] | None]] = [
    (2, 0, None),
    (2, 0, [0, 0]),
    (2, 3, [0, 0]),
    (0, 3, None),
    (0, 3, []),
    (0, 0, None),
]
WANTED = [*product((False, True), repeat=3)]
"""Whether inputs, initial states and parameters require a gradient."""


def cases() -> Iterator[Any]:
    """Every cell with every engine that serves it."""
    for name in FAMILIAR:
        cell = CELLS[name](2, 3)
        x = torch.zeros(1, 1, 2)
        call = Call(cell, {n: torch.zeros(p.shape) for n, p in cell.parameters().items()}, x, zero_state(cell, x))
        for engine in ENGINES[:-1]:
            if engine.refuses(call) is None:
                yield pytest.param(cell, engine.name, id=f"{name}-{engine.name}")


def facts(values: dict[str, Tensor], leaves: dict[str, Tensor]) -> dict[str, Any]:
    """What can be told apart: type, shape, numbers, whether a gradient flows, and the gradients."""
    for leaf in leaves.values():
        leaf.grad = None
    flowing = [value.sum() for value in values.values() if value.requires_grad]
    if flowing:
        torch.stack(flowing).sum().backward()
    return {
        **{n: (v.dtype, v.shape, v.tolist(), v.requires_grad, v.is_leaf) for n, v in values.items()},
        **{f"gradient {n}": None if v.grad is None else (v.grad.shape, v.grad.tolist()) for n, v in leaves.items()},
    }


def run(cell: Cell, engine: str, shape: tuple[int, int, list[int] | None], wanted: Any, **options: Any) -> Any:
    batch, time, lengths = shape
    draw = torch.Generator().manual_seed(3)

    def leaf(wants: bool, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64).requires_grad_(wants)

    inputs = leaf(wanted[0], batch, time, cell.input_size)
    state = {n: leaf(wanted[1], batch, width) for n, width in cell.widths().items()}
    parameters = {n: leaf(wanted[2], *p.shape) for n, p in cell.parameters().items()}
    given = None if lengths is None else torch.tensor(lengths, dtype=torch.int64)
    outputs, final = unroll(cell, parameters, inputs, state=state, lengths=given, engine=engine, **options)
    assert all(value is not state[n] for n, value in final.items()), "the caller's state may be written to"
    leaves = {"inputs": inputs, **{f"initial {n}": v for n, v in state.items()}, **parameters}
    return facts({"outputs": outputs, **{f"final {n}": v for n, v in final.items()}}, leaves)


@pytest.mark.parametrize("shape", NOTHING, ids=str)
@pytest.mark.parametrize(("cell", "engine"), [*cases()])
def test_every_engine_agrees_where_there_is_nothing_to_do(
    cell: Cell, engine: str, shape: tuple[int, int, list[int] | None]
) -> None:
    for wanted, graph in product(WANTED, (True, False)):
        with torch.set_grad_enabled(graph):
            got, expected = (run(cell, name, shape, wanted) for name in (engine, "reference"))
        assert got == expected, (wanted, graph)
    for options in ({"reverse": True}, {"recompute": True}):
        assert run(cell, engine, shape, (True,) * 3, **options) == run(cell, "reference", shape, (True,) * 3, **options)


@pytest.mark.parametrize("name", FAMILIAR)
def test_without_steps_outputs_depend_on_nothing_and_the_state_on_itself(name: str) -> None:
    cell = CELLS[name](2, 3)
    for engine, wanted in product(("auto", "reference"), WANTED):
        got = run(cell, engine, (2, 0, None), wanted)
        assert got["outputs"][3] is False
        for state in cell.state:
            assert got[f"final {state}"][3] is wanted[1]
            width = cell.widths()[state]
            expected = (torch.Size([2, width]), [[1.0] * width] * 2) if wanted[1] else None
            assert got[f"gradient initial {state}"] == expected
        assert all(got[f"gradient {n}"] is None for n in ("inputs", *cell.parameters()))


def test_noise_changes_nothing_where_there_are_no_steps() -> None:
    cell = CELLS["lstm"](2, 3)
    noise = Noise({"W_h": torch.ones(2, 3, dtype=torch.float64)}, {"h": torch.ones(2, 0, 3, dtype=torch.float64)})
    got, expected = (run(cell, e, (2, 0, None), (True,) * 3, noise=noise) for e in ("compiled", "reference"))
    assert got == expected


@pytest.mark.parametrize("shape", NOTHING, ids=str)
@pytest.mark.parametrize("kind", [throughtime.RNN, throughtime.GRU, throughtime.LSTM])
def test_layers_agree_where_there_is_nothing_to_do(kind: Any, shape: tuple[int, int, list[int] | None]) -> None:
    batch, time, lengths = shape
    found = []
    for engine in ("auto", *(engine.name for engine in ENGINES)):
        torch.manual_seed(0)
        layer = kind(2, 3, 2, bidirectional=True, batch_first=True, engine=engine)
        inputs = torch.zeros(batch, time, 2, requires_grad=True)
        given = None if lengths is None else torch.tensor(lengths, dtype=torch.int64)
        outputs, state = layer(inputs, lengths=given)
        values = {"outputs": outputs, **{f"state {i}": value for i, value in enumerate(flat(state))}}
        found.append(facts(values, {"inputs": inputs, **dict(layer.named_parameters())}))
    assert len(found[0]) > 10
    assert all(facts == found[0] for facts in found)


def flat(state: Any) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    else:
        for part in state.values() if isinstance(state, dict) else state:
            yield from flat(part)


@pytest.mark.parametrize("name", FAMILIAR)
def test_a_stream_without_a_step_holds_its_initial_state(name: str) -> None:
    cell = CELLS[name](2, 3)
    parameters = {n: torch.zeros(p.shape).requires_grad_() for n, p in cell.parameters().items()}
    for batch in (0, 2):
        held = [open_stream(cell, parameters, batch, {}, engine=engine).read() for engine in ("auto", "reference")]
        got, expected = ({n: (v.dtype, v.tolist(), v.requires_grad) for n, v in state.items()} for state in held)
        assert got == expected


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_an_accelerated_module_says_what_pytorch_says(kind: Any) -> None:
    """torch.nn refuses sequences without steps; a batch without rows passes."""
    told = []
    for ours in (False, True):
        torch.manual_seed(0)
        module = kind(2, 3)
        if ours:
            throughtime.accelerate(module)
        with pytest.raises(RuntimeError) as refused:
            module(torch.zeros(0, 2, 2))
        outputs, state = module(torch.zeros(3, 0, 2, requires_grad=True))
        parts = {"outputs": outputs, **{f"state {i}": value for i, value in enumerate(flat(state))}}
        told.append((str(refused.value), {n: (v.dtype, v.shape, v.requires_grad) for n, v in parts.items()}))
    assert told[0] == told[1]
