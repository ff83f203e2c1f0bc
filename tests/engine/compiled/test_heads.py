"""Matrices of blocks on the diagonal: the same cell with whole matrices that are zero beside them is the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import throughtime
from familiar import FAMILIAR
from throughtime.cells import CELLS, Cell, LSTMCell, Parameter, recurrent_matrix
from throughtime.engine import EngineError, Noise, unroll
from throughtime.layers import Recurrent
from throughtime.program import CannotTrace, trace

TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-11}, torch.float32: {"rtol": 2e-4, "atol": 2e-5}}


def whole(value: Tensor, declared: Parameter) -> Tensor:
    """The matrix that blocks stand for."""
    gates = value.chunk(declared.gates)
    return torch.cat([torch.block_diag(*gate.chunk(declared.heads)) for gate in gates])


def on_blocks(value: Tensor, declared: Parameter) -> Tensor:
    """What of such a matrix is stored."""
    parts = []
    for gate in value.chunk(declared.gates):
        for head, rows in enumerate(gate.chunk(declared.heads)):
            parts.append(rows.chunk(declared.heads, 1)[head])
    return torch.cat(parts)


def truth(cell: Cell, values: dict[str, Tensor], run: Callable[..., Any], **options: Any) -> dict[str, Tensor]:
    """Results and gradients of the same cell with whole matrices, on the reference engine."""
    headed = {name: p for name, p in cell.parameters().items() if p.heads > 1}
    plain = dataclasses.replace(cell, heads=1)  # type: ignore[call-arg]
    given = values | {name: whole(values[name], p) for name, p in headed.items()}
    found: dict[str, Tensor] = run(plain, given, "reference", **options)
    for name, p in headed.items():
        found[f"gradient of {name}"] = on_blocks(found[f"gradient of {name}"], p)
    return found


def noise(cell: Cell, batch: int, time: int, dtype: torch.dtype) -> Noise:
    source = torch.Generator().manual_seed(5)

    def drawn(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=source, dtype=torch.float64) < 0.6).to(dtype)

    recurrent = {n: p for n, p in cell.parameters().items() if p.role == "recurrent"}
    return Noise(
        {n: drawn(batch, p.features) * 2 for n, p in recurrent.items()},
        {n: drawn(batch, time, width) for n, width in cell.widths().items()},
    )


@pytest.mark.parametrize("noisy", [False, True], ids=["plain", "noisy"])
@pytest.mark.parametrize(("lengths", "reverse"), [(None, False), ((3, 0, 5, 3), False), ((3, 0, 5, 3), True)])
@pytest.mark.parametrize("name", FAMILIAR)
def test_heads_are_a_whole_matrix_that_is_zero_beside_them(
    name: str, lengths: Any, reverse: bool, noisy: bool, draw: Any, run: Any, interpreted: Any, same: Any
) -> None:
    cell = CELLS[name](2, 12, heads=3)
    values = draw(cell, 4, 5)
    given = None if lengths is None else torch.tensor(lengths)
    options = {"lengths": given, "reverse": reverse, "noise": noise(cell, 4, 5, torch.float64) if noisy else None}
    expected = truth(cell, values, run, **options)
    same(run(cell, values, "reference", **options), expected, rtol=1e-12, atol=1e-12)
    same(interpreted(cell, values, **options), expected, rtol=1e-12, atol=1e-12)
    same(run(cell, values, "compiled", **options), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "hidden", "heads"),
    [
        *(
            ("lstm", hidden, heads)
            for hidden, heads in ((2, 2), (12, 12), (33, 3), (48, 2), (64, 8), (96, 3), (128, 4))
        ),
        *(("gru-full", hidden, heads) for hidden, heads in ((100, 4), (130, 5))),
        ("lstm-projected", 66, 3),
    ],
)
def test_any_size_of_a_head(
    name: str, hidden: int, heads: int, dtype: torch.dtype, draw: Any, run: Any, same: Any
) -> None:
    """Heads that end within a panel of units, with it, and that take several."""
    cell = CELLS[name](3, hidden, heads=heads)
    for batch, lengths in ((1, None), (17, torch.arange(17) % 4)):
        values = draw(cell, batch, 3, dtype)
        same(
            run(cell, values, "compiled", lengths=lengths),
            truth(cell, values, run, lengths=lengths),
            **TOLERANCE[dtype],
        )


@pytest.mark.parametrize(("hidden", "heads"), [(12, 3), (48, 2), (128, 4)])
@pytest.mark.parametrize("name", ["lstm", "gru-full"])
def test_a_row_has_the_same_bits_alone_and_in_any_batch(
    name: str, hidden: int, heads: int, draw: Any, run: Any
) -> None:
    cell = CELLS[name](3, hidden, heads=heads)
    values = draw(cell, 17, 5, torch.float32)
    lengths = torch.arange(17) % 6
    many = run(cell, values, "compiled", lengths=lengths)
    rows = [n for n in values if n == "inputs" or n.startswith("initial")]
    for row in (3, 5, 16):
        own = values | {n: values[n][row : row + 1] for n in rows}
        alone = run(cell, own, "compiled", lengths=lengths[row : row + 1])
        assert torch.equal(alone["outputs"][0], many["outputs"][row])
        assert all(torch.equal(alone[f"final {s}"][0], many[f"final {s}"][row]) for s in cell.state)


def test_threads_that_share_units_give_the_same_bits(two_threads: None, draw: Any, run: Any, same: Any) -> None:
    cell = CELLS["lstm"](3, 192, heads=3)
    values = draw(cell, 3, 4)
    together = run(cell, values, "compiled")
    torch.set_num_threads(1)
    same(run(cell, values, "compiled"), together)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["lstm", "gru", "gru-full"])
def test_a_stream_gives_what_the_whole_sequence_does(name: str, batch: int) -> None:
    torch.manual_seed(0)
    layer = Recurrent(name, 5, 48, num_layers=2, heads=2).eval()
    x = torch.randn(batch, 5, 5)
    stream = layer.stream(batch)
    outputs = torch.stack([stream.step(x[:, t]) for t in range(5)], 1)
    torch.testing.assert_close(outputs, layer(x)[0].detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_every_regulariser_serves_heads(name: str) -> None:
    shares = {"recurrent_dropout": 0.3, "zoneout": 0.2, "weight_drop": 0.4, "dropout": 0.1, "input_dropout": 0.1}
    found = []
    for engine in ("compiled", "reference"):
        torch.manual_seed(0)
        layer = Recurrent(name, 3, 12, 2, bidirectional=True, heads=4, engine=engine, **shares).double()
        torch.manual_seed(1)
        outputs, _ = layer(torch.randn(4, 5, 3).double(), lengths=torch.tensor([5, 0, 3, 1]))
        outputs.square().sum().backward()
        found.append([outputs.detach(), *(p.grad for p in layer.parameters())])
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-11)


def test_windows_of_steps_and_gradients_of_gradients(draw: Any, run: Any, same: Any) -> None:
    cell = CELLS["gru-full"](3, 12, heads=3)
    values = draw(cell, 2, 40)
    same(run(cell, values, "compiled", recompute=True), truth(cell, values, run), rtol=1e-9, atol=1e-11)
    second = []
    for engine in ("compiled", "reference"):
        leaves = {n: v.clone().requires_grad_() for n, v in values.items()}
        parameters = {n: leaves[n] for n in cell.parameters()}
        outputs, _ = unroll(cell, parameters, leaves["inputs"], engine=engine)
        (slope,) = torch.autograd.grad(outputs.square().sum(), [leaves["W_h"]], create_graph=True)
        second.append(torch.autograd.grad(slope.square().sum(), [leaves["W_hc"]])[0])
    torch.testing.assert_close(second[0], second[1])


def stacked(x: Any, s: Any, p: Any) -> dict[str, Any]:
    """A product of two gates as one value, a matrix with heads on the input, and gates taken two at a time."""
    both = torch.tanh(p.U @ s.h + p.V @ x)
    first, second = both.chunk(2, -1)
    rest = (p.W @ (first * s.h))[..., 12:]
    a, b = rest[..., :12], rest[..., 12:]
    return {"h": torch.tanh(second + a + torch.sigmoid(b))}


def test_gates_may_be_taken_together_and_the_input_multiplied(make: Any, draw: Any, agree: Any) -> None:
    declared = {
        "U": recurrent_matrix(12, 12, gates=2, heads=3),
        "V": recurrent_matrix(12, 6, gates=2, heads=2),
        "W": recurrent_matrix(12, 12, gates=3, heads=4),
    }
    cell = make(declared, stacked, {"h": 12}, 6)
    agree(cell, draw(cell, 4, 5), lengths=torch.tensor([5, 0, 2, 3]))
    agree(cell, draw(cell, 3, 4), reverse=True)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda x, s, p: {"h": (p.U @ s.h)[..., 2:14]}, "takes features 2:14 of U @ …, which has gates of 12"),
        (lambda x, s, p: {"h": (p.V @ torch.cat([s.h, x], -1))}, "V has heads, and multiplies values side by side"),
    ],
)
def test_what_cuts_through_a_gate_runs_on_the_reference(step: Any, words: str, make: Any, draw: Any, run: Any) -> None:
    declared = {"U": recurrent_matrix(12, 12, gates=2, heads=3), "V": recurrent_matrix(12, 14, heads=2)}
    cell = make(declared, step, {"h": 12})
    with pytest.raises(CannotTrace, match=words):
        trace(cell)
    assert run(cell, draw(cell, 2, 3), "auto")["outputs"].shape == (2, 3, 12)


def test_blocks_start_orthogonal_and_the_identity() -> None:
    torch.manual_seed(0)
    layer = throughtime.LSTM(3, 12, heads=3)
    for block in layer.directed[0].W_h.detach().chunk(12):
        torch.testing.assert_close(block @ block.T, torch.eye(4))
    relu = throughtime.RNN(3, 12, nonlinearity="relu", heads=3).directed[0].W_h.detach()
    assert torch.equal(relu, torch.eye(4).repeat(3, 1))


def test_heads_that_do_not_fit_are_refused_in_one_line() -> None:
    for heads in (5, 0, -1, 1.5, True):
        with pytest.raises(ValueError, match=r"^LSTMCell: expected heads to .*, got [^\n]*$"):
            LSTMCell(3, 12, heads=heads)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"heads to divide h \(3 features\), got 2"):
        Recurrent("lstm-projected", 3, 6, proj_size=3, heads=2)
    with pytest.raises(ValueError, match="expected heads to divide a matrix of 4 rows and 6 columns, got 4"):
        recurrent_matrix(4, 6, heads=4)
    with pytest.raises(TypeError, match="heads"):
        Recurrent("lstm", 3, 12, head=2)


def test_what_has_whole_matrices_refuses_heads() -> None:
    with pytest.raises(EngineError, match="whole matrices, and this LSTMCell has heads"):
        throughtime.LSTM(3, 12, heads=3, engine="torch")(torch.zeros(2, 1, 3))
    with pytest.raises(ValueError, match=r"torch\.nn has no heads; build the layer without, then convert"):
        throughtime.GRU(3, 12, heads=3).to_torch()
