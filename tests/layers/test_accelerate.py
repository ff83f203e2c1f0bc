"""accelerate on whole models: what it swaps and leaves, and that nobody who holds the model notices."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils.checkpoint import checkpoint

import throughtime
from throughtime.layers import Acceleration

accelerated: Any = import_module("throughtime.layers.accelerated")


@pytest.fixture(autouse=True)
def every_engine_counts_as_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerated, "_gains", lambda *_, **__: True)


CLOSE = {"rtol": 1e-9, "atol": 1e-11}


class Model(nn.Module):
    """Several kinds, one of them in two places and used twice, and a head whose weight two modules share."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.first = nn.LSTM(6, 4, 2, batch_first=True, bidirectional=True)
        self.middle = nn.ModuleList([nn.GRU(8, 6), nn.RNN(6, 6, nonlinearity="relu")])
        self.again = self.middle[1]
        self.cell = nn.LSTMCell(6, 6)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        x, _ = self.first(self.embed(ids))
        x, _ = self.middle[0](x.transpose(0, 1))
        x, h = self.middle[1](x)
        x, _ = self.again(torch.tanh(x), h)
        x, _ = self.cell(x[-1])
        return self.head(x)


IDS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 10]])


def model(seed: int = 0) -> Model:
    torch.manual_seed(seed)
    return Model().double()


def both() -> tuple[Model, Model]:
    theirs = model()
    ours = copy.deepcopy(theirs)
    throughtime.accelerate(ours)
    return theirs, ours


def step(module: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    nn.functional.cross_entropy(module(IDS), IDS[:, 0]).backward()
    optimiser.step()


def alike(ours: nn.Module, theirs: nn.Module) -> None:
    mine, plain = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(plain)
    for name, value in plain.items():
        torch.testing.assert_close(mine[name], value, **CLOSE)
    torch.testing.assert_close(ours(IDS), theirs(IDS), **CLOSE)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []
    unroll = accelerated.unroll
    monkeypatch.setattr(accelerated, "unroll", lambda cell, *a, **k: seen.append(cell) or unroll(cell, *a, **k))
    return seen


def test_the_report() -> None:
    report = throughtime.accelerate(model())
    assert report.swapped == (("first", "LSTM"), ("middle.0", "GRU"), ("middle.1", "RNN"))
    layer = "throughtime.LSTM.from_torch(cell)"
    reason = f"one step a call; faster over all steps in one: {layer}, or in use, step by step: its .stream()"
    assert report.left == (("cell", "LSTMCell", reason),)
    assert str(report).splitlines() == [
        "swapped 3 of 4 recurrent modules",
        "  first     LSTM",
        "  middle.0  GRU",
        "  middle.1  RNN",
        "left as they are",
        f"  cell      LSTMCell  {reason}",
    ]
    assert str(throughtime.accelerate(nn.GRU(2, 3))) == "swapped 1 of 1 recurrent modules\n  (model)  GRU"
    assert str(throughtime.accelerate(nn.Linear(2, 3))) == "no recurrent modules of torch.nn here"
    assert throughtime.accelerate(throughtime.LSTM(2, 3)) == Acceleration((), ())


def test_no_module_is_refused() -> None:
    for function in (throughtime.accelerate, throughtime.decelerate):
        with pytest.raises(TypeError, match=r"^expected a torch\.nn\.Module, got dict$"):
            function({})  # type: ignore[operator]


def test_twice_is_once_and_back_is_back() -> None:
    module = model()
    types = [type(part).__name__ for part in module.modules()]
    throughtime.accelerate(module)
    swapped = [type(part).__name__ for part in module.modules()]
    report = throughtime.accelerate(module)
    assert report.swapped == ()
    assert [row for row in report.left if row[0] != "cell"] == [
        ("first", "LSTM", "accelerated before"),
        ("middle.0", "GRU", "accelerated before"),
        ("middle.1", "RNN", "accelerated before"),
    ]
    assert [type(part).__name__ for part in module.modules()] == swapped != types
    assert throughtime.decelerate(module) == ("first", "middle.0", "middle.1")
    assert [type(part).__name__ for part in module.modules()] == types
    assert throughtime.decelerate(module) == ()


def test_only_classes_change(monkeypatch: pytest.MonkeyPatch) -> None:
    module = model()
    module.first.eval()
    module.first.weight_hh_l0.requires_grad_(False)
    parts, parameters = list(module.modules()), dict(module.named_parameters())
    before = [{k: v for k, v in vars(part).items() if k != "_flat_weight_refs"} for part in parts]
    throughtime.accelerate(module)
    seen = counted(monkeypatch)
    module(IDS)
    assert len(seen) == 4 + 1 + 2
    assert all(a is b for a, b in zip(module.modules(), parts, strict=True))
    assert all(value is parameters[name] for name, value in module.named_parameters())
    assert [{k: v for k, v in vars(part).items() if k != "_flat_weight_refs"} for part in parts] == before
    assert isinstance(module.first, nn.LSTM)
    assert repr(module.first) == "AcceleratedLSTM(6, 4, num_layers=2, batch_first=True, bidirectional=True)"


class Own(nn.LSTM):
    """A subclass, which may have another forward."""


def replaced() -> nn.Module:
    module = nn.GRU(2, 3)
    module.forward = lambda x, hx=None: (x, hx)
    return module


def quantised() -> nn.Module:
    theirs: Any = import_module("torch.ao.nn.quantized.dynamic")
    return theirs.LSTM(2, 3)


LEFT: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "subclass": (lambda: Own(2, 3), "LSTM", "of a class of its own, Own, which may compute something else"),
    "forward": (replaced, "GRU", "its forward was replaced"),
    "script": (lambda: torch.jit.script(nn.LSTM(2, 3)), "LSTM", "compiled by TorchScript"),
    "quantised": (quantised, "LSTM", "quantised: other arithmetic"),
}


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize("case", LEFT)
def test_what_is_left_and_why(case: str) -> None:
    make, kind, reason = LEFT[case]
    module = make()
    before = type(module)
    assert throughtime.accelerate(nn.Sequential(module)) == Acceleration((), (("0", kind, reason),))
    assert type(module) is before


