"""Zoneout against a loop that keeps the same units by hand."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from familiar import FAMILIAR
from throughtime import LSTM, Recurrent
from throughtime.engine import ENGINES, bind
from throughtime.engine.call import Call, Result
from throughtime.layers import Directed

BY_STATE: list[dict[str, float]] = [{"h": 0.1, "c": 0.5}, {"c": 0.5}, {"h": 0.3, "c": 0.0}]
TIGHT = {"rtol": 1e-9, "atol": 1e-11}


class Listener:
    """Stands in front of every engine, writes down each call, and serves none."""

    name = "listener"

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def refuses(self, call: Call) -> str | None:
        self.calls.append(call)
        return "it only listens"

    def run(self, call: Call) -> Result:
        raise AssertionError("it refused")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    listener = Listener()
    monkeypatch.setattr("throughtime.engine.ENGINES", (listener, *ENGINES))
    return listener.calls


def by_hand(
    directed: Directed, x: Tensor, lengths: list[int], keep: Mapping[str, Tensor | float]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Row by row, step by step; ``keep`` is what was drawn, or the share that stays, of every state that has one."""
    cell, parameters = directed.cell, bind(directed.cell, directed.values())
    rows, finals = [], []
    for b, length in enumerate(lengths):
        state = {n: x.new_zeros(1, width) for n, width in cell.widths().items()}
        outputs = [x.new_zeros(cell.output_size)] * x.shape[1]
        for t in reversed(range(length)) if directed.reverse else range(length):
            new = cell.step(x[b : b + 1, t], SimpleNamespace(**state), parameters)
            for n, old in state.items():
                share = keep.get(n, 0.0)
                if isinstance(share, float):
                    state[n] = share * old + (1 - share) * new[n]
                else:
                    state[n] = torch.where(share[b, t] == 1, old, new[n])
            outputs[t] = state[cell.state[0]][0]
        rows.append(torch.stack(outputs))
        finals.append(state)
    return torch.stack(rows), {n: torch.cat([state[n] for state in finals]) for n in cell.state}


