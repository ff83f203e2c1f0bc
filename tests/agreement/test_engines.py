"""Every engine against the reference: outputs, final states and every gradient, at real sizes and in both dtypes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime.cells import CELLS, Cell
from throughtime.engine import ENGINES, Engine, Noise
from throughtime.engine.call import Call
from throughtime.engine.reference import ReferenceEngine

TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-11}, torch.float32: {"rtol": 2e-4, "atol": 2e-5}}
OTHERS = [engine for engine in ENGINES if engine.name != "reference"]


def make_call(cell: Cell, dtype: torch.dtype, reverse: bool, ragged: bool) -> Call:
    batch, time = 6, 12
    draw = torch.Generator().manual_seed(4)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=dtype)

    return Call(
        cell,
        # Near the size of trained weights: larger ones make a chaotic loop, which no two orders of sums agree on.
        {n: random(*p.shape) / cell.hidden_size**0.5 for n, p in cell.parameters().items()},
        random(batch, time, cell.input_size),
        {n: random(batch, width) for n, width in cell.widths().items()},
        torch.tensor([7, 12, 0, 12, 1, 9]) if ragged else None,
        reverse,
    )


def make_noise(call: Call) -> Noise:
    draw = torch.Generator().manual_seed(5)
    batch, time = call.inputs.shape[:2]
    declared = call.cell.parameters().items()
    return Noise(
        products={
            n: (torch.rand(batch, p.shape[1], generator=draw) < 0.8).to(call.inputs) / 0.8
            for n, p in declared
            if p.role == "recurrent"
        },
        keep={
            n: (torch.rand(batch, time, width, generator=draw) < 0.2).to(call.inputs)
            for n, width in call.cell.widths().items()
        },
    )


def make_marks(call: Call) -> dict[str, Any]:
    """Resets and steps left out, for the arguments of :class:`Call`."""
    draw = torch.Generator().manual_seed(7)
    shape = call.inputs.shape[:2]
    resets, mask = (torch.rand(shape, generator=draw) < share for share in (0.25, 0.7))
    return {"resets": resets, "mask": mask, "to_zero": call.reverse}


def run(engine: Engine, call: Call) -> dict[str, Tensor]:
    leaves = {"inputs": call.inputs, **{f"initial {n}": v for n, v in call.state.items()}, **call.parameters}
    leaves = {n: v.clone().requires_grad_() for n, v in leaves.items()}
    own = replace(
        call,
        inputs=leaves["inputs"],
        state={n: leaves[f"initial {n}"] for n in call.state},
        parameters={n: leaves[n] for n in call.parameters},
    )
    outputs, final = engine.run(own)
    draw = torch.Generator().manual_seed(6)
    values = {"outputs": outputs, **{f"final {n}": final[n] for n in call.cell.state}}
    loss = torch.zeros((), dtype=call.inputs.dtype)
    for value in values.values():
        loss = loss + (value * torch.randn(value.shape, generator=draw, dtype=value.dtype)).sum()
    loss.backward()
    gradients = {f"gradient {n}": v.grad for n, v in leaves.items() if v.grad is not None}
    assert len(gradients) == len(leaves)
    return {**values, **gradients}


def cases() -> Iterator[Any]:
    """Each cell with each engine that serves it, without noise inside the loop and with it."""
    for name in FAMILIAR:
        plain = make_call(CELLS[name](2, 3), torch.float32, reverse=False, ragged=False)
        for noise, call in (("plain", plain), ("noisy", replace(plain, noise=make_noise(plain)))):
            for engine in OTHERS:
                if engine.refuses(call) is None:
                    yield pytest.param(name, engine, noise == "noisy", id=f"{name}-{engine.name}-{noise}")


@pytest.mark.parametrize("rows", ["whole", "ragged", "cut"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
@pytest.mark.parametrize(("name", "engine", "noisy"), list(cases()))
def test_engines_agree_with_the_reference(
    name: str, engine: Engine, noisy: bool, dtype: torch.dtype, reverse: bool, rows: str
) -> None:
    call = make_call(CELLS[name](9, 16), dtype, reverse, rows != "whole")
    call = replace(call, **make_marks(call)) if rows == "cut" else call
    call = replace(call, noise=make_noise(call)) if noisy else call
    expected, got = run(ReferenceEngine(), call), run(engine, call)
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value, **TOLERANCE[dtype], msg=lambda m, key=key: f"{key}: {m}")


def test_pytorchs_engine_serves_the_cells_it_has_kernels_for() -> None:
    (torch_engine,) = (engine for engine in ENGINES if engine.name == "torch")
    calls = {name: make_call(factory(3, 4), torch.float32, False, False) for name, factory in CELLS.items()}
    served = {name for name, call in calls.items() if torch_engine.refuses(call) is None}
    assert served == {"rnn", "rnn-relu", "gru", "lstm"}
    noisy = (replace(call, noise=make_noise(call)) for call in calls.values())
    assert all(torch_engine.refuses(call) is not None for call in noisy)
