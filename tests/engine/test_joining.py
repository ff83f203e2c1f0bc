"""An engine joins by being listed: "auto" then asks it first, and falls back when it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from throughtime import Recurrent
from throughtime.cells import LSTMCell, RNNCell
from throughtime.engine import ENGINES, EngineError, check_engine, unroll
from throughtime.engine.call import Call, Result
from throughtime.engine.reference import ReferenceEngine


class Fast:
    """Serves plain RNNs only, and writes down what it was asked and what it served."""

    name = "fast"

    def __init__(self) -> None:
        self.asked: list[Call] = []
        self.served: list[Call] = []

    def refuses(self, call: Call) -> str | None:
        self.asked.append(call)
        return None if isinstance(call.cell, RNNCell) else "it knows plain RNNs only"

    def run(self, call: Call) -> Result:
        self.served.append(call)
        outputs, final = ReferenceEngine().run(call)
        return outputs + 100.0, final


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> Fast:
    engine = Fast()
    monkeypatch.setattr("throughtime.engine.ENGINES", (engine, *ENGINES))
    return engine


def test_auto_takes_a_new_engine_that_stands_in_front(fast: Fast) -> None:
    layer, x = Recurrent("rnn", 2, 3, num_layers=2, bidirectional=True), torch.randn(4, 5, 2)
    outputs, _ = layer(x)
    assert [call.reverse for call in fast.served] == [False, True, False, True]
    assert outputs.min() > 90.0
    layer.engine = "reference"
    assert layer(x)[0].abs().max() <= 1.0


def test_auto_falls_back_where_it_refuses(fast: Fast) -> None:
    layer, x = Recurrent("lstm", 2, 3, engine="auto"), torch.randn(4, 5, 2)
    outputs, final = layer(x)
    assert len(fast.asked) == 1
    assert fast.served == []
    layer.engine = "reference"
    expected, last = layer(x)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(final, last)


def test_its_name_can_be_asked_for(fast: Fast) -> None:
    check_engine("fast")
    outputs, _ = Recurrent("rnn", 2, 3, engine="fast")(torch.randn(4, 5, 2))
    assert outputs.min() > 90.0
    words = "engine 'fast' cannot serve this call: it knows plain RNNs only; pass engine=\"auto\""
    with pytest.raises(EngineError, match=words):
        Recurrent("lstm", 2, 3, engine="fast")(torch.randn(4, 5, 2))


def test_another_name_passes_it_by(fast: Fast) -> None:
    outputs, _ = Recurrent("rnn", 2, 3, engine="torch")(torch.randn(4, 5, 2))
    assert fast.asked == []
    assert outputs.abs().max() <= 1.0


def test_without_the_listing_the_name_is_unknown() -> None:
    with pytest.raises(EngineError, match="unknown engine 'fast'"):
        Recurrent("rnn", 2, 3, engine="fast")


def test_a_call_reaches_an_engine_checked(fast: Fast) -> None:
    cell = RNNCell(2, 3)
    parameters = {"W_x": torch.randn(3, 2), "W_h": torch.randn(3, 3), "b": torch.randn(3)}
    x = torch.randn(4, 5, 2)
    unroll(cell, parameters, x, lengths=torch.tensor([5, 1, 0, 2], dtype=torch.int32))
    unroll(cell, parameters, x, lengths=torch.tensor([5, 5, 5, 5]), reverse=True)
    ragged, whole = fast.served
    assert torch.equal(ragged.state["h"], torch.zeros(4, 3))
    assert ragged.lengths is not None
    assert ragged.lengths.dtype == torch.int64
    assert ragged.lengths.tolist() == [5, 1, 0, 2]
    assert not ragged.noise
    assert whole.lengths is None
    assert whole.reverse


def test_a_subclass_with_other_equations_is_not_served_by_pytorchs_kernel() -> None:
    class Altered(LSTMCell):
        def step(self, x: Tensor, s: Any, p: Any) -> Mapping[str, Tensor]:
            new = super().step(x, s, p)
            return {**new, "h": new["h"] * 0.5}

    torch.manual_seed(0)
    altered, plain = Recurrent(Altered, 2, 3), Recurrent("lstm", 2, 3)
    plain.load_state_dict(altered.state_dict())
    x = torch.randn(4, 1, 2)
    torch.testing.assert_close(altered(x)[0], plain(x)[0] * 0.5)
    altered.engine = "torch"
    with pytest.raises(EngineError, match="not Altered"):
        altered(x)