@pytest.mark.parametrize("training", [True, False], ids=["training", "in-use"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize(
    ("name", "zoneout"),
    [*((name, 0.3) for name in FAMILIAR), *(("lstm", zoneout) for zoneout in BY_STATE)],
    ids=str,
)
def test_zoneout_keeps_units_as_a_loop_does(
    name: str, zoneout: float | dict[str, float], reverse: bool, training: bool, calls: list[Call]
) -> None:
    torch.manual_seed(0)
    layer = Recurrent(name, 3, 4, bidirectional=True, zoneout=zoneout).double().train(training)
    directed, lengths = layer.directed[reverse], [3, 0, 5]
    x = torch.randn(3, 5, 3, dtype=torch.float64)
    outputs, final = directed(x, lengths=torch.tensor(lengths))
    kept = calls[0].noise.keep
    shares = zoneout if isinstance(zoneout, dict) else dict.fromkeys(directed.cell.state, zoneout)
    shares = {n: share for n, share in shares.items() if share}
    if training:
        assert {n for n, k in kept.items() if isinstance(k, Tensor)} == kept.keys() == shares.keys()
        expected, end = by_hand(directed, x, lengths, kept)
    else:
        assert kept == shares
        expected, end = by_hand(directed, x, lengths, shares)
    torch.testing.assert_close(outputs, expected, **TIGHT)
    torch.testing.assert_close(final, end, **TIGHT)
    parameters = list(directed.parameters())
    got = torch.autograd.grad(outputs.square().sum(), parameters)
    for value, other in zip(got, torch.autograd.grad(expected.square().sum(), parameters), strict=True):
        torch.testing.assert_close(value, other, **TIGHT)


def test_zoneout_draws_for_every_row_step_unit_and_state(calls: list[Call]) -> None:
    torch.manual_seed(0)
    layer = Recurrent("lstm-projected", 3, 30, zoneout=0.2, proj_size=20)
    layer(torch.zeros(20, 25, 3))
    layer(torch.zeros(20, 25, 3))
    first, second = (call.noise.keep for call in calls)
    for name, width in (("h", 20), ("c", 30)):
        mask = first[name]
        assert isinstance(mask, Tensor)
        assert mask.shape == (20, 25, width)
        assert set(mask.unique().tolist()) == {0.0, 1.0}
        assert float(mask.mean()) == pytest.approx(0.2, abs=0.02)
        for dim in range(3):
            assert not torch.equal(mask.select(dim, 0), mask.select(dim, 1))
        again = second[name]
        assert isinstance(again, Tensor)
        assert not torch.equal(mask, again)


def test_zoneout_by_state_draws_as_often_as_its_states_ask(calls: list[Call]) -> None:
    torch.manual_seed(0)
    Recurrent("lstm", 3, 30, zoneout={"c": 0.5, "h": 0.1})(torch.zeros(20, 25, 3))
    keep = calls[0].noise.keep
    assert list(keep) == ["h", "c"]
    assert {n: round(float(torch.as_tensor(k).mean()), 1) for n, k in keep.items()} == {"h": 0.1, "c": 0.5}


def test_one_share_for_all_states_draws_what_the_same_by_state_does() -> None:
    x, found = torch.randn(2, 5, 3), []
    for zoneout in (0.3, {"c": 0.3, "h": 0.3}):
        torch.manual_seed(0)
        found.append(Recurrent("lstm", 3, 4, zoneout=zoneout)(x)[0])
    assert torch.equal(*found)


def test_a_state_that_the_cell_has_not_is_refused() -> None:
    words = r"LSTMCell has no state 'hh' \(did you mean 'h'\?\); zoneout by state: h, c"
    with pytest.raises(ValueError, match=words):
        Recurrent("lstm", 3, 4, zoneout={"hh": 0.1})
    with pytest.raises(ValueError, match=r"expected zoneout of 'c' to be at least 0 and less than 1, got 1\.5"):
        LSTM(3, 4, zoneout={"c": 1.5})
    with pytest.raises(ValueError, match=r"torch\.nn has no zoneout"):
        LSTM(3, 4, zoneout={"c": 0.5}).to_torch()


def test_zoneout_by_state_is_printed() -> None:
    assert "LSTMCell(input_size=3, hidden_size=4), zoneout={'c': 0.5}" in repr(LSTM(3, 4, zoneout={"c": 0.5}))
    assert "zoneout" not in repr(LSTM(3, 4, zoneout={}))


def test_zoneout_in_use_is_deterministic() -> None:
    layer, x = Recurrent("gru", 3, 4, 2, zoneout=0.3).eval(), torch.randn(2, 5, 3)
    assert torch.equal(layer(x)[0], layer(x)[0])


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("zoneout", [0.3, *BY_STATE], ids=str)
def test_zoneout_streams_in_use(zoneout: float | dict[str, float], engine: str) -> None:
    layer = Recurrent("lstm", 3, 4, 2, zoneout=zoneout, engine=engine).double().eval()
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    whole, final = layer(x)
    state, stream = None, layer.stream(2)
    for t in range(5):
        output, state = layer.step(x[:, t], state)
        torch.testing.assert_close(output, whole[:, t], **TIGHT)
        torch.testing.assert_close(stream.step(x[:, t]), whole[:, t], **TIGHT)
    torch.testing.assert_close(state, final, **TIGHT)
    torch.testing.assert_close(stream.state, final, **TIGHT)


@pytest.mark.parametrize("name", FAMILIAR)
def test_zoneout_and_recurrent_dropout_together(name: str, calls: list[Call]) -> None:
    torch.manual_seed(0)
    directed = Recurrent(name, 3, 4, zoneout=0.3, recurrent_dropout=0.4).double().directed[0]
    x = torch.randn(1, 6, 3, dtype=torch.float64)
    outputs, _ = directed(x)
    noise = calls[0].noise
    with torch.no_grad():
        for matrix, mask in noise.products.items():
            getattr(directed, matrix).mul_(mask[0])
    drawn = {n: k for n, k in noise.keep.items() if isinstance(k, Tensor)}
    torch.testing.assert_close(outputs, by_hand(directed, x, [6], drawn)[0], **TIGHT)