@pytest.mark.parametrize("early", [True, False], ids=["built before", "built after"])
def test_an_optimiser_trains_as_with_torch(early: bool) -> None:
    theirs = model()
    ours = copy.deepcopy(theirs)
    optimiser = torch.optim.Adam(ours.parameters(), lr=0.05) if early else None
    throughtime.accelerate(ours)
    optimiser = optimiser or torch.optim.Adam(ours.parameters(), lr=0.05)
    plain = torch.optim.Adam(theirs.parameters(), lr=0.05)
    start = copy.deepcopy(theirs.state_dict())
    for _ in range(4):
        step(theirs, plain)
        step(ours, optimiser)
    alike(ours, theirs)
    assert all(
        not torch.equal(value, start[name]) for name, value in theirs.state_dict().items() if name != "cell.weight_hh"
    )


def test_checkpoints_load_both_ways() -> None:
    theirs, ours = both()
    for source, target in ((model(1), ours), (ours, model(2)), (ours, model(3))):
        saved = io.BytesIO()
        torch.save(source.state_dict(), saved)
        saved.seek(0)
        loaded = torch.load(saved, weights_only=True)
        target.load_state_dict(loaded, strict=True, assign=source is not target and target is not ours)
        alike(target, source)
    ours.load_state_dict(theirs.state_dict(), assign=True)
    alike(ours, theirs)


def test_copies_and_pickles_are_accelerated_and_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = both()
    saved = io.BytesIO()
    torch.save(ours, saved)
    saved.seek(0)
    copies = [copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), torch.load(saved, weights_only=False)]
    ours(IDS)
    copies.append(copy.deepcopy(ours))
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.fill_(0.5)
    seen = counted(monkeypatch)
    for number, other in enumerate(copies, start=1):
        alike(other, theirs)
        assert len(seen) == 7 * number


def test_hooks_are_called_as_before() -> None:
    calls: list[list[str]] = []
    for swap_at in ("never", "before", "after"):
        module, log = model(), list[str]()
        calls.append(log)
        if swap_at == "before":
            throughtime.accelerate(module)
        part = module.middle[0]
        part.register_forward_pre_hook(lambda m, args, log=log: log.append(f"pre {args[0].shape}"))
        part.register_forward_hook(lambda m, args, out, log=log: (out[0] * 2, out[1]))
        part.register_forward_hook(lambda m, args, out, log=log: log.append(f"post {out[0].sum():.9f}"))
        part.register_full_backward_pre_hook(lambda m, grads, log=log: log.append(f"back pre {len(grads)}"))
        part.register_full_backward_hook(lambda m, gi, go, log=log: log.append(f"back {gi[0].sum():.9f}"))
        part.register_state_dict_post_hook(lambda m, state, prefix, _, log=log: log.append(f"state {len(state)}"))
        part.weight_ih_l0.register_hook(lambda grad, log=log: log.append(f"gradient {grad.sum():.9f}"))
        if swap_at == "after":
            assert len(throughtime.accelerate(module).swapped) == 3
        module(IDS).sum().backward()
        module.state_dict()
    assert len(calls[0]) == 6
    assert calls[1] == calls[2] == calls[0]


