"""Resets and masks against what they stand for: pieces run alone by ``torch.nn``, and a plain loop that skips steps."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from throughtime.cells import CELLS, LSTMCell
from throughtime.engine import ENGINES, EngineError, Look, Noise, unroll
from throughtime.engine.call import Call
from throughtime.engine.pieces import cut
from throughtime.layers import LSTM

B, T, K, N = 4, 9, 3, 5
LENGTHS = [9, 6, 0, 7]
TIGHT = {"rtol": 1e-9, "atol": 1e-11}
NAMES = [engine.name for engine in ENGINES]


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.manual_seed(3)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def flags(share: float, seed: int = 0) -> Tensor:
    return torch.rand(B, T, generator=torch.Generator().manual_seed(seed)) < share


def leaves() -> tuple[Tensor, Tensor, Tensor]:
    return tuple(  # type: ignore[return-value]
        torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((B, T, K), (1, B, N), (1, B, N))
    )


def gradients(results: list[Tensor], of: list[Tensor]) -> list[Tensor]:
    draw = torch.Generator().manual_seed(9)
    loss = sum((value * torch.randn(value.shape, generator=draw, dtype=value.dtype)).sum() for value in results)
    return list(torch.autograd.grad(loss, of))  # type: ignore[arg-type]


def same(got: list[Tensor], expected: list[Tensor]) -> None:
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, **TIGHT)


def pieces_alone(
    module: torch.nn.LSTM, x: Tensor, h: Tensor, c: Tensor, resets: Tensor, reverse: bool, to_zero: bool
) -> list[Tensor]:
    """Every piece by ``torch.nn.LSTM`` as a batch of one; the pieces of a row in the order of running."""
    outputs, ends = [], []
    for b, length in enumerate(LENGTHS):
        borders = [0, *(t for t in range(1, length) if resets[b, t]), length]
        spans = list(itertools.pairwise(borders))
        row, end = [torch.zeros(T - length, N, dtype=x.dtype)], (h[:, b], c[:, b])
        for start, stop in reversed(spans) if reverse else spans:
            anew = stop < length if reverse else bool(resets[b, start]) and start < length
            begin = (h[:, b] * 0, c[:, b] * 0) if anew and to_zero else (h[:, b], c[:, b])
            piece = x[b, start:stop]
            if stop > start:
                y, end = module(piece.flip(0) if reverse else piece, begin)
                row = [y.flip(0), *row] if reverse else [*row[:-1], y, row[-1]]
        outputs.append(torch.cat(row))
        ends.append(torch.cat(end))
    return [torch.stack(outputs), torch.stack(ends)]


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("to_zero", [False, True], ids=["initial", "zero"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_resets_are_pieces_that_pytorch_runs_alone(engine: str, reverse: bool, to_zero: bool) -> None:
    module = torch.nn.LSTM(K, N, batch_first=True).double()
    resets = flags(0.35)
    assert resets[:, 0].any()
    x, h, c = leaves()
    expected = pieces_alone(module, x, h, c, resets, reverse, to_zero)
    wanted = gradients(expected, [x, h, c, module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0])
    directed = LSTM.from_torch(module, engine=engine).directed[0]
    outputs, final = unroll(
        directed.cell,
        directed.values(),
        x,
        state={"h": h[0], "c": c[0]},
        lengths=torch.tensor(LENGTHS),
        reverse=reverse,
        resets=resets,
        resets_to="zero" if to_zero else "initial",
        engine=engine,
    )
    got = [outputs, torch.cat([final["h"].unsqueeze(1), final["c"].unsqueeze(1)], 1)]
    same(got, expected)
    same(gradients(got, [x, h, c, *(getattr(directed, n) for n in ("W_x", "W_h", "b"))]), wanted)


def skipping(cell: LSTMCell, values: dict[str, Tensor], x: Tensor, h: Tensor, c: Tensor, mask: Tensor) -> list[Tensor]:
    """A loop over rows and steps with ``torch.nn.functional``'s cell: what a mask says, word for word."""
    outputs, ends = [], []
    for b, length in enumerate(LENGTHS):
        state, output, row = (h[0, b : b + 1], c[0, b : b + 1]), torch.zeros(1, N, dtype=x.dtype), []
        for t in range(T):
            if t < length and mask[b, t]:
                state = torch.lstm_cell(x[b, t : t + 1], state, values["W_x"], values["W_h"], values["b"])
                output = state[0]
            row.append(output if t < length else torch.zeros_like(output))
        outputs.append(torch.cat(row))
        ends.append(torch.cat(state))
    return [torch.stack(outputs), torch.stack(ends)]


