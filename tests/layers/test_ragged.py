"""A deep layer over a ragged batch equals its sequences run one by one, gradients included."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from familiar import FAMILIAR
from throughtime import Recurrent

EXAMPLES = settings(deadline=None, derandomize=True, max_examples=10)
TIGHT = {"rtol": 1e-8, "atol": 1e-10}


class Drawn:
    """A layer, a ragged batch, and the weights that make a number of the results."""

    def __init__(self, name: str, draw: st.DrawFn) -> None:
        batch, time = draw(st.integers(1, 4)), draw(st.integers(1, 5))
        k, n = draw(st.integers(1, 4)), draw(st.integers(2, 4))
        both, residual, layers = draw(st.booleans()), draw(st.booleans()), draw(st.integers(1, 3))
        self.lengths = torch.tensor(draw(st.lists(st.integers(0, time), min_size=batch, max_size=batch)))
        torch.manual_seed(draw(st.integers(0, 999)))
        self.layer = Recurrent(name, k, n, layers, bidirectional=both, residual=residual).double()
        with torch.no_grad():
            for parameter in self.layer.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        runs, widths = len(self.layer.directed), self.layer.cell.widths()
        self.inputs = torch.randn(batch, time, k, dtype=torch.float64)
        self.state = {s: torch.randn(runs, batch, w, dtype=torch.float64) for s, w in widths.items()}
        self.weigh = torch.randn(batch, time, self.layer.output_size, dtype=torch.float64)
        self.weigh_final = {s: torch.randn_like(v) for s, v in self.state.items()}
        steps = torch.arange(time).unsqueeze(0)
        self.padding = steps >= self.lengths.unsqueeze(1)

    def leaves(self) -> dict[str, Tensor]:
        return {"inputs": self.inputs, **self.state, **dict(self.layer.named_parameters())}

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        leaves = self.leaves()
        found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
        return dict(zip((f"d/d {n}" for n in leaves), found, strict=True))

    def at_once(self, lengths: Tensor | None) -> dict[str, Tensor]:
        for leaf in self.leaves().values():
            leaf.requires_grad_()
        outputs, final = self.layer(self.inputs, self.state, lengths)
        loss = (outputs * self.weigh).sum() + sum((final[s] * w).sum() for s, w in self.weigh_final.items())
        return {"outputs": outputs, **{f"final {s}": v for s, v in final.items()}, **self.gradients(loss)}

    def one_by_one(self) -> dict[str, Tensor]:
        for leaf in self.leaves().values():
            leaf.requires_grad_()
        outputs, loss = torch.zeros_like(self.weigh), torch.zeros((), dtype=torch.float64)
        finals: dict[str, list[Tensor]] = {s: [] for s in self.state}
        for b, length in enumerate(self.lengths.tolist()):
            own, final = self.layer(
                self.inputs[b : b + 1, :length], {s: v[:, b : b + 1] for s, v in self.state.items()}
            )
            outputs[b, :length] = own.detach()[0]
            loss = loss + (own[0] * self.weigh[b, :length]).sum()
            for s, value in final.items():
                finals[s].append(value)
                loss = loss + (value * self.weigh_final[s][:, b : b + 1]).sum()
                if length == 0:
                    assert torch.equal(value, self.state[s][:, b : b + 1])
        stacked = {f"final {s}": torch.cat(v, dim=1) for s, v in finals.items()}
        return {"outputs": outputs, **stacked, **self.gradients(loss)}


def assert_same(got: dict[str, Tensor], expected: dict[str, Tensor], **tolerance: Any) -> None:
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value, **tolerance, msg=lambda m, key=key: f"{key}: {m}")


@pytest.mark.parametrize("name", FAMILIAR)
def test_a_ragged_batch_equals_its_rows_one_by_one(name: str) -> None:
    @EXAMPLES
    @given(st.data())
    def check(data: st.DataObject) -> None:
        drawn = Drawn(name, data.draw)
        assert_same(drawn.at_once(drawn.lengths), drawn.one_by_one(), **TIGHT)

    check()


@pytest.mark.parametrize("name", FAMILIAR)
def test_padding_is_never_read_and_gets_no_gradient(name: str) -> None:
    @EXAMPLES
    @given(st.data())
    def check(data: st.DataObject) -> None:
        drawn = Drawn(name, data.draw)
        clean = drawn.at_once(drawn.lengths)
        with torch.no_grad():
            drawn.inputs[drawn.padding] = torch.nan
        got = drawn.at_once(drawn.lengths)
        assert_same(got, clean, rtol=0, atol=0)
        assert got["outputs"][drawn.padding].eq(0).all()
        assert got["d/d inputs"][drawn.padding].eq(0).all()

    check()


@pytest.mark.parametrize("name", FAMILIAR)
def test_without_lengths_every_row_is_whole(name: str) -> None:
    @EXAMPLES
    @given(st.data())
    def check(data: st.DataObject) -> None:
        drawn = Drawn(name, data.draw)
        whole = torch.full_like(drawn.lengths, drawn.inputs.shape[1])
        assert_same(drawn.at_once(None), drawn.at_once(whole), rtol=0, atol=0)

    check()


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("batch", "time"), [(0, 4), (3, 0), (0, 0)])
@pytest.mark.parametrize("name", FAMILIAR)
def test_nothing_to_do(name: str, batch: int, time: int, residual: bool) -> None:
    layer = Recurrent(name, 4, 4, 2, bidirectional=True, residual=residual)
    widths = layer.cell.widths()
    state = {s: torch.randn(4, batch, w) for s, w in widths.items()}
    outputs, final = layer(torch.zeros(batch, time, 4), state, torch.zeros(batch, dtype=torch.int64))
    assert torch.equal(outputs, torch.zeros(batch, time, layer.output_size))
    assert all(torch.equal(final[s], state[s]) for s in state)


def test_spoilt_padding_meets_every_regulariser() -> None:
    names = ("dropout", "input_dropout", "recurrent_dropout", "zoneout", "weight_drop")
    layer = Recurrent("gru-full", 4, 4, 2, residual=True, **dict.fromkeys(names, 0.3))
    lengths, x = torch.tensor([2, 0, 5]), torch.randn(3, 5, 4)
    spoilt = x.clone()
    padding = torch.arange(5) >= lengths.unsqueeze(1)
    spoilt[padding] = torch.nan
    results = []
    for given_inputs in (x, spoilt):
        torch.manual_seed(4)
        layer.zero_grad()
        leaf = given_inputs.clone().requires_grad_()
        outputs, final = layer(leaf, lengths=lengths)
        (outputs.square().sum() + final["h"].sum()).backward()
        assert leaf.grad is not None
        assert leaf.grad[padding].eq(0).all()
        results.append([outputs, final["h"], leaf.grad, *(p.grad for p in layer.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
