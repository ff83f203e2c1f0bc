"""A cell of the user's own is served like the built-in ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, fx

from throughtime import Cell, EngineError, Recurrent
from throughtime.cells import Matrix, Parameter, bias, input_matrix, recurrent_matrix

TIGHT = {"rtol": 1e-9, "atol": 1e-11}


@dataclass(frozen=True)
class MinimalGatedUnit(Cell):
    """The minimal gated unit (Zhou et al. 2016), with a slow average of its output beside it, narrower by a matrix."""

    memory: int = 2
    slowness: float = 0.75

    state = ("h", "m")

    def widths(self) -> dict[str, int]:
        return {"h": self.hidden_size, "m": self.memory}

    def parameters(self) -> Mapping[str, Parameter]:
        n, k = self.hidden_size, self.input_size
        return {
            "W_f": input_matrix(n, k),
            "U_f": recurrent_matrix(n, n),
            "b_f": bias(n, 1.0),
            "W_c": input_matrix(n, k),
            "U_c": recurrent_matrix(n, n),
            "V_c": recurrent_matrix(n, self.memory),
            "R": input_matrix(self.memory, n),
        }

    def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
        f = torch.sigmoid(p.W_f @ x + p.U_f @ s.h + p.b_f)
        c = torch.tanh(p.W_c @ x + p.U_c @ (f * s.h) + p.V_c @ s.m)
        h = (1 - f) * s.h + f * c
        m = self.slowness * s.m + (1 - self.slowness) * (p.R @ h)
        return {"h": h, "m": m, "f": f}


def build(**arguments: Any) -> tuple[Recurrent, Tensor]:
    torch.manual_seed(3)
    layer = Recurrent(MinimalGatedUnit, 3, 4, **{"memory": 3, "slowness": 0.6, **arguments}).double()
    return layer, torch.randn(3, 6, 3, dtype=torch.float64)


def by_hand(p: dict[str, Tensor], x: Tensor, h: Tensor, m: Tensor, slowness: float) -> tuple[Tensor, Tensor, Tensor]:
    """One row ``[T, k]``, as one would write it on paper."""
    outputs = []
    for x_t in x:
        f = 1 / (1 + torch.exp(-(p["W_f"] @ x_t + p["U_f"] @ h + p["b_f"])))
        c = torch.tanh(p["W_c"] @ x_t + p["U_c"] @ (f * h) + p["V_c"] @ m)
        h = (1 - f) * h + f * c
        m = slowness * m + (1 - slowness) * (p["R"] @ h)
        outputs.append(h)
    return torch.stack(outputs), h, m


def test_its_options_widths_and_start_values_are_taken() -> None:
    layer, _ = build(num_layers=2, bidirectional=True)
    assert layer.cell == MinimalGatedUnit(3, 4, memory=3, slowness=0.6)
    assert layer.cell.options() == {"memory": 3, "slowness": 0.6}
    assert [directed.cell.input_size for directed in layer.directed] == [3, 3, 8, 8]
    assert layer.directed[3].values()["V_c"].shape == (4, 3)
    assert torch.equal(layer.directed[0].values()["b_f"], torch.ones(4, dtype=torch.float64))


def test_deep_in_both_directions_over_a_ragged_batch() -> None:
    layer, x = build(num_layers=2, bidirectional=True)
    lengths = [4, 6, 1]
    state = {"h": torch.randn(4, 3, 4, dtype=torch.float64), "m": torch.randn(4, 3, 3, dtype=torch.float64)}
    outputs, final = layer(x, state, torch.tensor(lengths))
    values = [directed.values() for directed in layer.directed]
    total = torch.zeros((), dtype=torch.float64)
    for b, length in enumerate(lengths):
        below = x[b, :length]
        for depth in range(2):
            sides = []
            for side, run in enumerate((2 * depth, 2 * depth + 1)):
                seen = below.flip(0) if side else below
                own, h, m = by_hand(values[run], seen, state["h"][run, b], state["m"][run, b], 0.6)
                torch.testing.assert_close(final["h"][run, b], h, **TIGHT)
                torch.testing.assert_close(final["m"][run, b], m, **TIGHT)
                sides.append(own.flip(0) if side else own)
            below = torch.cat(sides, dim=1)
        torch.testing.assert_close(outputs[b, :length], below, **TIGHT)
        assert outputs[b, length:].eq(0).all()
        total = total + below.square().sum()
    parameters = list(layer.parameters())
    expected = torch.autograd.grad(total, parameters, materialize_grads=True, allow_unused=True)
    for got, other in zip(torch.autograd.grad(outputs.square().sum(), parameters), expected, strict=True):
        torch.testing.assert_close(got, other, **TIGHT)


def test_gradcheck() -> None:
    layer, x = build()
    x = x[:, :3].clone().requires_grad_()
    lengths = torch.tensor([3, 0, 2])
    assert torch.autograd.gradcheck(lambda x: layer(x, lengths=lengths)[0], (x,))


def test_a_stream_and_a_carried_state() -> None:
    layer, x = build(num_layers=2)
    whole, final = layer(x)
    first, carried = layer(x[:, :2])
    second, last = layer(x[:, 2:], carried)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, **TIGHT)
    torch.testing.assert_close(last, final, **TIGHT)
    state = None
    for t in range(6):
        output, state = layer.step(x[:, t], state)
        torch.testing.assert_close(output, whole[:, t], **TIGHT)


SHARES = ("dropout", "input_dropout", "recurrent_dropout", "zoneout", "weight_drop")


@pytest.mark.parametrize("share", SHARES)
def test_each_regulariser_acts_in_training_and_repeats_by_seed(share: str) -> None:
    layer, x = build(num_layers=2, **{share: 0.5})
    plain, _ = build(num_layers=2)
    expected = plain(x)[0]
    torch.manual_seed(1)
    first = layer(x)[0]
    torch.manual_seed(1)
    assert torch.equal(layer(x)[0], first)
    assert not torch.allclose(first, expected)
    layer.eval()
    assert torch.equal(layer(x)[0], expected) == (share != "zoneout")
    assert torch.equal(layer(x)[0], layer(x)[0])


def test_recurrent_dropout_and_weight_drop_take_its_recurrent_matrices() -> None:
    layer, x = build(recurrent_dropout=0.5, weight_drop=0.5)
    directed = layer.directed[0]
    own = dict(directed.named_parameters())
    dropped = directed.values()
    assert {n for n in own if dropped[n] is not own[n]} == {"U_f", "U_c", "V_c"}
    layer(x)[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in own.values())


def test_without_bias() -> None:
    layer, x = build(bias=False)
    assert sorted(n.split(".")[-1] for n in layer.state_dict()) == ["R", "U_c", "U_f", "V_c", "W_c", "W_f"]
    values = layer.directed[0].values()
    assert torch.equal(values["b_f"], torch.zeros(4, dtype=torch.float64))
    zero_h, zero_m = torch.zeros(4, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(layer(x)[0][0], by_hand(values, x[0], zero_h, zero_m, 0.6)[0], **TIGHT)


def test_its_step_can_be_traced() -> None:
    cell = MinimalGatedUnit(3, 4)
    declared = cell.parameters()

    def step(*args: Any) -> Any:
        given = {n: args[3 + j] for j, n in enumerate(declared)}
        p = {n: v if declared[n].role == "bias" else Matrix(v) for n, v in given.items()}
        return cell.step(args[0], SimpleNamespace(h=args[1], m=args[2]), SimpleNamespace(**p))

    arguments = [
        torch.randn(5, 3),
        torch.randn(5, 4),
        torch.randn(5, 2),
        *(torch.randn(p.shape) for p in declared.values()),
    ]
    got, expected = fx.symbolic_trace(step)(*arguments), step(*arguments)
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[n], expected[n]) for n in expected)


def test_an_engine_without_it_says_so() -> None:
    layer, x = build(engine="torch")
    with pytest.raises(EngineError, match="not MinimalGatedUnit"):
        layer(x)


def test_by_module_and_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "throughtime_test_leaky.py").write_text(
        "from dataclasses import dataclass\n"
        "import torch\n"
        "from throughtime.cells import Cell, input_matrix, recurrent_matrix\n"
        "@dataclass(frozen=True)\n"
        "class Leaky(Cell):\n"
        "    leak: float = 0.5\n"
        "    def parameters(self):\n"
        "        n, k = self.hidden_size, self.input_size\n"
        "        return {'W': input_matrix(n, k), 'U': recurrent_matrix(n, n)}\n"
        "    def step(self, x, s, p):\n"
        "        return {'h': self.leak * s.h + (1 - self.leak) * torch.tanh(p.W @ x + p.U @ s.h)}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    layer = Recurrent("throughtime_test_leaky:Leaky", 3, 4, 2, leak=0.9)
    x = torch.randn(2, 1, 3)
    first = 0.1 * torch.tanh(x[:, 0] @ layer.directed[0].values()["W"].T)
    second = 0.1 * torch.tanh(first @ layer.directed[1].values()["W"].T)
    torch.testing.assert_close(layer(x)[0][:, 0], second)