def test_it_moves_like_any_module(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = both()
    for dtype in (torch.float32, torch.float64):
        assert torch.allclose(ours.to(dtype)(IDS), theirs.to(dtype)(IDS), atol=1e-5)
    assert ours.to("meta")(IDS.to("meta")).device.type == "meta"
    theirs, ours = both()
    seen = counted(monkeypatch)
    half = ours.to(torch.bfloat16)(IDS)
    assert torch.equal(half, theirs.to(torch.bfloat16)(IDS))
    assert not seen


def test_tied_and_replaced_weights() -> None:
    theirs, ours = both()
    for module in (theirs, ours):
        module(IDS)
        tied = nn.Parameter(torch.randn(24, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
        module.cell.weight_hh = tied
        module.first.weight_hh_l0 = nn.Parameter(module.first.weight_hh_l1_reverse.detach() * 2)
        module.first.weight_hh_l1 = module.first.weight_hh_l0
        module.middle[0].weight_hh_l0.data = module.middle[0].weight_hh_l0.data * 3
        module(IDS).sum().backward()
    alike(ours, theirs)
    for (name, mine), plain in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, plain.grad, **CLOSE, msg=lambda m, name=name: f"{name}: {m}")


def test_weights_that_are_computed_after_the_swap() -> None:
    theirs, ours = both()
    for module in (theirs, ours):
        prune.l1_unstructured(module.first, "weight_hh_l0", 0.5)
        parametrizations.weight_norm(module.middle[0], "weight_hh_l0")
        with torch.no_grad():
            module.middle[0].parametrizations.weight_hh_l0.original0.mul_(2.0)
        module(IDS).sum().backward()
    alike(ours, theirs)
    assert parametrize.is_parametrized(ours.middle[0])
    for mine, plain in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, plain.grad, **CLOSE)
    assert dict(item[::2] for item in throughtime.accelerate(ours).left)["middle.0"] == "accelerated before"


def test_recomputation_gives_the_same_gradients() -> None:
    theirs, ours = both()
    theirs(IDS).sum().backward()
    checkpoint(ours, IDS, use_reentrant=False).sum().backward()
    for mine, plain in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, plain.grad, **CLOSE)


def test_a_replica_of_data_parallel() -> None:
    outputs = []
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    for module in both():
        replica = module.first._replicate_for_data_parallel()
        for name, parameter in module.first.named_parameters():
            setattr(replica, name, parameter * 2)
        outputs.append(replica(x)[0])
    torch.testing.assert_close(outputs[1], outputs[0], **CLOSE)


def test_other_weights_for_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = both()
    other = {name: value * 2 for name, value in theirs.named_parameters()}
    seen = counted(monkeypatch)
    torch.testing.assert_close(functional_call(ours, other, (IDS,)), functional_call(theirs, other, (IDS,)), **CLOSE)
    assert len(seen) == 7
    alike(ours, theirs)


SHARED = """
import torch

def train(model, x):
    with torch.no_grad():
        model.weight_hh_l0.mul_(2.0)
    model(x)[0].sum().backward()
"""


def test_shared_memory_reaches_a_spawned_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trains_shared.py").write_text(SHARED)
    monkeypatch.syspath_prepend(tmp_path)
    model, x = nn.GRU(3, 4), torch.randn(5, 2, 3)
    throughtime.accelerate(model)
    model.share_memory()
    before = model(x)[0].detach()
    train = import_module("trains_shared").train
    process = torch.multiprocessing.get_context("spawn").Process(target=train, args=(model, x))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    after = model(x)[0].detach()
    throughtime.decelerate(model)
    assert type(model) is nn.GRU
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, model(x)[0])


def test_many_threads_may_call_one_module() -> None:
    from concurrent.futures import ThreadPoolExecutor

    theirs, ours = both()
    expected = theirs(IDS)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: ours(IDS), range(16)):
            torch.testing.assert_close(got, expected, **CLOSE)
