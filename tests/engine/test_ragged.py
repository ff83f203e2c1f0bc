"""A ragged batch equals its sequences run one by one: outputs, final states and every gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from familiar import FAMILIAR
from throughtime.cells import CELLS, Cell
from throughtime.engine import ENGINES, unroll, zero_state
from throughtime.engine.call import Call

EXAMPLES = settings(deadline=None, derandomize=True, max_examples=12)
TIGHT = {"rtol": 1e-9, "atol": 1e-10}


@dataclass
class Batch:
    """Leaves of one computation, and the weights that make a number of its results."""

    cell: Cell
    parameters: dict[str, Tensor]
    inputs: Tensor
    state: dict[str, Tensor]
    lengths: Tensor
    reverse: bool
    weigh_outputs: Tensor
    weigh_final: dict[str, Tensor]

    def leaves(self) -> dict[str, Tensor]:
        return {"inputs": self.inputs, **{f"s.{n}": v for n, v in self.state.items()}, **self.parameters}

    def fresh(self) -> Batch:
        """The same values as new leaves."""
        return replace(
            self,
            parameters={n: v.detach().clone().requires_grad_() for n, v in self.parameters.items()},
            inputs=self.inputs.detach().clone().requires_grad_(),
            state={n: v.detach().clone().requires_grad_() for n, v in self.state.items()},
        )


@st.composite
def batches(draw: st.DrawFn, name: str) -> Batch:
    batch, time = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    cell = CELLS[name](draw(st.integers(1, 3)), draw(st.integers(2, 4)))
    lengths = torch.tensor(draw(st.lists(st.integers(0, time), min_size=batch, max_size=batch)))
    source = torch.Generator().manual_seed(draw(st.integers(0, 999)))

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=source, dtype=torch.float64)

    widths = cell.widths()
    return Batch(
        cell,
        {n: random(*p.shape) for n, p in cell.parameters().items()},
        random(batch, time, cell.input_size),
        {n: random(batch, width) for n, width in widths.items()},
        lengths,
        draw(st.booleans()),
        random(batch, time, cell.output_size),
        {n: random(batch, width) for n, width in widths.items()},
    ).fresh()


def run(batch: Batch, lengths: Tensor | None, engine: str) -> dict[str, Tensor]:
    """Outputs and final states, and, by the name of each leaf, the gradient of their weighted sum."""
    outputs, final = unroll(
        batch.cell,
        batch.parameters,
        batch.inputs,
        state=batch.state,
        lengths=lengths,
        reverse=batch.reverse,
        engine=engine,
    )
    loss = (outputs * batch.weigh_outputs).sum() + sum((final[n] * w).sum() for n, w in batch.weigh_final.items())
    gradients = torch.autograd.grad(loss, list(batch.leaves().values()), allow_unused=True, materialize_grads=True)
    named = dict(zip((f"d/d {n}" for n in batch.leaves()), gradients, strict=True))
    return {"outputs": outputs, **{f"final {n}": v for n, v in final.items()}, **named}


def one_by_one(batch: Batch) -> dict[str, Tensor]:
    """The same, from each row alone, unpadded, by the plain loop."""
    outputs = torch.zeros_like(batch.weigh_outputs)
    final: dict[str, list[Tensor]] = {name: [] for name in batch.state}
    loss = torch.zeros((), dtype=torch.float64)
    for b, length in enumerate(batch.lengths.tolist()):
        own, last = unroll(
            batch.cell,
            batch.parameters,
            batch.inputs[b : b + 1, :length],
            state={n: v[b : b + 1] for n, v in batch.state.items()},
            reverse=batch.reverse,
            engine="reference",
        )
        outputs[b, :length] = own.detach()[0]
        loss = loss + (own[0] * batch.weigh_outputs[b, :length]).sum()
        for name, value in last.items():
            final[name].append(value)
            loss = loss + (value[0] * batch.weigh_final[name][b]).sum()
            if length == 0:
                assert torch.equal(value, batch.state[name][b : b + 1])
    gradients = torch.autograd.grad(loss, list(batch.leaves().values()), allow_unused=True, materialize_grads=True)
    named = dict(zip((f"d/d {n}" for n in batch.leaves()), gradients, strict=True))
    return {"outputs": outputs, **{f"final {n}": torch.cat(v) for n, v in final.items()}, **named}


def assert_same(got: dict[str, Tensor], expected: dict[str, Tensor], rtol: float = 0.0, atol: float = 0.0) -> None:
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value, rtol=rtol, atol=atol, msg=lambda m, key=key: f"{key}: {m}")


def serving(name: str) -> list[str]:
    """The engines that serve a cell."""
    cell = CELLS[name](2, 3)
    x = torch.zeros(1, 1, 2)
    call = Call(cell, {n: torch.zeros(p.shape) for n, p in cell.parameters().items()}, x, zero_state(cell, x))
    return [engine.name for engine in ENGINES if engine.refuses(call) is None]


CASES = [(name, engine) for name in FAMILIAR for engine in serving(name)]


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_a_ragged_batch_equals_its_rows_one_by_one(name: str, engine: str) -> None:
    @EXAMPLES
    @given(batches(name))
    def check(batch: Batch) -> None:
        assert_same(run(batch, batch.lengths, engine), one_by_one(batch), **TIGHT)

    check()


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_padding_is_never_read_and_gets_no_gradient(name: str, engine: str) -> None:
    @EXAMPLES
    @given(batches(name))
    def check(batch: Batch) -> None:
        clean = run(batch, batch.lengths, engine)
        padding = torch.arange(batch.inputs.shape[1]) >= batch.lengths.unsqueeze(1)
        spoilt = batch.fresh()
        with torch.no_grad():
            spoilt.inputs[padding] = torch.nan
        got = run(spoilt, batch.lengths, engine)
        assert_same(got, clean)
        assert torch.equal(got["outputs"][padding], torch.zeros(int(padding.sum()), batch.cell.output_size).double())
        zeros = torch.zeros(int(padding.sum()), batch.cell.input_size).double()
        assert torch.equal(got["d/d inputs"][padding], zeros)

    check()


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_without_lengths_every_row_is_whole(name: str, engine: str) -> None:
    @EXAMPLES
    @given(batches(name))
    def check(batch: Batch) -> None:
        whole = torch.full_like(batch.lengths, batch.inputs.shape[1])
        assert_same(run(batch, None, engine), run(batch, whole, engine))

    check()


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_reverse_is_the_flipped_sequence(name: str, engine: str) -> None:
    @EXAMPLES
    @given(batches(name))
    def check(batch: Batch) -> None:
        flipped = replace(
            batch.fresh(),
            inputs=batch.inputs.detach().flip(1).requires_grad_(),
            weigh_outputs=batch.weigh_outputs.flip(1),
            reverse=not batch.reverse,
        )
        got, expected = run(flipped, None, engine), run(batch, None, engine)
        got["outputs"], got["d/d inputs"] = got["outputs"].flip(1), got["d/d inputs"].flip(1)
        assert_same(got, expected, **TIGHT)

    check()
