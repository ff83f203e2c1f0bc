"""States and gates of every step, all steps together: the compiled engine's are the reference's, gradients too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime import LSTM, EngineError, Recurrent
from throughtime.cells import CELLS, Cell
from throughtime.engine import Look, Noise, Record, unroll
from throughtime.layers import Directed

TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-11}, torch.float32: {"rtol": 2e-4, "atol": 2e-5}}
COMPILED = FAMILIAR
LENGTHS = torch.tensor([3, 5, 0, 4])


def by_hand(directed: Directed, x: Tensor) -> dict[str, Tensor]:
    """Every state and gate of one call, a look at each step."""
    look = Look()
    directed(x, None, None, "reference", False, look)
    return {name: look.values(name) for name in look.names}


@pytest.mark.parametrize("ragged", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, torch.float64) for name in FAMILIAR), ("lstm", torch.float32)], ids=str
)
def test_what_is_recorded_agrees_with_the_reference(
    name: str, ragged: bool, dtype: torch.dtype, draw: Any, run: Any, same: Any
) -> None:
    cell = CELLS[name](3, 5)
    values = draw(cell, 4, 5, dtype)
    drawn = torch.Generator().manual_seed(1)
    keep = {n: (torch.rand(4, 5, w, generator=drawn) < 0.3).to(dtype) for n, w in cell.widths().items()}
    options = {"lengths": LENGTHS if ragged else None, "reverse": ragged, "noise": Noise(keep=keep)}
    expected, got = (run(cell, values, engine, look=Record(), **options) for engine in ("reference", "auto"))
    same(got, expected, **TOLERANCE[dtype])
    plain = run(cell, values, "auto", **options)
    assert all(torch.equal(got[key], plain[key]) for key in plain if not key.startswith("gradient"))


@pytest.mark.parametrize("name", COMPILED)
def test_the_compiled_engine_records_every_name_of_the_step(name: str) -> None:
    directed, x = Directed(CELLS[name](2, 3)).requires_grad_(False), torch.randn(2, 4, 2)
    record = Record()
    directed(x, None, None, "compiled", False, record)
    assert record.whole.keys() == by_hand(directed, x).keys()


def test_a_gradient_through_one_gate_or_one_memory_alone(draw: Any) -> None:
    """Others receive none, and windows of recomputation change nothing."""
    cell = CELLS["lstm"](2, 3)
    values = draw(cell, 2, 40)
    for name in ("c", "f", "o"):
        found = []
        for engine, recompute in (("reference", False), ("compiled", False), ("compiled", True)):
            leaves = {n: values[n].clone().requires_grad_() for n in cell.parameters()}
            record = Record()
            unroll(cell, leaves, values["inputs"], look=record, engine=engine, recompute=recompute)
            loss = record.values(name)[:, 1::7].square().sum()
            found.append(torch.autograd.grad(loss, list(leaves.values())))
        torch.testing.assert_close(found[1:], [found[0]] * 2, **TOLERANCE[torch.float64])


def test_gradients_of_gradients_and_many_at_once_reach_what_is_recorded(draw: Any) -> None:
    cell, found = CELLS["lstm"](2, 3), []
    values = draw(cell, 3, 4)
    for engine in ("reference", "compiled"):
        leaves = {n: values[n].clone().requires_grad_() for n in cell.parameters()}
        record = Record()
        outputs, _ = unroll(cell, leaves, values["inputs"], look=record, engine=engine, lengths=torch.tensor([4, 0, 2]))
        ends, parameters = [outputs, record.values("c"), record.values("i")], list(leaves.values())
        loss = sum(end.pow(3).sum() for end in ends)
        first = torch.autograd.grad(loss, parameters, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), parameters, retain_graph=True)
        many = [torch.stack([end.detach(), end.detach().cos()]) for end in ends]
        batched = torch.autograd.grad(ends, parameters, many, is_grads_batched=True)
        found.append([*first, *second, *batched])
    torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-9)


def test_backward_twice_gives_the_same_and_leaves_what_was_recorded(draw: Any) -> None:
    cell = CELLS["gru"](2, 3)
    leaves = {n: v.requires_grad_() for n, v in draw(cell, 2, 4).items()}
    x = leaves.pop("inputs")
    del leaves["initial h"]
    record = Record()
    unroll(cell, leaves, x, look=record, engine="compiled")
    gates = {n: record.values(n).clone() for n in record.names}
    loss = sum(record.values(n).square().sum() for n in record.names)
    first, second = (torch.autograd.grad(loss, x, retain_graph=True) for _ in range(2))
    assert torch.equal(*first, *second)
    assert all(torch.equal(record.values(n), gate) for n, gate in gates.items())


def names_of(step: Callable[..., Any]) -> Cell:
    body = {"state": ("h",), "step": lambda self, x, s, p: step(x, s, p)}
    return type("Named", (type(CELLS["rnn"](1, 1)),), body)(2, 2)


def cases() -> Iterator[Any]:
    """Steps that show what no compiled loop makes: the reference shows it."""
    yield pytest.param(lambda x, s, p: {"h": torch.tanh(p.W_x @ x), "was": s.h}, id="state")
    yield pytest.param(lambda x, s, p: {"h": torch.tanh(p.W_x @ x), "x": torch.cat([x, s.h], -1)}, id="joined")


@pytest.mark.parametrize("step", list(cases()))
def test_what_the_compiled_engine_cannot_show_the_reference_does(step: Callable[..., Any], draw: Any) -> None:
    cell, record = names_of(step), Record()
    values = draw(cell, 2, 3)
    parameters = {n: values[n] for n in cell.parameters()}
    with pytest.raises(EngineError, match="no single value made by it"):
        unroll(cell, parameters, values["inputs"], look=Record(), engine="compiled")
    unroll(cell, parameters, values["inputs"], look=record)
    assert len(record.names) == 2
    assert unroll(cell, parameters, values["inputs"], engine="compiled")[0].shape == (2, 3, 2)


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_layers_give_the_states_and_gates_of_every_cell(engine: str) -> None:
    torch.manual_seed(0)
    layer = Recurrent("lstm-projected", 3, 4, 2, bidirectional=True, proj_size=2, engine=engine).double()
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    outputs, final, shown = layer(x, return_states=True)
    (below, _), _ = layer(x, return_layers=True)
    inputs = [x, x, below, below]
    assert [list(values) for values in shown] == [["h", "c", "i", "f", "g", "o"]] * 4
    for directed, above, values in zip(layer.directed, inputs, shown, strict=True):
        torch.testing.assert_close(values, by_hand(directed, above), **TOLERANCE[torch.float64])
    assert torch.equal(outputs, torch.cat([values["h"] for values in shown[2:]], 2))
    assert torch.equal(final["c"][2], shown[2]["c"][:, -1])
    assert torch.equal(final["c"][3], shown[3]["c"][:, 0])


def test_layers_like_torchs_and_more_batch_dimensions_give_them_shaped_as_the_input() -> None:
    torch.manual_seed(0)
    layer = LSTM(3, 4, 2).double()
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    _, (_, c), shown = layer(x, return_states=True)
    assert torch.equal(shown[1]["c"][-1], c[1])
    alone = layer(x[:, 0], return_states=True)[2]
    torch.testing.assert_close(alone[1]["f"], shown[1]["f"][:, 0])
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([3, 5]), enforce_sorted=False)
    outputs, _, kept = layer(packed, return_states=True)
    assert torch.equal(kept[1]["h"].data, outputs.data)
    assert kept[0]["c"].data.shape == (8, 4)
    layer.batch_first = True
    _, _, wide = layer(x.transpose(0, 1).reshape(1, 2, 5, 3), return_states=True)
    torch.testing.assert_close(wide[1]["c"][0].transpose(0, 1), shown[1]["c"])


@pytest.mark.parametrize(("shape", "lengths"), [((2, 0, 3), None), ((2, 3, 3), [0, 0]), ((0, 3, 3), None)], ids=str)
@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_without_a_step_they_are_zeros(engine: str, shape: tuple[int, ...], lengths: list[int] | None) -> None:
    layer = Recurrent("lstm-projected", 3, 4, proj_size=2, engine=engine)
    _, _, (shown,) = layer(torch.zeros(shape), lengths=lengths, return_states=True)
    widths = {"h": 2, "c": 4, "i": 4, "f": 4, "g": 4, "o": 4}
    assert {name: value.shape for name, value in shown.items()} == {n: (*shape[:2], w) for n, w in widths.items()}
    assert not any(value.any() for value in shown.values())


def test_pytorchs_kernels_show_nothing() -> None:
    with pytest.raises(EngineError, match="PyTorch's kernels do not show their steps"):
        LSTM(3, 4, engine="torch")(torch.zeros(2, 1, 3), return_states=True)