@pytest.mark.parametrize("engine", NAMES)
def test_a_mask_leaves_steps_out_and_never_reads_them(engine: str) -> None:
    directed = LSTM(K, N, dtype=torch.float64).directed[0]
    values = directed.values()
    mask = flags(0.5)
    x, h, c = leaves()
    expected = skipping(directed.cell, values, x, h, c, mask)  # type: ignore[arg-type]
    of = [x, h, c, values["W_x"], values["W_h"], values["b"]]
    wanted = gradients(expected, of)
    with torch.no_grad():
        x[~mask] = float("nan")
    options: dict[str, Any] = {"state": {"h": h[0], "c": c[0]}, "lengths": LENGTHS, "mask": mask, "engine": engine}
    outputs, final = unroll(directed.cell, values, x, **options)
    got = [outputs, torch.cat([final["h"].unsqueeze(1), final["c"].unsqueeze(1)], 1)]
    same(got, expected)
    same(gradients(got, of), wanted)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_a_row_with_resets_has_the_bits_of_its_pieces(reverse: bool) -> None:
    cell = CELLS["lstm-peephole"](K, N)
    values = {n: torch.randn(p.shape) / 2 for n, p in cell.parameters().items()}
    x, resets = torch.randn(B, T, K), flags(0.3)
    options: dict[str, Any] = {"reverse": reverse, "engine": "compiled"}
    outputs, _ = unroll(cell, values, x, resets=resets, **options)
    for b in range(B):
        borders = [0, *(t for t in range(1, T) if resets[b, t]), T]
        for start, stop in itertools.pairwise(borders):
            alone, _ = unroll(cell, values, x[b : b + 1, start:stop], **options)
            assert torch.equal(outputs[b, start:stop], alone[0])


def test_no_gradient_passes_a_reset() -> None:
    directed = LSTM(K, N, dtype=torch.float64).directed[0]
    resets = torch.zeros(B, T, dtype=torch.bool)
    resets[:, 4] = True
    x = leaves()[0]
    for engine in NAMES:
        outputs, _ = unroll(directed.cell, directed.values(), x, resets=resets, engine=engine)
        (gradient,) = torch.autograd.grad(outputs[:, 4:].sum(), x)
        assert not gradient[:, :4].any()
        assert gradient[:, 4:].all()


