"""accelerate under PyTorch's own tools: whoever traces or transforms a model sees what torch.nn shows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

import throughtime

accelerated: Any = import_module("throughtime.layers.accelerated")


def under_autocast(module: nn.Module, x: Tensor) -> Any:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return module(x)[0]


def counting_operations(module: nn.Module, x: Tensor) -> Any:
    with FlopCounterMode(display=False) as counter:
        module(x)
    return torch.tensor(counter.get_total_flops())


def deterministic(module: nn.Module, x: Tensor) -> Any:
    torch.use_deterministic_algorithms(True)
    try:
        return module(x)[0]
    finally:
        torch.use_deterministic_algorithms(False)


def per_sample(module: nn.Module, x: Tensor) -> Any:
    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return functional_call(module, parameters, (x,))[0].square().sum()

    return torch.cat([g.flatten() for g in torch.func.grad(loss)(dict(module.named_parameters())).values()])


def tangent(module: nn.Module, x: Tensor) -> Any:
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(module(forward_ad.make_dual(x, x))[0]).tangent


WATCHED: dict[str, Callable[[nn.Module, Tensor], Any]] = {
    "trace": lambda m, x: torch.jit.trace(m, x, check_trace=False)(x)[0],
    "export": lambda m, x: torch.export.export(m, (x,)).module()(x)[0],
    "autocast": under_autocast,
    "counter": counting_operations,
    "deterministic": deterministic,
    "torch.func": per_sample,
    "forward mode": tangent,
    "negative view": lambda m, x: m(torch.complex(x, x).conj().imag)[0],
}


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore:Converting a tensor:Warning")
@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")
@pytest.mark.parametrize("case", WATCHED)
def test_who_watches_sees_what_torch_does(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    theirs, x = nn.GRU(3, 4, 2), torch.randn(5, 2, 3)
    ours = copy.deepcopy(theirs)
    throughtime.accelerate(ours)
    seen: list[Any] = []
    monkeypatch.setattr(accelerated, "unroll", seen.append)
    monkeypatch.setattr(accelerated, "_gains", lambda *_, **__: True)
    got, expected = WATCHED[case](ours, x), WATCHED[case](theirs, x)
    assert not seen
    assert got.dtype == expected.dtype
    assert torch.equal(got, expected)


class Small(nn.Module):
    """Something before and something after."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.rnn, self.head = nn.Linear(3, 3), nn.LSTM(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.inner(x))
        outputs, (h, _) = self.rnn(y)
        return self.head(outputs) + self.head(h)


@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_compile_cuts_the_same_graphs() -> None:
    graphs: list[list[str]] = []
    theirs, x = Small(), torch.randn(5, 2, 3)
    ours = copy.deepcopy(theirs)
    throughtime.accelerate(ours)
    for module in (theirs, ours):
        graphs.append([])

        def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
            graphs[-1].extend(str(node.target) for node in graph.graph.nodes)
            return graph

        torch._dynamo.reset()
        torch.testing.assert_close(torch.compile(module, backend=backend)(x), theirs(x))
    assert graphs[0]
    assert graphs[1] == graphs[0]


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torchscript_compiles_torchs_own() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.GRU(3, 4))
    x = torch.randn(5, 2, 3)
    expected = module(x)[0]
    throughtime.accelerate(module)
    inner = module[1]
    torch.testing.assert_close(torch.jit.script(module)(x)[0], expected)
    # The module itself is torch's again, and may be accelerated again.
    assert type(inner) is nn.GRU
    assert module[1] is inner
    assert throughtime.accelerate(module).swapped


def test_a_symbolic_trace_keeps_it_as_one_node() -> None:
    theirs = Small()
    ours = copy.deepcopy(theirs)
    throughtime.accelerate(ours)
    traced, plain = torch.fx.symbolic_trace(ours), torch.fx.symbolic_trace(theirs)
    assert [node.op for node in traced.graph.nodes] == [node.op for node in plain.graph.nodes]
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(traced(x), theirs(x))