def test_second_derivatives_know_resets_and_masks() -> None:
    directed = LSTM(1, 2, dtype=torch.float64).directed[0]
    resets, mask = torch.tensor([[False, True, False]]), torch.tensor([[True, True, False]])
    x = torch.randn(1, 3, 1, dtype=torch.float64, requires_grad=True)
    h = torch.randn(1, 2, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, h: Tensor) -> Tensor:
        state = {"h": h, "c": h * 2}
        marks = {"resets": resets, "resets_to": "initial", "mask": mask}
        return unroll(directed.cell, directed.values(), x, state=state, engine="compiled", **marks)[0]

    assert torch.autograd.gradcheck(run, (x, h))
    assert torch.autograd.gradgradcheck(run, (x, h))


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_regularisers_and_windows_agree_with_the_reference(reverse: bool, recompute: bool) -> None:
    cell, steps = CELLS["gru-full"](K, N), 40
    values = {n: torch.randn(p.shape, dtype=torch.float64, requires_grad=True) for n, p in cell.parameters().items()}
    x = torch.randn(B, steps, K, dtype=torch.float64, requires_grad=True)
    h = torch.randn(B, N, dtype=torch.float64, requires_grad=True)
    noise = Noise({"W_h": (torch.rand(B, N) < 0.7).double() * 1.4}, {"h": (torch.rand(B, steps, N) < 0.3).double()})
    options: dict[str, Any] = {
        "state": {"h": h},
        "lengths": torch.tensor([40, 0, 33, 17]),
        "reverse": reverse,
        "noise": noise,
        "recompute": recompute,
        "resets": torch.rand(B, steps) < 0.03,
        "resets_to": "initial",
        "mask": torch.rand(B, steps) < 0.8,
    }
    assert int(cut(Call(cell, values, x, {}, resets=options["resets"])).lengths.max()) > 16  # more windows than one
    found = []
    for engine in ("compiled", "reference"):
        outputs, final = unroll(cell, values, x, engine=engine, **options)
        found.append([outputs, final["h"], *gradients([outputs, final["h"]], [x, h, *values.values()])])
    same(*found)


def test_a_look_sees_fresh_states_and_no_gates_where_steps_are_left_out() -> None:
    directed = LSTM(K, N).directed[0]
    look, mask = Look(), torch.tensor([[True, False, True]])
    x = torch.randn(1, 3, K)
    unroll(directed.cell, directed.values(), x, resets=torch.tensor([[False, False, True]]), mask=mask, look=look)
    alone, _ = unroll(directed.cell, directed.values(), x[:, 2:])
    torch.testing.assert_close(look.values("h")[:, 2:], alone)
    assert torch.equal(look.values("h")[:, 0], look.values("h")[:, 1])
    assert not look.values("f")[:, 1].any()


def test_the_torch_engine_refuses_to_fill_memory_with_padding() -> None:
    cell = LSTMCell(1, 2)
    values = {n: torch.zeros(p.shape) for n, p in cell.parameters().items()}
    resets = torch.zeros(2, 40, dtype=torch.bool)
    resets[0] = True
    with pytest.raises(EngineError, match="pieces"):
        unroll(cell, values, torch.zeros(2, 40, 1), resets=resets, engine="torch")


@pytest.mark.parametrize("engine", NAMES)
def test_a_mask_without_a_step_ends_where_it_began(engine: str) -> None:
    cell = LSTMCell(K, N)
    values = {n: torch.zeros(p.shape) for n, p in cell.parameters().items()}
    state = {"h": torch.randn(B, N), "c": torch.randn(B, N)}
    mask = torch.zeros(B, T, dtype=torch.bool)
    outputs, final = unroll(cell, values, torch.ones(B, T, K), state=state, mask=mask, engine=engine)
    assert not outputs.any()
    assert torch.equal(final["c"], state["c"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resets": torch.zeros(T, B, dtype=torch.bool)}, r"expected resets of shape \[4, 9\]"),
        ({"resets": torch.zeros(B, T)}, r"convert them: \.bool\(\)"),
        ({"mask": torch.zeros(B, dtype=torch.bool)}, r"expected mask of shape \[4, 9\]"),
        ({"mask": [[True]]}, "got a list; pass torch.as_tensor"),
        ({"resets_to": "zeros"}, "did you mean 'zero'"),
        (
            {"resets": torch.zeros(B, T, dtype=torch.bool), "state": {n: torch.ones(B, N) for n in "hc"}},
            r"expected resets_to beside a state and resets.* resets_to=.zero. where .* resets_to=.initial.",
        ),
    ],
)
def test_what_does_not_fit_is_told(options: dict[str, Any], message: str) -> None:
    cell = LSTMCell(K, N)
    values = {n: torch.zeros(p.shape) for n, p in cell.parameters().items()}
    with pytest.raises((ValueError, TypeError), match=message):
        unroll(cell, values, torch.zeros(B, T, K), **options)
